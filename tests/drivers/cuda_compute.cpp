// Stands in for libcuda.so.1: one device whose memory is the heap, and which runs the kernel of the resampler, compiled
// from the very source that a GPU gets, one thread after the other. What is held at any time is in the file $FAKE_GPU:
// "CONTEXTS ALLOCATIONS LAUNCHES". With $FAKE_GPU_FULL set there is no memory to be had.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#define __global__
#define __device__
struct dimensions { unsigned x; };
static dimensions threadIdx, blockIdx, blockDim;
#include "../../src/infer/polyphase/resample.cu"

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_DEVICE = 101, NOT_FOUND = 500 };

static std::mutex mutex;
static long contexts, allocations, launches;
static thread_local void *current;
static int token;

static void count(long &what, long change) {
    std::lock_guard<std::mutex> guard(mutex);
    what += change;
    FILE *file = fopen(getenv("FAKE_GPU"), "w");
    if (!file) abort();
    fprintf(file, "%ld %ld %ld\n", contexts, allocations, launches);
    fclose(file);
}

extern "C" {
int cuInit(unsigned) { return SUCCESS; }
int cuDeviceGet(int *device, int index) { return *device = index, index == 0 ? SUCCESS : INVALID_DEVICE; }
int cuDeviceGetName(char *text, int size, int) { return snprintf(text, size, "Fake CUDA"), SUCCESS; }
int cuDeviceTotalMem_v2(size_t *bytes, int) { return *bytes = 24ull << 30, SUCCESS; }
int cuDeviceGetAttribute(int *value, int, int) { return *value = 0, SUCCESS; }
int cuDevicePrimaryCtxGetState(int, unsigned *flags, int *active) { return *flags = 0, *active = contexts > 0, SUCCESS; }
int cuDevicePrimaryCtxRetain(void **context, int) { return *context = &token, count(contexts, 1), SUCCESS; }
int cuDevicePrimaryCtxRelease_v2(int) { return count(contexts, -1), SUCCESS; }
int cuCtxGetCurrent(void **context) { return *context = current, SUCCESS; }
int cuCtxSetCurrent(void *context) { return current = context, SUCCESS; }
int cuCtxPushCurrent_v2(void *context) { return current = context, SUCCESS; }
int cuCtxPopCurrent_v2(void **context) { return *context = current, current = nullptr, SUCCESS; }
int cuCtxSynchronize() { return SUCCESS; }
int cuMemGetInfo_v2(size_t *free_bytes, size_t *total) { return *free_bytes = *total = 24ull << 30, SUCCESS; }
int cuStreamCreate(void **stream, unsigned) { return *stream = &token, SUCCESS; }
int cuStreamDestroy_v2(void *) { return SUCCESS; }
int cuStreamSynchronize(void *) { return SUCCESS; }
int cuStreamWaitEvent(void *, void *, unsigned) { return SUCCESS; }
int cuEventCreate(void **event, unsigned) { return *event = &token, SUCCESS; }
int cuEventDestroy_v2(void *) { return SUCCESS; }
int cuEventRecord(void *, void *) { return SUCCESS; }
int cuModuleLoadData(void **module, const void *) { return *module = &token, SUCCESS; }
int cuModuleUnload(void *) { return SUCCESS; }

int cuModuleGetFunction(void **function, void *, const char *name) {
    *function = &token;
    return strcmp(name, "resample") ? NOT_FOUND : SUCCESS;
}

int cuGetErrorString(int error, const char **text) {
    *text = error == OUT_OF_MEMORY ? "out of memory" : "another error";
    return SUCCESS;
}

int cuMemAlloc_v2(void **memory, size_t bytes) {
    if (getenv("FAKE_GPU_FULL")) return OUT_OF_MEMORY;
    *memory = malloc(bytes);
    return count(allocations, 1), SUCCESS;
}

int cuMemFree_v2(void *memory) { return free(memory), count(allocations, -1), SUCCESS; }
int cuMemsetD8Async(void *memory, unsigned char value, size_t bytes, void *) {
    return memset(memory, value, bytes), SUCCESS;
}
int cuMemcpyHtoDAsync_v2(void *to, const void *from, size_t bytes, void *) { return memcpy(to, from, bytes), SUCCESS; }
int cuMemcpyDtoHAsync_v2(void *to, const void *from, size_t bytes, void *) { return memcpy(to, from, bytes), SUCCESS; }
int cuMemcpyDtoDAsync_v2(void *to, const void *from, size_t bytes, void *) { return memcpy(to, from, bytes), SUCCESS; }

int cuLaunchKernel(void *, unsigned grid, unsigned, unsigned, unsigned block, unsigned, unsigned, unsigned, void *,
                   void **arguments, void **) {
    if (!current) return INVALID_VALUE;
    count(launches, 1);
    // The state of this thread's "multiprocessor" is shared by all: one launch at a time.
    std::lock_guard<std::mutex> guard(mutex);
    blockDim.x = block;
    for (blockIdx.x = 0; blockIdx.x < grid; blockIdx.x++)
        for (threadIdx.x = 0; threadIdx.x < block; threadIdx.x++)
            resample(*(const float **)arguments[0], *(const float **)arguments[1], *(float **)arguments[2],
                     *(unsigned long long *)arguments[3], *(unsigned *)arguments[4], *(unsigned *)arguments[5],
                     *(unsigned *)arguments[6], *(unsigned *)arguments[7], *(unsigned *)arguments[8]);
    return SUCCESS;
}
}
