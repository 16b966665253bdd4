"""Make the bundled recordings beside this file.

    python3 models/recordings/make.py [FOLDER]

`conversation.flac` is a minute of two synthetic voices taking turns, with its transcript (.txt),
word times (.words.json) and turns (.rttm).  Its sentences are reserved and from new templates:
training never saw one.
`silence-and-noise.flac` has silence, mains hum and noise, and no word.  Seeds are fixed, so the
same versions of flite and sox give the same files.  Needs flite, sox, numpy and scipy.
"""

import collections
import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "train"))

from grammar import NEW_TEMPLATES, is_new, reserved_sentence, template_of  # noqa: E402
from synth import RATE, Unusable, speak  # noqa: E402

SEED = 2026
SPEAKERS = {"slt": "flite slt", "awb": "flite awb"}
LENGTH = 60.0
LEAD = 0.8  # seconds before the first word
BETWEEN_SENTENCES = (0.25, 0.55)
BETWEEN_TURNS = (0.5, 1.0)
LONG_PAUSE = 1.6  # once, after the turn in the middle
SENTENCES_IN_A_TURN = [1, 2, 2, 3]
LEVEL = 0.5


def conversation(rng):
    """Samples, and for each turn the speaker and the words (text, start, end)."""
    samples, turns, clock = np.zeros(int(LENGTH * RATE)), [], LEAD
    said, paused = set(), False
    while True:
        speaker = list(SPEAKERS)[len(turns) % len(SPEAKERS)]
        words, pieces, end = [], [], clock
        for _ in range(rng.choice(SENTENCES_IN_A_TURN)):
            utterance = new_utterance(rng, speaker, said)
            pieces.append((end, utterance.samples))
            words += [(text, end + start, end + stop) for text, start, stop in utterance.words]
            end += len(utterance.samples) / RATE + rng.uniform(*BETWEEN_SENTENCES)
        if words[-1][2] > LENGTH - 0.5:
            return samples, turns
        for start, piece in pieces:
            first = round(start * RATE)
            samples[first : first + len(piece)] += LEVEL * piece
        turns.append((speaker, words))
        clock = words[-1][2] + rng.uniform(*BETWEEN_TURNS)
        if not paused and clock > LENGTH / 2:
            clock, paused = words[-1][2] + LONG_PAUSE, True


def new_utterance(rng, speaker, said):
    """A reserved sentence of the new template that was used least; `said` holds the sentences."""
    used = collections.Counter(map(template_of, said))
    fewest = min(used.values()) if len(used) == len(NEW_TEMPLATES) else 0
    while True:
        sentence = reserved_sentence(rng)
        if is_new(sentence) and sentence not in said and used[template_of(sentence)] == fewest:
            try:
                utterance = speak(SPEAKERS[speaker], sentence, rng)
            except Unusable:
                continue
            said.add(sentence)
            return utterance


def silence_and_noise(rng):
    """Five seconds each of silence, hum, white noise and faint noise that comes and goes."""
    time = np.arange(5 * RATE) / RATE
    noise = rng.standard_normal(len(time))
    hum = sum(np.sin(2 * np.pi * 50 * k * time) / k for k in range(1, 6))
    swell = np.sin(np.pi * time / 5) ** 2
    return np.concatenate([0 * time, 0.05 * hum, 0.01 * noise, 0.003 * noise * swell])


def write_flac(path, samples):
    """16-bit FLAC through sox, without dither."""
    raw = np.round(samples * 32767).astype("<i2").tobytes()
    sox = [
        "sox",
        "-D",
        "-t",
        "raw",
        "-r",
        str(RATE),
        "-e",
        "signed",
        "-b",
        "16",
        "-c",
        "1",
        "-",
        str(path),
    ]
    subprocess.run(sox, input=raw, check=True)


def rttm(speaker, words):
    """A turn as a line of RTTM: start and duration."""
    start, end = words[0][1], words[-1][2]
    return f"SPEAKER conversation 1 {start:.3f} {end - start:.3f} <NA> <NA> {speaker} <NA> <NA>\n"


def line(speaker, words):
    """A turn as a line of the transcript."""
    return f"{speaker}: {' '.join(text for text, _, _ in words)}\n"


def main(folder):
    """Write both recordings and the truth about the first."""
    samples, turns = conversation(random.Random(SEED))
    write_flac(folder / "conversation.flac", samples)
    words = [
        {"word": text, "start": round(start, 3), "end": round(end, 3), "speaker": speaker}
        for speaker, spoken in turns
        for text, start, end in spoken
    ]
    (folder / "conversation.words.json").write_text(
        "[\n" + ",\n".join(map(json.dumps, words)) + "\n]\n"
    )
    (folder / "conversation.rttm").write_text("".join(rttm(*turn) for turn in turns))
    (folder / "conversation.txt").write_text("".join(line(*turn) for turn in turns))
    write_flac(folder / "silence-and-noise.flac", silence_and_noise(np.random.default_rng(SEED)))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
