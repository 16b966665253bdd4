// One output sample a thread: the taps of its place between two input frames over the frames around it.
//
// `waveform` holds the frames, `filter` the rows of taps. Output sample i lies (first + i * down) / up frames into the
// waveform, counted to the first of its `width` frames. The fraction is a row, or lies between two: then both are used.
// Four sums, so that their additions do not wait for each other; fmaf, so that the result is the same to the bit wherever
// it is computed.

static __device__ float sum_of(const float *frames, const float *taps, unsigned width) {
    float a = 0.0f, b = 0.0f, c = 0.0f, d = 0.0f;
    for (unsigned n = 0; n < width; n += 4) {
        a = fmaf(frames[n], taps[n], a);
        b = fmaf(frames[n + 1], taps[n + 1], b);
        c = fmaf(frames[n + 2], taps[n + 2], c);
        d = fmaf(frames[n + 3], taps[n + 3], d);
    }
    return (a + b) + (c + d);
}

extern "C" __global__ void resample(const float *waveform, const float *filter, float *output,
                                    unsigned long long first, unsigned up, unsigned down, unsigned width,
                                    unsigned phases, unsigned count) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    unsigned long long position = first + (unsigned long long)i * down;
    const float *frames = waveform + position / up;
    unsigned long long place = position % up * phases;
    const float *taps = filter + place / up * width;
    unsigned between = (unsigned)(place % up);
    float sum = sum_of(frames, taps, width);
    if (between != 0) {
        float next = sum_of(frames, taps + width, width);
        sum = fmaf((float)between / (float)up, next - sum, sum);
    }
    output[i] = sum;
}
