/* A stand-in for an ONNX Runtime that is too old: the head of OrtApiBase (onnxruntime_c_api.h) and no interface. */
#include <stddef.h>
#include <stdint.h>

static const void *get_api(uint32_t version) {
    (void)version;
    return NULL;
}

static const char *get_version(void) { return "1.16.3"; }

static const struct {
    const void *(*get_api)(uint32_t);
    const char *(*get_version)(void);
} base = {get_api, get_version};

const void *OrtGetApiBase(void) { return &base; }
