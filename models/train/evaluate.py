"""Measure a model file with whisper.cpp, decoding greedily as its programs do by default.

    python3 evaluate.py MODEL.bin BANK [--windows 4] [--threads 2] [--recording AUDIO TRANSCRIPT]

BANK is a folder with the splits `seen` and `unseen` of bank.py.  For each voice this counts word
errors in 30 s windows of reserved sentences; then for conversations of two voices, 30 s (also with
sentences that come again at once) and 3 minutes long, the latter also with the earlier text as
prompt; first of all in sounds without words.
A recording's transcript is a .txt (as of the bundled recordings) or a .json list of {"word": ...}.
"""

import argparse
import collections
import json
import subprocess
from pathlib import Path

import numpy as np
from pywhispercpp.model import Model

import noise
from bank import Bank
from grammar import is_new, plain
from synth import RATE

SEED = 5
PAUSES = (0.25, 0.9)
LEAD = 0.3
LEVEL = 0.4
NOISE_LEVELS = (-20, -40, -60)  # dB
WINDOW, LONG = 30, 180  # seconds
REMEMBERED = 15  # about as many sentences as a window holds
FAR = 3.0  # seconds: times further apart are of different sentences


class Listener:
    """whisper.cpp with or without the earlier text as prompt."""

    def __init__(self, path, threads, prompt):
        context = {} if prompt else {"n_max_text_ctx": 0}
        self.model = Model(
            str(path),
            n_threads=threads,
            print_progress=False,
            redirect_whispercpp_logs_to=None,
            **context,
        )

    def hear(self, samples):
        """Sentences as (start, end, text)."""
        heard = self.model.transcribe(np.ascontiguousarray(samples, np.float32))
        return [(part.t0 / 100, part.t1 / 100, part.text.strip()) for part in heard]


class Score:
    """Word errors and errors of the times."""

    def __init__(self):
        self.words = self.errors = 0
        self.starts, self.ends = [], []

    def add(self, truth, heard):
        """Count one recording; both are lists of (start, end, text)."""
        said, answer = (counted(" ".join(text for _, _, text in part)) for part in (truth, heard))
        self.words += len(said)
        self.errors += distance(said, answer)
        for start, end, text in truth:
            near = [
                (abs(t0 - start), abs(t1 - end))
                for t0, t1, guess in heard
                if counted(guess) == counted(text) and abs(t0 - start) < FAR
            ]
            if near:
                self.starts.append(min(near)[0])
                self.ends.append(min(near)[1])

    def __str__(self):
        times = "".join(
            f", {name} off by {np.median(errors):.2f} s (90 %: {np.percentile(errors, 90):.2f})"
            for name, errors in (("starts", self.starts), ("ends", self.ends))
            if errors
        )
        return f"{100 * self.errors / max(1, self.words):5.1f} % of {self.words} words wrong{times}"


def counted(text):
    """The words as they are compared."""
    return [word for word in map(plain, text.replace(",", " ").split()) if word]


