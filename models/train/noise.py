"""Sounds without words: noises to mix in and rooms to speak in."""

import numpy as np
from scipy.signal import fftconvolve

from mel import CHUNK
from synth import RATE

COUNT = CHUNK * RATE  # samples of one noise


def colored(rng, slope):
    """Gaussian noise whose amplitude falls with frequency to the power `slope`."""
    spectrum = np.fft.rfft(rng.standard_normal(COUNT))
    return np.fft.irfft(spectrum * (np.arange(len(spectrum)) + 50.0) ** -slope, COUNT)


def hiss(rng, bank):
    """White to brown noise."""
    return colored(rng, rng.uniform(0, 1.2))


def hum(rng, bank):
    """Mains hum with harmonics and a little hiss."""
    time = np.arange(COUNT) / RATE
    base = rng.choice([50, 60, 100, 120]) * rng.uniform(0.98, 1.02)
    tones = [
        rng.random() / k * np.sin(2 * np.pi * base * k * time + 6 * rng.random())
        for k in range(1, 12)
    ]
    return sum(tones) + 0.05 * colored(rng, 0.5)


def babble(rng, bank):
    """Many voices played backwards, so that no word is left."""
    sound = np.zeros(COUNT)
    for _ in range(rng.integers(12, 40)):
        piece = bank.utterance(rng, bank.voice(rng)).samples[::-1]
        add(sound, rng.integers(COUNT), piece)
    return sound


def chords(rng, bank):
    """Chords of decaying harmonics, somewhat like music."""
    sound, start = np.zeros(COUNT), 0
    while start < COUNT:
        length = int(RATE * rng.uniform(0.2, 1.2))
        time = np.arange(2 * length) / RATE
        for _ in range(rng.integers(1, 4)):
            pitch, falloff = 110 * 2 ** (rng.integers(36) / 12), rng.uniform(0.8, 2)
            tone = sum(np.sin(2 * np.pi * pitch * k * time) / k**falloff for k in range(1, 7))
            add(sound, start, tone * np.exp(-time * rng.uniform(1, 5)))
        start += length
    return sound


def knocks(rng, bank):
    """Clicks and bursts over faint noise."""
    sound = 0.02 * colored(rng, 0.6)
    for _ in range(rng.integers(10, 60)):
        length = rng.integers(50, RATE // 2)
        decay = np.exp(-6 * np.arange(length) / length)
        add(sound, rng.integers(COUNT), rng.standard_normal(length) * decay * rng.random())
    return sound


def add(sound, start, piece):
    """Mix a piece in; what passes the end is lost."""
    part = sound[start : start + len(piece)]
    part += piece[: len(part)]


KINDS = [hiss, hiss, hum, babble, chords, knocks]


def pool(rng, bank, size=48):
    """`size` noises of all kinds, each with an RMS of 1."""
    sounds = [KINDS[number % len(KINDS)](rng, bank) for number in range(size)]
    return [(sound / np.sqrt(np.mean(sound**2))).astype(np.float32) for sound in sounds]


def in_a_room(rng, samples):
    """Speech with the decaying echo of a small room."""
    decay = rng.uniform(0.08, 0.35)  # seconds to fall by 60 dB
    count = int(0.8 * decay * RATE)
    echo = (
        rng.standard_normal(count)
        * 10 ** (-3 * np.arange(count) / RATE / decay)
        * rng.uniform(0.02, 0.12)
    )
    echo[0] = 1
    return fftconvolve(samples, echo)[: len(samples)].astype(np.float32)
