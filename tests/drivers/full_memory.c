/* Preloaded: memory is full from the FULL_FROM-th large aligned block on, for FULL_COUNT of them, or for ever. Those are ggml's
 * and ONNX Runtime's: ggml's buffers, the memory of its graphs, tensors; Rust and C++ take theirs with malloc. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#define LARGE (512 << 10)

int posix_memalign(void **block, size_t alignment, size_t size)
{
    static int (*real)(void **, size_t, size_t);
    static atomic_int count;
    const char *from = getenv("FULL_FROM"), *most = getenv("FULL_COUNT");
    if (!real)
        real = (int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
    if (size >= LARGE && from) {
        int behind = atomic_fetch_add(&count, 1) + 1 - atoi(from);
        if (behind >= 0 && (!most || behind < atoi(most)))
            return ENOMEM;
    }
    return real(block, alignment, size);
}
