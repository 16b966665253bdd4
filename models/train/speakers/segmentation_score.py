"""Errors of a segmentation against the truth, window by window.

Both are 0/1 arrays [frames, speakers].  The speakers of a window are matched as well as they can
be, then each frame counts what was invented (false alarm), lost (miss) and given to another
(confusion), as in the diarization error rate without collar and with overlap.
"""

import itertools

import numpy as np

from segmentation_network import SETS, SPEAKERS

MEMBERS = np.array([[speaker in members for speaker in range(SPEAKERS)] for members in SETS])


def matched(truth, guess):
    """`guess` with its columns in the order that fits `truth` best, as wide as `truth` at least."""
    width = max(truth.shape[1], guess.shape[1])
    truth, guess = (np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in (truth, guess))
    common = truth.T.astype(int) @ guess.astype(int)
    best = max(
        itertools.permutations(range(width)),
        key=lambda order: sum(common[speaker, other] for speaker, other in enumerate(order)),
    )
    return truth, guess[:, best]


class Errors:
    """Counts of frames over many windows."""

    NAMES = "speech false_alarm miss confusion frames vad_wrong overlap overlap_said overlap_right"

    def __init__(self):
        self.counts = dict.fromkeys(self.NAMES.split(), 0)

    def add(self, truth, guess):
        """Count one window."""
        truth, guess = matched(truth.astype(bool), guess.astype(bool))
        true, said, right = truth.sum(1), guess.sum(1), (truth & guess).sum(1)
        for name, value in [
            ("speech", true),
            ("false_alarm", np.maximum(0, said - true)),
            ("miss", np.maximum(0, true - said)),
            ("confusion", np.minimum(true, said) - right),
            ("frames", np.ones(len(true))),
            ("vad_wrong", (true > 0) != (said > 0)),
            ("overlap", true > 1),
            ("overlap_said", said > 1),
            ("overlap_right", (true > 1) & (said > 1)),
        ]:
            self.counts[name] += int(value.sum())

    def rates(self):
        """Shares in percent: of all speech, but of all frames for `vad`, of overlap for the last."""
        count = self.counts
        speech = max(1, count["speech"])
        parts = {name: 100 * count[name] / speech for name in ("false_alarm", "miss", "confusion")}
        return {
            "der": sum(parts.values()),
            **parts,
            "vad": 100 * count["vad_wrong"] / max(1, count["frames"]),
            "overlap_recall": 100 * count["overlap_right"] / max(1, count["overlap"]),
            "overlap_precision": 100 * count["overlap_right"] / max(1, count["overlap_said"]),
        }
