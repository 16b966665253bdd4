"""WeSpeaker's filterbank features, a batch at a time, and with formants moved if wanted.

Kaldi's fbank with 80 bins, 25 ms Hamming windows every 10 ms, pre-emphasis 0.97, the offset
removed, no dither, only whole windows, 20 Hz to 8 kHz, log power, of samples times 32768; then
each bin's mean over time is subtracted.  `python3 features.py` compares it with
kaldi-native-fbank.
"""

import functools
import math

import numpy as np
import torch

RATE = 16000
WINDOW, STEP, SIZE = 400, 160, 512
BINS = 80
LOWEST, HIGHEST = 20.0, RATE / 2
PREEMPHASIS = 0.97
FLOOR = torch.finfo(torch.float32).eps
HAMMING = torch.hamming_window(WINDOW, periodic=False)
# Where a warped frequency axis bends, so that 8 kHz stays 8 kHz.
BEND = 5500.0
WARP_STEP = 0.01


def mel(frequency):
    """Kaldi's mel scale."""
    return 1127.0 * np.log1p(np.asarray(frequency) / 700.0)


@functools.cache
def filters(step):
    """The 257 x 80 triangles that hear formants `step * WARP_STEP` times as high as they are."""
    warp = step * WARP_STEP
    bend = BEND / max(warp, 1.0)
    frequency = np.arange(SIZE // 2 + 1) * RATE / SIZE
    moved = np.interp(frequency, [0, bend, HIGHEST], [0, bend * warp, HIGHEST])
    at = mel(moved)[:, None]
    edges = np.linspace(mel(LOWEST), mel(HIGHEST), BINS + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    weights = np.minimum((at - left) / (centre - left), (right - at) / (right - centre)).clip(0)
    weights[-1] = 0  # Kaldi leaves the Nyquist bin out
    return torch.from_numpy(weights.astype(np.float32))


def log_mel(samples, warps=None):
    """[batch, samples] in -1..1 to [batch, frames, 80]; `warps` is a factor for each row."""
    frames = (samples * 32768).unfold(1, WINDOW, STEP)
    frames = frames - frames.mean(2, keepdim=True)
    before = torch.cat([frames[..., :1], frames[..., :-1]], 2)
    spectrum = torch.fft.rfft((frames - PREEMPHASIS * before) * HAMMING, SIZE)
    power = spectrum.real.square() + spectrum.imag.square()
    if warps is None:
        energies = power @ filters(round(1 / WARP_STEP))
    else:
        energies = power @ torch.stack([filters(round(warp / WARP_STEP)) for warp in warps])
    return energies.clamp(min=FLOOR).log()


def features(samples, warps=None):
    """What the network takes: `log_mel` less its mean over time."""
    bins = log_mel(samples, warps)
    return bins - bins.mean(1, keepdim=True)


def compare():
    """The largest difference from kaldi-native-fbank on a second of sweep and noise."""
    import kaldi_native_fbank as reference

    time = np.arange(RATE) / RATE
    noise = np.random.default_rng(1).standard_normal(RATE)
    samples = (0.3 * np.sin(2000 * math.pi * time**2) + 0.01 * noise).astype(np.float32)
    options = reference.FbankOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.window_type = "hamming"
    options.frame_opts.snip_edges = True
    options.mel_opts.num_bins = BINS
    options.mel_opts.low_freq = LOWEST
    options.mel_opts.high_freq = HIGHEST
    fbank = reference.OnlineFbank(options)
    fbank.accept_waveform(RATE, (samples * 32768).tolist())
    wanted = np.stack([fbank.get_frame(frame) for frame in range(fbank.num_frames_ready)])
    found = log_mel(torch.from_numpy(samples)[None])[0].numpy()
    assert wanted.shape == found.shape
    return np.abs(wanted - found).max()


if __name__ == "__main__":
    print(f"largest difference from kaldi-native-fbank: {compare():.2e}")
