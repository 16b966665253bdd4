"""Rooms, microphones, telephones and noises: what differs between two recordings of one voice.

All of it works on a batch [batch, samples] at once.  Room and channel are one multiplication of
spectra, so that a batch costs three Fourier transforms.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from scipy.fft import next_fast_len

# After this folder, whose bank.py must be found first.
sys.path.append(str(Path(__file__).resolve().parent.parent))

import noise  # noqa: E402
import synth  # noqa: E402

RATE = 16000

ROOM_SHARE = 0.5
ROOM_DECAY = (0.08, 0.7)  # seconds to fall by 60 dB
ROOM_LEVEL = (0.15, 1.2)  # of the echo, as a share of the direct sound's energy, squared root
ROOM_DELAY = (0.001, 0.012)  # seconds between the direct sound and the first echo
ROOM_LENGTH = 0.5

TILT_POINTS = np.array([60, 150, 400, 1000, 2500, 5000, 8000])  # Hz
TILT_DB = 5.0  # deviation of the gain at each of them
NARROW_SHARE = 0.25  # telephones and other narrow channels
LOW_PASS = (3000, 7600)
HIGH_PASS = (60, 400)

NOISE_SHARE = 0.6
NOISE_DB = (2, 30)  # signal to noise
OTHER_SHARE = 0.1  # of the noises is somebody else, speaking more softly
OTHER_DB = (6, 20)
COARSE_SHARE = 0.1  # coded as on a telephone, with 8 bits of mu-law
LEVEL_DB = (-35, -1)


def rooms(rng, rows, count, share):
    """Spectra of room responses, ones where a row has no room."""
    time = np.arange(int(ROOM_LENGTH * RATE)) / RATE
    responses = np.zeros((rows, len(time)), np.float32)
    responses[:, 0] = 1
    for response in responses:
        if rng.random() < share:
            decay = np.exp(rng.uniform(*np.log(ROOM_DECAY)))
            echo = rng.standard_normal(len(time)) * 10 ** (-3 * time / decay)
            echo[: int(rng.uniform(*ROOM_DELAY) * RATE)] = 0
            response += rng.uniform(*ROOM_LEVEL) * echo / np.sqrt(np.sum(echo**2) + 1e-9)
    return torch.fft.rfft(torch.from_numpy(responses), count)


def channels(rng, rows, count, share):
    """Gains over frequency: a smooth tilt for all, band limits for some."""
    frequency = np.linspace(0, RATE / 2, count // 2 + 1)
    gains = np.empty((rows, len(frequency)), np.float32)
    points = np.log(frequency.clip(30))
    for gain in gains:
        decibels = np.interp(
            points, np.log(TILT_POINTS), TILT_DB * rng.standard_normal(len(TILT_POINTS))
        )
        if rng.random() < share:
            # A fall of 48 dB an octave, steep but not a wall.
            low, high = rng.uniform(*LOW_PASS), rng.uniform(*HIGH_PASS)
            decibels -= 48 * np.log2(frequency.clip(1) / low).clip(0)
            decibels -= 48 * np.log2(high / frequency.clip(1)).clip(0)
        gain[:] = 10 ** (decibels.clip(-80) / 20)
    return torch.from_numpy(gains)


def scale(rng, rows, decibels):
    """A factor for each row, drawn evenly in decibels."""
    return torch.from_numpy(10 ** (rng.uniform(*decibels, (rows, 1)) / 20)).float()


def rms(samples):
    """The level of each row."""
    return samples.square().mean(1, keepdim=True).sqrt() + 1e-6


class Augmenter:
    """Noises from a bank's training voices, and the whole chain."""

    def __init__(self, bank, rng, size=40):
        self.noises = noise.pool(rng, Talkers(bank), size)

    def noise(self, rng, count):
        """A piece of a random noise."""
        sound = self.noises[rng.integers(len(self.noises))]
        start = rng.integers(len(sound) - count)
        return sound[start : start + count]

    def __call__(self, rng, samples, strength=1.0):
        """Speech [batch, samples] through rooms, noises, channels and levels.

        A lower `strength` spares more of the rows.
        """
        rows, count = samples.shape
        size = next_fast_len(count + RATE // 2, real=True)
        spectra = torch.fft.rfft(samples, size) * rooms(rng, rows, size, strength * ROOM_SHARE)
        samples = torch.fft.irfft(spectra, size)[:, :count]
        samples = samples / rms(samples)

        noises = torch.from_numpy(np.stack([self.noise(rng, count) for _ in range(rows)]))
        levels = 1 / scale(rng, rows, NOISE_DB)
        others = torch.from_numpy(rng.random((rows, 1)) < OTHER_SHARE)
        noises = torch.where(others, samples.roll(1, 0), noises)
        levels = torch.where(others, 1 / scale(rng, rows, OTHER_DB), levels)
        levels *= torch.from_numpy(rng.random((rows, 1)) < strength * NOISE_SHARE)
        samples = samples + levels * noises / rms(noises)

        size = next_fast_len(count + 1000, real=True)
        spectra = torch.fft.rfft(samples, size) * channels(rng, rows, size, strength * NARROW_SHARE)
        samples = torch.fft.irfft(spectra, size)[:, :count]
        samples = samples * (scale(rng, rows, LEVEL_DB) / samples.abs().amax(1, keepdim=True))
        coarse = torch.from_numpy(rng.random(rows) < COARSE_SHARE)
        samples[coarse] = mu_law(samples[coarse])
        return (samples * 32768).round() / 32768


def mu_law(samples):
    """Eight bits a sample, as a telephone codes it."""
    code = samples.sign() * torch.log1p(255 * samples.abs().clamp(max=1)) / np.log(256)
    code = (code * 127).round() / 127
    return code.sign() * (torch.exp(code.abs() * np.log(256)) - 1) / 255


class Talkers:
    """A bank as `noise.py` wants it, which lets crowds of these voices murmur."""

    def __init__(self, bank):
        self.bank = bank

    def voice(self, rng):
        """Anyone."""
        return self.bank.voices[rng.integers(len(self.bank.voices))].name

    def utterance(self, rng, voice):
        """Something they say."""
        return synth.Utterance(self.bank.clip(rng, voice), [])
