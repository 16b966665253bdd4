/* Preloaded into scribe-worker: memory is full from the FULL_FROM-th large aligned block on. Those are ggml's: its buffers and
 * the memory of its graphs; Rust and C++ take theirs with malloc. */
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
    if (!real)
        real = (int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
    if (size >= LARGE && atomic_fetch_add(&count, 1) + 1 >= atoi(getenv("FULL_FROM")))
        return ENOMEM;
    return real(block, alignment, size);
}
