"""Measure an exported segmentation model with onnxruntime, on one thread.

    python3 segmentation_evaluate.py MODEL.onnx [--bank BANK] [--recordings A.flac B.flac ...]

With a bank: scenes of its held-out voices.  Recordings need an .rttm beside them and are cut into
windows of --seconds, each half over the one before.  Every window is scored for itself, speakers
matched as well as they can be.  Beside the model: its speakers with gaps of up to half a second filled, its
speech given to one speaker, the true speech given to one speaker, and sound above an energy
threshold given to one speaker.  Of several recordings the last lines are all of them together.
"""

import argparse
import collections
import time
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile

from segmentation_network import FIELD, RATE, STEP, frames_of
from segmentation_score import MEMBERS, Errors
from segmentation_voices import bridged

ENERGY_RANGE = 25  # dB below a window's loud frames down to which the baseline hears speech
TIMED = 40  # windows
FILLED = 0.5  # seconds, as sherpa-onnx's min_duration_off
METHODS = [
    "model",
    "model, gaps filled",
    "one speaker",
    "true speech, one speaker",
    "energy, one speaker",
]


class Model:
    """The model on one thread."""

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options)

    def __call__(self, samples):
        """0/1 of each frame and speaker."""
        scores = self.session.run(None, {"x": samples[None, None].astype(np.float32)})[0][0]
        return MEMBERS[scores.argmax(-1)]

    def milliseconds(self, seconds):
        """The median time of the processor for a window: others may be busy on it."""
        samples = 0.1 * np.random.default_rng(0).standard_normal(int(seconds * RATE))
        times = []
        for _ in range(TIMED):
            start = time.process_time()
            self(samples)
            times.append(time.process_time() - start)
        return 1000 * np.median(times)


def loud(samples, frames):
    """Frames whose energy is near that of the loudest ones."""
    places = np.arange(frames)[:, None] * STEP + np.arange(FIELD)
    level = 10 * np.log10((samples[places] ** 2).mean(1) + 1e-10)
    return (level > np.percentile(level, 95) - ENERGY_RANGE)[:, None]


def filled(guess):
    """`guess` with the short gaps of each speaker filled."""
    return np.stack([bridged(column, int(FILLED * RATE / STEP)) for column in guess.T], 1)


def score(model, windows, total):
    """Errors of each method over (samples, truth) windows, added to `total` too."""
    errors = {method: Errors() for method in METHODS}
    for samples, truth in windows:
        guess = model(samples)
        guesses = [
            guess,
            filled(guess),
            guess.any(1, keepdims=True),
            truth.any(1, keepdims=True),
            loud(samples, len(truth)),
        ]
        for method, said in zip(METHODS, guesses):
            errors[method].add(truth, said)
            total[method].add(truth, said)
    return errors


def turns_of(path):
    """(speaker, start, end) of each line of an RTTM file."""
    rows = [line.split() for line in path.read_text().splitlines()]
    return [(row[7], float(row[3]), float(row[3]) + float(row[4])) for row in rows if row]


def windows_of(path, seconds):
    """Windows of a recording and what its RTTM says of their frames."""
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE and samples.ndim == 1, f"{path}: {rate} Hz, wanted {RATE} Hz mono"
    turns = turns_of(path.with_suffix(".rttm"))
    count = int(seconds * RATE)
    frames = frames_of(count)
    for first in range(0, max(1, len(samples) - count + 1), count // 2):
        piece = samples[first : first + count]
        piece = np.pad(piece, (0, count - len(piece)))
        times = (first + FIELD / 2 + STEP * np.arange(frames)) / RATE
        names = sorted({name for name, start, end in turns if start < times[-1] and end > times[0]})
        truth = np.zeros((frames, max(1, len(names))), bool)
        for name, start, end in turns:
            if name in names:
                truth[(times >= start) & (times < end), names.index(name)] = True
        yield piece, truth


def scenes_of(bank, count, seconds):
    """Scenes of held-out voices."""
    from segmentation_scenes import Stage
    from segmentation_voices import Bank

    stage = Stage(Bank(bank, "valid"), 2026, seconds, rooms=40, noises=24)
    for _ in range(count):
        scene = stage.scene()
        yield scene.samples, MEMBERS[scene.classes]


def report(title, errors):
    """A line for each method."""
    names = ["DER", "false al.", "miss", "confus.", "VAD", "ov.recall", "ov.prec."]
    print(f"\n{title[:26]:28}" + "".join(f"{name[:9]:>9}" for name in names))
    for method, counts in errors.items():
        print(f"  {method:26}" + "".join(f"{value:9.1f}" for value in counts.rates().values()))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--bank", type=Path)
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--recordings", type=Path, nargs="*", default=[])
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    model = Model(options.model)
    print(f"{model.milliseconds(options.seconds):.1f} ms for {options.seconds:g} s on one thread")
    if options.bank:
        windows = scenes_of(options.bank, options.scenes, options.seconds)
        report("scenes of held-out voices", score(model, windows, collections.defaultdict(Errors)))
    total = collections.defaultdict(Errors)
    for path in options.recordings:
        report(path.stem, score(model, windows_of(path, options.seconds), total))
    if len(options.recordings) > 1:
        report("all recordings", total)


if __name__ == "__main__":
    main()
