"""Measure an embedding model on voices it was not trained on, and find its clustering threshold.

    python3 embedding_evaluate.py MODEL.onnx BANK [--recordings FOLDER]

Pieces of 1, 2 and 4 s of the bank's held-out voices give equal error rates and the cosine distances
of same and different voices.  Then conversations of some of these voices are clustered as the
element does it (centroid linkage of unit vectors) at a range of thresholds.  FOLDER has recordings
NAME.flac with NAME.rttm: they are measured in the same way, each by itself, and choose nothing.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile
import torch
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.optimize import linear_sum_assignment

from augment import Augmenter
from bank import RATE, Bank
from features import BINS, features

LENGTHS = (1.0, 2.0, 4.0)  # seconds of a piece
PIECES = 20  # of each voice and length
THRESHOLDS = np.arange(0.5, 1.3, 0.02)
PYANNOTE = 0.7045654963945799  # the default for models that name no threshold
CONVERSATIONS = 60
SPEAKERS = (1, 5)
TURNS = (6, 30)  # pieces of a speaker in a conversation
TURN_SECONDS = (1.0, 5.0)
PERCENTILES = (5, 25, 50, 75, 95)


class Model:
    """The file on one thread; pieces to unit vectors."""

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.threshold = float(metadata.get("clustering_threshold", PYANNOTE))

    def raw(self, feats):
        """What the file answers."""
        return self.session.run(None, {"feats": np.ascontiguousarray(feats, np.float32)})[0]

    def __call__(self, pieces):
        """[pieces, 256] of unit length."""
        vectors = np.concatenate(
            [self.raw(features(torch.from_numpy(piece[None])).numpy()) for piece in pieces]
        )
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def milliseconds(self, seconds):
        """The median time of a run."""
        feats = np.random.default_rng(1).standard_normal((1, int(seconds * 100) - 2, BINS))
        times = []
        for _ in range(30):
            begin = time.perf_counter()
            self.raw(feats)
            times.append(1000 * (time.perf_counter() - begin))
        return np.median(times)


# ---------------------------------------------------------------- pairs


def distances(vectors, labels):
    """Cosine distances of pairs of one label, and of two."""
    first, second = np.triu_indices(len(labels), 1)
    every = 1 - (vectors @ vectors.T)[first, second]
    same = np.asarray(labels)[first] == np.asarray(labels)[second]
    return every[same], every[~same]


def equal_error(same, different):
    """The rate at which as many of `same` are too far as of `different` are too near."""
    edges = np.sort(np.concatenate([same, different]))
    missed = 1 - np.searchsorted(np.sort(same), edges, "right") / len(same)
    false = np.searchsorted(np.sort(different), edges, "right") / len(different)
    at = np.argmin(np.abs(missed - false))
    return (missed[at] + false[at]) / 2


def report_pairs(name, vectors, labels):
    """A line about the pairs."""
    same, different = distances(vectors, labels)
    if not len(same) or not len(different):
        return
    quantiles = "; ".join(
        " ".join(f"{value:.2f}" for value in np.percentile(part, PERCENTILES))
        for part in (same, different)
    )
    print(
        f"{name}: EER {equal_error(same, different):.1%} of {len(same)} + {len(different)},"
        f" percentiles {PERCENTILES} same; different: {quantiles}"
    )


def held_out_pieces(bank, rng, seconds, kinds):
    """Pieces and labels of the held-out voices of some kinds."""
    names = [voice.name for voice in bank.voices if voice.kind in kinds]
    pieces = [bank.speech(rng, name, int(seconds * RATE)) for name in names for _ in range(PIECES)]
    return pieces, np.repeat(names, PIECES)


# ---------------------------------------------------------------- clusters


def clusters(vectors, threshold):
    """Labels by centroid linkage, cut at a Euclidean distance."""
    if len(vectors) < 2:
        return np.ones(len(vectors), int)
    return fcluster(linkage(vectors, "centroid"), threshold, "distance")


def right(found, labels):
    """The share of pieces in the cluster that stands for their speaker, and the count's error."""
    names, true = np.unique(labels, return_inverse=True)
    table = np.zeros((len(names), found.max()))
    np.add.at(table, (true, found - 1), 1)
    rows, columns = linear_sum_assignment(-table)
    # Tiny clusters are merged into others later, so they are no speakers.
    large = np.bincount(found)[1:] >= min(12, max(1, round(0.1 * len(found))))
    return table[rows, columns].sum() / len(labels), large.sum() - len(names)


def conversations(bank, rng, augmenter):
    """Pieces of several held-out voices, all heard through one noisy room, and their labels."""
    for _ in range(CONVERSATIONS):
        speakers = rng.integers(SPEAKERS[0], SPEAKERS[1] + 1)
        voices = rng.choice(len(bank.voices), speakers, replace=False)
        labels = np.repeat(voices, rng.integers(*TURNS, speakers))
        pieces = [
            bank.speech(rng, bank.voices[number].name, int(rng.uniform(*TURN_SECONDS) * RATE))
            for number in labels
        ]
        if rng.random() < 0.5:
            seed = rng.integers(1 << 30)  # the same for each piece: the same room
            pieces = [
                augmenter(np.random.default_rng(seed), torch.from_numpy(piece[None]))[0].numpy()
                for piece in pieces
            ]
        yield pieces, labels


