"""A bank of spoken sentences on disk: written once by the synthesisers, drawn from while training.

    python3 bank.py train|seen|unseen FOLDER [--scale 1.0]

`train` has the trained voices and training sentences, `seen` the trained voices and reserved
sentences, `unseen` the held-out voices and reserved sentences.  FOLDER gets SPLIT.i16 (samples,
16 kHz) and SPLIT.json (for each utterance: first sample, count, voice, words with times).
"""

import argparse
import collections
import json
import random
from pathlib import Path

import numpy as np

from grammar import reserved_sentence, training_sentence
from synth import ESPEAK_HELD_OUT, ESPEAK_TRAINED, RATE, Unusable, Utterance, Word, speak

ESPEAK_SHARE = 0.35  # of the voices drawn; the others are more natural

# split: (seed, sentences, [(voices, utterances of each)])
SPLITS = {
    "train": (
        11,
        training_sentence,
        [
            (["flite kal16", "festival ked_diphone"], 2000),
            (["flite awb", "flite slt"], 3000),
            (["festival kal_diphone"], 1000),
            (["festival cmu_us_slt_arctic_hts"], 1500),
            (["espeak " + name for name in ESPEAK_TRAINED], 300),
        ],
    ),
    "seen": (
        12,
        reserved_sentence,
        [
            (
                [
                    "flite kal16",
                    "flite awb",
                    "flite slt",
                    "festival ked_diphone",
                    "festival kal_diphone",
                    "festival cmu_us_slt_arctic_hts",
                ],
                60,
            ),
            (["espeak " + name for name in ESPEAK_TRAINED], 20),
        ],
    ),
    "unseen": (
        13,
        reserved_sentence,
        [(["flite rms"], 150), (["espeak " + name for name in ESPEAK_HELD_OUT], 50)],
    ),
}


def write(split, folder, scale):
    """Synthesise one split."""
    seed, sentence, parts = SPLITS[split]
    rng, index, offset = random.Random(seed), [], 0
    with open(folder / f"{split}.i16", "wb") as samples:
        for voice, count in [(voice, count) for voices, count in parts for voice in voices]:
            for _ in range(max(1, int(count * scale))):
                try:
                    utterance = speak(voice, sentence(rng), rng)
                except Unusable:
                    continue
                (utterance.samples * 32767).astype("<i2").tofile(samples)
                words = [
                    (text, round(start, 3), round(end, 3)) for text, start, end in utterance.words
                ]
                index.append((offset, len(utterance.samples), voice, words))
                offset += len(utterance.samples)
            print(f"{voice}: {len(index)} utterances, {offset / RATE / 3600:.2f} hours", flush=True)
    (folder / f"{split}.json").write_text(json.dumps(index))


class Bank:
    """The utterances of one split whose sentence is `wanted`, by voice."""

    def __init__(self, folder, split, wanted=lambda sentence: True):
        index = json.loads((Path(folder) / f"{split}.json").read_text())
        self.index = [row for row in index if wanted(" ".join(text for text, _, _ in row[3]))]
        self.samples = np.memmap(Path(folder) / f"{split}.i16", "<i2", "r")
        self.of_voice = collections.defaultdict(list)
        for number, (_, _, voice, _) in enumerate(self.index):
            self.of_voice[voice].append(number)
        espeak = [voice for voice in self.of_voice if voice.startswith("espeak ")]
        self.groups = [[voice for voice in self.of_voice if voice not in espeak], espeak]

    def voice(self, rng):
        """Draw a voice; `rng` is a numpy generator."""
        return rng.choice(self.groups[int(rng.random() < ESPEAK_SHARE)])

    def utterance(self, rng, voice, speed=1.0):
        """Draw an utterance of a voice, played at `speed` (pitch and formants move along)."""
        numbers = self.of_voice[voice]
        offset, count, _, words = self.index[numbers[rng.integers(len(numbers))]]
        samples = self.samples[offset : offset + count].astype(np.float32) / 32768
        if speed != 1:
            samples = np.interp(
                np.arange(int(count / speed)) * speed, np.arange(count), samples
            ).astype(np.float32)
        return Utterance(
            samples, [Word(text, start / speed, end / speed) for text, start, end in words]
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("split", choices=SPLITS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    write(options.split, options.folder, options.scale)
