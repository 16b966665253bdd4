"""Where a scene is heard: rooms, microphones and lines, and a noise that is no voice.

Rooms and colours are spectra for a transform of `size` samples.
"""

import sys
from pathlib import Path

import numpy as np
import scipy.fft

sys.path.append(str(Path(__file__).resolve().parent.parent))

from noise import add  # noqa: E402
from segmentation_network import RATE  # noqa: E402

TELEPHONE = 0.18  # of the lines
DULL = 0.4  # of the others: without the upper octave


def room(rng, size):
    """The spectrum of a room's echoes, of unit energy: early ones, and a tail that darkens."""
    lasting = rng.triangular(0.12, 0.3, 0.9)  # seconds to fall by 60 dB
    count = int(min(0.5, 0.8 * lasting) * RATE)
    time = np.arange(count) / RATE
    tail = np.zeros(count)
    for slope, share in ((1.0, 1.0), (0.0, rng.uniform(0.3, 0.9))):
        noise_spectrum = np.fft.rfft(rng.standard_normal(count))
        noise_spectrum *= (np.arange(len(noise_spectrum)) + count / 30.0) ** -slope
        band = np.fft.irfft(noise_spectrum, count)
        band /= np.sqrt((band**2).mean())
        tail += share * band * 10 ** (-3 * time / (lasting * (0.5 + 0.5 * slope)))
    for _ in range(rng.integers(2, 9)):
        tail[int(rng.uniform(0.001, 0.03) * RATE) % count] += rng.uniform(-1, 1) * 8
    return scipy.fft.rfft(tail / np.sqrt((tail**2).sum()), size).astype(np.complex64)


def colour(rng, size):
    """The response of a microphone and line: a smooth curve, at times a telephone's band."""
    frequencies = np.arange(size // 2 + 1) * RATE / size
    place = np.log2(np.maximum(frequencies, 40) / 40) / np.log2(200)
    decibels = rng.normal(0, 4) * (place - 0.5)
    for wave in range(1, 5):
        decibels = decibels + rng.normal(0, 2.5) * np.cos(np.pi * wave * place + rng.uniform(0, 6))
    low, high = rng.uniform(20, 150), 8000.0
    if rng.random() < TELEPHONE:
        low, high = rng.uniform(150, 350), rng.uniform(3200, 3900)
    elif rng.random() < DULL:
        high = rng.uniform(3800, 7500)
    decibels = decibels - 12 * np.maximum(0, np.log2(low / np.maximum(frequencies, 1)))
    decibels = decibels - 60 * np.clip((frequencies - high) / 300, 0, 1)
    return (10 ** (decibels / 20)).astype(np.float32)


def rustle(rng, size):
    """Paper, breath, chairs: bursts of coloured noise with the pace of syllables."""
    sound = 1e-3 * rng.standard_normal(size)
    clock = 0
    while clock < size:
        length = int(rng.uniform(0.03, 0.7) * RATE)
        spectrum = np.fft.rfft(rng.standard_normal(length))
        place = np.linspace(0, 1, len(spectrum))
        spectrum *= np.exp(-(((place - rng.uniform(0, 0.6)) / rng.uniform(0.05, 0.5)) ** 2))
        swell = np.sin(np.pi * np.linspace(0, 1, length) ** rng.uniform(0.3, 2)) ** 2
        burst = np.fft.irfft(spectrum, length) * swell
        add(sound, clock, burst / (np.abs(burst).max() + 1e-9) * rng.random())
        clock += int(length * rng.uniform(0.6, 1) + rng.exponential(rng.choice([0.05, 1]) * RATE))
    return (sound / np.sqrt((sound**2).mean())).astype(np.float32)
