"""Whisper's log-mel spectrogram (log_mel_spectrogram in whisper/audio.py of openai-whisper)."""

import functools

import numpy as np
import torch

from synth import RATE
from tokens import assets

BANDS = 80
FFT = 400
HOP = 160
MEL_PER_SECOND = RATE // HOP
FRAMES_PER_SECOND = MEL_PER_SECOND // 2  # of the encoder, whose second convolution has stride 2
CHUNK = 30  # seconds of a full window
FLOOR = 1e-10
DYNAMIC_RANGE = 8.0  # in powers of ten below the loudest cell


@functools.cache
def filters():
    """The mel filters, one row a band."""
    return torch.from_numpy(np.load(assets() / "mel_filters.npz")["mel_80"])


@functools.cache
def hann():
    """The window of the Fourier transform."""
    return torch.hann_window(FFT)


def log_mel(samples):
    """log10 of the mel power, [80, samples / 160], not yet normalised."""
    spectrum = torch.stft(torch.from_numpy(samples), FFT, HOP, window=hann(), return_complex=True)
    power = torch.view_as_real(spectrum[:, :-1]).square().sum(-1)
    return (filters() @ power).clamp(min=FLOOR).log10()


def normalised(mel, loudest=None):
    """Limit the range below `loudest` and bring it near -1..1."""
    loudest = mel.max() if loudest is None else loudest
    return (torch.maximum(mel, loudest - DYNAMIC_RANGE) + 4.0) / 4.0
