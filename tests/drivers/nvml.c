/* Stands in for libnvidia-ml.so.1: one device of 24 GiB, whose state is the text in the file
 * $FAKE_GPU: "PID BYTES USED", what process PID holds and what all processes hold. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7 };

struct memory { unsigned version; unsigned long long total, reserved, free, used; };
struct process { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; };

static void state(unsigned *pid, unsigned long long *bytes, unsigned long long *used) {
    FILE *file = fopen(getenv("FAKE_GPU"), "r");
    if (!file || fscanf(file, "%u %llu %llu", pid, bytes, used) != 3) abort();
    fclose(file);
}

int nvmlInit_v2(void) { return SUCCESS; }
int nvmlShutdown(void) { return SUCCESS; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { return snprintf(text, size, "570.1"), SUCCESS; }
int nvmlDeviceGetName(void *device, char *text, unsigned size) { return snprintf(text, size, "Fake GPU"), SUCCESS; }
int nvmlDeviceGetUUID(void *device, char *text, unsigned size) { return snprintf(text, size, "GPU-1"), SUCCESS; }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    *device = &state;
    return index == 0 ? SUCCESS : NOT_FOUND;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, void **device) {
    *device = &state;
    return strcmp(uuid, "GPU-1") ? NOT_FOUND : SUCCESS;
}

int nvmlDeviceGetMemoryInfo_v2(void *device, struct memory *info) {
    unsigned pid;
    unsigned long long bytes;
    info->total = 24ull << 30;
    state(&pid, &bytes, &info->used);
    info->free = info->total - info->used;
    return SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, struct process *list) {
    unsigned long long used;
    unsigned room = *count;
    *count = 2;
    if (room < 2) return INSUFFICIENT_SIZE;
    list[0] = (struct process){.pid = 1, .used = 5ull << 30};
    state(&list[1].pid, &list[1].used, &used);
    return SUCCESS;
}