def distance(said, heard):
    """How many words must be replaced, left out or added (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(said, 1):
        corner, row[0] = row[0], number
        for place, guess in enumerate(heard, 1):
            corner, row[place] = (
                row[place],
                min(row[place] + 1, row[place - 1] + 1, corner + (word != guess)),
            )
    return row[-1]


def talk(rng, bank, voices, seconds, remembered=REMEMBERED):
    """People taking turns without long pauses: samples and sentences (start, end, text).

    None of the last `remembered` sentences is said again.
    """
    samples, sentences, clock = np.zeros(seconds * RATE, np.float32), [], LEAD
    fewest = min(len(bank.of_voice[voice]) for voice in voices)
    said = collections.deque(maxlen=min(remembered, fewest // 3))
    while True:
        voice = voices[len(sentences) // 2 % len(voices)]
        utterance = bank.utterance(rng, voice)
        text = " ".join(word.text for word in utterance.words)
        if text in said:
            continue
        said.append(text)
        end = clock + len(utterance.samples) / RATE
        if end > seconds - LEAD:
            return samples, sentences
        first = int(clock * RATE)
        samples[first : first + len(utterance.samples)] += LEVEL * utterance.samples
        sentences.append((clock, end, text))
        clock = end + rng.uniform(*PAUSES)


def measure(listener, talks):
    """The score of several talks."""
    score = Score()
    for samples, sentences in talks:
        score.add(sentences, listener.hear(samples))
    return score


def two_voices(rng, bank):
    """Two different voices, the natural ones as often as in training."""
    first = second = bank.voice(rng)
    while second == first:
        second = bank.voice(rng)
    return [first, second]


def sounds_without_words(rng, bank):
    """Name and samples of silence and of each kind of noise at some levels."""
    yield "silence", np.zeros(noise.COUNT)
    for kind in dict.fromkeys(noise.KINDS):
        for level in NOISE_LEVELS:
            sound = kind(rng, bank)
            yield (
                f"{kind.__name__} at {level} dB",
                sound / np.sqrt(np.mean(sound**2)) * 10 ** (level / 20),
            )


def recording(path):
    """The samples of a sound file at 16 kHz."""
    sox = [
        "sox",
        str(path),
        "-t",
        "raw",
        "-r",
        str(RATE),
        "-e",
        "floating-point",
        "-b",
        "32",
        "-c",
        "1",
        "-",
    ]
    return np.frombuffer(subprocess.run(sox, capture_output=True, check=True).stdout, np.float32)


def transcript(path):
    """The words of a recording."""
    text = Path(path).read_text()
    if str(path).endswith(".json"):
        return " ".join(word["word"] for word in json.loads(text))
    return " ".join(line.split(": ", 1)[1] for line in text.splitlines())


def report_recording(path, truth, listeners, show):
    """One recording, with and without prompts."""
    for name, listener in listeners.items():
        heard = listener.hear(recording(path))
        score = Score()
        score.add([(0, 0, transcript(truth))], heard)
        print(f"{Path(path).stem}, {name}: {score}", flush=True)
        if show:
            print(*heard, sep="\n")


def report_voices(split, bank, listener, windows, rng):
    """Each natural and each unseen voice alone, and all voices of an engine together."""
    totals = collections.defaultdict(Score)
    for voice in bank.of_voice:
        engine = voice.split()[0]
        for _ in range(windows):
            samples, sentences = talk(rng, bank, [voice], WINDOW)
            heard = listener.hear(samples)
            totals["all " + engine].add(sentences, heard)
            if engine != "espeak" or split == "unseen":
                totals[voice].add(sentences, heard)
    for voice, score in totals.items():
        print(f"{split} {voice}: {score}", flush=True)


def report_talks(split, bank, listeners, windows, rng):
    """Two voices in turns, in short and long talks."""

    def talks(count, seconds, **options):
        return [talk(rng, bank, two_voices(rng, bank), seconds, **options) for _ in range(count)]

    without = listeners["no prompts"]
    short = talks(5 * windows, WINDOW)
    print(f"{split}, two voices, {WINDOW} s: {measure(without, short)}", flush=True)
    again = talks(5 * windows, WINDOW, remembered=0)
    print(f"{split}, two voices, {WINDOW} s, repeated: {measure(without, again)}", flush=True)
    long = talks(windows, LONG)
    for name, listener in listeners.items():
        print(f"{split}, two voices, {LONG} s, {name}: {measure(listener, long)}", flush=True)


def report(options):
    """Print everything, a line each."""
    listeners = {
        name: Listener(options.model, options.threads, prompt)
        for name, prompt in (("no prompts", False), ("prompts", True))
    }
    for path, truth in options.recording:
        report_recording(path, truth, listeners, options.show)
    rng = np.random.default_rng(SEED)
    for name, sound in sounds_without_words(rng, Bank(options.bank, "seen")):
        heard = " ".join(text for _, _, text in listeners["no prompts"].hear(sound))
        print(f"{name}: {heard or 'nothing'}", flush=True)
    for split in ("seen", "unseen"):
        bank = Bank(options.bank, split, is_new if options.new else bool)
        report_voices(split, bank, listeners["no prompts"], options.windows, rng)
        report_talks(split, bank, listeners, options.windows, rng)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("bank", type=Path)
    parser.add_argument("--windows", type=int, default=4, help="30 s windows of each voice")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--recording", nargs=2, action="append", default=[], metavar=("AUDIO", "TRANSCRIPT")
    )
    parser.add_argument("--new", action="store_true", help="only sentences of new templates")
    parser.add_argument(
        "--show", action="store_true", help="print what was heard in the recordings"
    )
    report(parser.parse_args())