def sweep(embedded):
    """For each threshold: the share of right pieces, and how often the count is right."""
    rows = []
    for threshold in THRESHOLDS:
        results = [right(clusters(vectors, threshold), labels) for vectors, labels in embedded]
        shares, offs = zip(*results)
        rows.append([np.mean(shares), np.mean(np.array(offs) == 0)])
    return np.array(rows)


def report_sweep(name, embedded, own):
    """Print the sweep at the usual threshold, the model's own, and the lowest of the best ones."""
    table = sweep(embedded)
    good = THRESHOLDS[table[:, 0] > table[:, 0].max() - 0.01]
    best = THRESHOLDS[table[:, 0].argmax()]
    for threshold in (PYANNOTE, own, best):
        nearest = np.abs(THRESHOLDS - threshold).argmin()
        print(
            f"{name} at {THRESHOLDS[nearest]:.2f}: {table[nearest, 0]:.1%} of the pieces right,"
            f" count right in {table[nearest, 1]:.0%} of {len(embedded)}"
        )
    print(f"{name}: within 1 % of the best from {good.min():.2f} to {good.max():.2f}")


# ---------------------------------------------------------------- recordings


def truth(path):
    """(start, end, speaker) of an RTTM file."""
    rows = [line.split() for line in path.read_text().splitlines()]
    return [(float(row[3]), float(row[3]) + float(row[4]), row[7]) for row in rows]


def alone(turns, count):
    """For each 10 ms the only speaker's number, -1 if none or several."""
    names = sorted({speaker for _, _, speaker in turns})
    active = np.zeros((count, len(names)), bool)
    for start, end, speaker in turns:
        active[int(start * 100) : int(end * 100), names.index(speaker)] = True
    return np.where(active.sum(1) == 1, active.argmax(1), -1), names


def real_pieces(path, seconds):
    """Pieces of a recording in which one speaker is alone, one after another, with labels."""
    samples, rate = soundfile.read(path.with_suffix(".flac"), dtype="float32")
    assert rate == RATE
    owner, names = alone(truth(path), len(samples) * 100 // RATE)
    changes = np.flatnonzero(np.diff(owner)) + 1
    bounds = [0, *changes.tolist(), len(owner)]
    length, pieces, labels = int(seconds * 100), [], []
    for first, last in zip(bounds, bounds[1:]):
        if owner[first] < 0:
            continue
        for start in range(first, last - length + 1, length):
            pieces.append(samples[start * RATE // 100 : (start + length) * RATE // 100])
            labels.append(f"{path.stem} {names[owner[first]]}")
    return pieces, labels


def report_recordings(model, folder):
    """Pairs of all recordings of a corpus together, clusters of each one."""
    corpora = {}
    for path in sorted(folder.glob("*.rttm")):
        corpora.setdefault(path.stem.split("-")[0], []).append(path)
    for corpus, paths in corpora.items():
        for seconds in LENGTHS:
            every = [real_pieces(path, seconds) for path in paths]
            pieces = [piece for part, _ in every for piece in part]
            # A person keeps the name in all recordings of a corpus.
            labels = [label.split()[1] for _, part in every for label in part]
            report_pairs(f"{corpus} {seconds:g} s", model(pieces), labels)
        embedded = [
            (model(pieces), labels)
            for pieces, labels in (real_pieces(path, 2.0) for path in paths)
            if len(pieces) > 1
        ]
        report_sweep(f"{corpus} clustered", embedded, model.threshold)


def main(options):
    """Everything."""
    model, bank = Model(options.model), Bank(options.bank, "valid")
    torch.set_num_threads(1)
    rng = np.random.default_rng(7)
    print("ms on one thread:", {s: round(float(model.milliseconds(s)), 1) for s in (1, 3, 10)})
    augmenter = Augmenter(bank, rng, 12)
    for title, kinds in [("synthetic", ("flite", "festival", "espeak")), ("human", ("human",))]:
        for seconds in LENGTHS:
            pieces, labels = held_out_pieces(bank, rng, seconds, kinds)
            report_pairs(f"held out, {title}, {seconds:g} s", model(pieces), labels)
            noisy = [augmenter(rng, torch.from_numpy(piece[None]))[0].numpy() for piece in pieces]
            report_pairs(
                f"held out, {title}, {seconds:g} s, each in another channel", model(noisy), labels
            )
    embedded = [(model(part), labels) for part, labels in conversations(bank, rng, augmenter)]
    report_sweep("conversations of the held out", embedded, model.threshold)
    if options.recordings:
        report_recordings(model, options.recordings)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("bank", type=Path)
    parser.add_argument("--recordings", type=Path)
    main(parser.parse_args())
