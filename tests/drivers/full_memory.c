/* Preloaded: memory is full from the FULL_FROM-th large aligned block on, for FULL_COUNT of them, or for ever. Those are ggml's
 * buffers and the memory of its graphs (posix_memalign), and ONNX Runtime's tensors (aligned_alloc); Rust and C++ take theirs
 * with malloc. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#define LARGE (512 << 10)
/* ONNX Runtime takes each tensor by itself; the largest of a window has some hundred kB. */
#define LARGE_TENSOR (192 << 10)

static int is_full(void)
{
    static atomic_int count;
    const char *from = getenv("FULL_FROM"), *most = getenv("FULL_COUNT");
    if (!from)
        return 0;
    int behind = atomic_fetch_add(&count, 1) + 1 - atoi(from);
    return behind >= 0 && (!most || behind < atoi(most));
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    static int (*real)(void **, size_t, size_t);
    if (!real)
        real = (int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
    return size >= LARGE && is_full() ? ENOMEM : real(block, alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    static void *(*real)(size_t, size_t);
    if (!real)
        real = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "aligned_alloc");
    if (size < LARGE_TENSOR || !is_full())
        return real(alignment, size);
    errno = ENOMEM;
    return NULL;
}
