"""Training examples: crops of speech, each of a class, through a channel of its own.

A class is a voice with its formants and its pitch moved.  Playing a clip `pitch` times as fast
moves both; filters with a warped frequency axis then set the formants alone.  So a few dozen
voices become some hundreds, and within a class the pitch can wander without the formants.
"""

from typing import NamedTuple

import numpy as np
import torch

from augment import RATE, Augmenter
from bank import Bank
from features import features

# Formants and pitch of a class, as factors.  Fifteen percent of formants is about what lies
# between the averages of men and women.
MOVES = {
    "human": [(1.0, 1.0), (0.87, 0.82), (1.15, 1.2), (0.9, 1.15), (1.12, 0.88)],
    "festival": [(1.0, 1.0), (0.87, 0.85), (1.15, 1.15)],
    "flite": [(1.0, 1.0), (0.87, 0.85), (1.15, 1.15)],
    "espeak": [(1.0, 1.0)],
}
SHARES = {"human": 0.62, "festival": 0.2, "flite": 0.06, "espeak": 0.12}
# What stays the same voice.
FORMANT_JITTER = 0.02
PITCH_JITTER = 0.09
SECONDS = (0.7, 4.0)
MASK_SHARE, MASK_BINS = 0.3, 10


class Class(NamedTuple):
    """A voice of the bank, moved."""

    voice: str
    formants: float
    pitch: float


class Examples:
    """Endless batches; `rng` is a numpy generator."""

    def __init__(self, folder, rng):
        self.rng = rng
        self.bank = Bank(folder, "train")
        self.augmenter = Augmenter(self.bank, rng)
        self.classes, odds = [], []
        kinds = [voice.kind for voice in self.bank.voices]
        for voice in self.bank.voices:
            moves = MOVES[voice.kind]
            self.classes += [Class(voice.name, *move) for move in moves]
            odds += [SHARES[voice.kind] / kinds.count(voice.kind) / len(moves)] * len(moves)
        self.odds = np.array(odds) / sum(odds)

    def crop(self, number, count):
        """Samples of a class, and the warp that its filters need."""
        voice, formants, pitch = self.classes[number]
        speed = pitch * (1 + PITCH_JITTER * self.rng.uniform(-1, 1))
        formants *= 1 + FORMANT_JITTER * self.rng.uniform(-1, 1)
        samples = self.bank.speech(self.rng, voice, int(count * speed) + 2)
        moved = np.interp(np.arange(count) * speed, np.arange(len(samples)), samples)
        return moved, formants / speed

    def batch(self, frames, strength):
        """Features [2 x pairs, frames, 80] and class numbers; a class comes twice, at `pairs`.

        `frames` is how many frames of features the batch may have in all, `strength` the
        augmentation's.
        """
        seconds = np.exp(self.rng.uniform(*np.log(SECONDS)))
        count = int(seconds * RATE)
        pairs = min(int(frames / (2 * seconds * 100)), np.count_nonzero(self.odds) // 2)
        chosen = self.rng.choice(len(self.classes), pairs, replace=False, p=self.odds)
        chosen = np.tile(chosen, 2)
        crops, warps = zip(*(self.crop(number, count) for number in chosen))
        samples = torch.from_numpy(np.stack(crops).astype(np.float32))
        feats = features(self.augmenter(self.rng, samples, strength), warps)
        for row in feats:
            if self.rng.random() < MASK_SHARE:
                low, width = self.rng.integers(80), self.rng.integers(MASK_BINS)
                row[:, low : low + width] = 0
        return feats, torch.from_numpy(chosen)
