/* Stands in for libcuda.so.1: one device of 24 GiB, whose state is the text in the file $FAKE_GPU:
 * "ACTIVE USED", whether this process has a primary context and what all processes hold. Without
 * a context the memory cannot be asked for, and nothing here makes one: retaining aborts. */
#include <stdio.h>
#include <stdlib.h>

enum { SUCCESS = 0, INVALID_DEVICE = 101, INVALID_CONTEXT = 201 };

static int current;

static void state(int *active, size_t *used) {
    FILE *file = fopen(getenv("FAKE_GPU"), "r");
    if (!file || fscanf(file, "%d %zu", active, used) != 2) abort();
    fclose(file);
}

int cuInit(unsigned flags) { return SUCCESS; }
int cuDeviceGet(int *device, int index) { return *device = index, index == 0 ? SUCCESS : INVALID_DEVICE; }
int cuDeviceGetName(char *text, int size, int device) { return snprintf(text, size, "Fake CUDA"), SUCCESS; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { return *bytes = 24ull << 30, SUCCESS; }

int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
    size_t used;
    return state(active, &used), SUCCESS;
}

int cuDevicePrimaryCtxRetain(void **context, int device) {
    int active;
    size_t used;
    state(&active, &used);
    if (!active) abort();
    *context = &current;
    return SUCCESS;
}

int cuDevicePrimaryCtxRelease_v2(int device) { return SUCCESS; }
int cuCtxPushCurrent_v2(void *context) { return current++, SUCCESS; }
int cuCtxPopCurrent_v2(void **context) { return *context = &current, current--, SUCCESS; }

int cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
    int active;
    size_t used;
    if (!current) return INVALID_CONTEXT;
    state(&active, &used);
    *total = 24ull << 30;
    *free_bytes = *total - used;
    return SUCCESS;
}
