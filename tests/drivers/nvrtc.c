/* Stands in for libnvrtc.so: takes any source for compiled. The stand-in for the driver has the kernel itself. */
#include <stdlib.h>
#include <string.h>

static const char PTX[] = "compiled";

int nvrtcCreateProgram(void **program, const char *source, const char *name, int count, const char *const *headers,
                       const char *const *names) {
    if (!strstr(source, "__global__ void resample")) abort();
    return *program = (void *)PTX, 0;
}

int nvrtcCompileProgram(void *program, int count, const char *const *options) { return 0; }
int nvrtcGetPTXSize(void *program, size_t *size) { return *size = sizeof PTX, 0; }
int nvrtcGetPTX(void *program, char *text) { return memcpy(text, PTX, sizeof PTX), 0; }
int nvrtcGetProgramLogSize(void *program, size_t *size) { return *size = 1, 0; }
int nvrtcGetProgramLog(void *program, char *text) { return *text = 0, 0; }
int nvrtcDestroyProgram(void **program) { return *program = NULL, 0; }
