"""The bank of utterances as the scenes need it: who speaks in each, and when within it.

An utterance counts as speech from sound to sound: pauses of up to `BRIDGED` seconds belong to it,
longer ones do not, which is about what people mark by hand.
"""

import numpy as np

from bank import Bank as Clips

# Beside those that the bank holds out: the voices of the bundled conversation, so that it measures
# voices that training never heard.
HELD_OUT_TOO = {"flite-slt", "flite-awb"}
LEFT_OUT = {"festival-slt-hts"}  # the same woman as flite's slt

# How often a voice of each kind is drawn; espeak-ng's are many, but much alike.
KIND_SHARES = {"human": 0.64, "festival": 0.18, "flite": 0.06, "espeak": 0.12}

FRAME = 160  # samples, 10 ms
RATE = 16000
RANGE = 30  # dB below an utterance's loud frames down to which a frame is speech
ABOVE_FLOOR = 6  # dB that speech stands above the noise of a voice's recordings, if that is more
LEAST_RANGE = 18  # dB, however noisy
BRIDGED = 0.5  # seconds
SHORTEST = 0.05


def spans(active):
    """First and last-plus-one of each run of true values."""
    steps = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8), [0]])))
    return steps.reshape(-1, 2)


def bridged(active, most):
    """Fill gaps of at most `most` values between true ones."""
    active = active.copy()
    for first, end in spans(~active):
        if 0 < first and end < len(active) and end - first <= most:
            active[first:end] = True
    return active


def level_of(samples):
    """Level of each frame in dB relative to the loud ones, over 30 ms: neither a click nor the gap
    of a stop consonant decides."""
    count = len(samples) // FRAME
    frames = samples[: count * FRAME].astype(np.float32).reshape(-1, FRAME)
    level = 10 * np.log10((frames**2).mean(1) + 1)
    level = np.convolve(np.pad(level, 1, mode="edge"), np.ones(3) / 3, "valid")
    return level - np.percentile(level, 95)


def speech_in(level, threshold):
    """Spans of speech in an utterance, in samples."""
    active = bridged(level > threshold, int(BRIDGED * RATE / FRAME))
    for first, end in spans(active):
        if (end - first) * FRAME < SHORTEST * RATE:
            active[first:end] = False
    return spans(active) * FRAME


class Bank:
    """The voices of one split (`train` or `valid`), by name."""

    def __init__(self, folder, split):
        parts = [Clips(folder, part) for part in ("train", "valid")]
        self.samples, self.utterances, kinds = parts[0].samples, {}, {}
        for voice in parts[0].voices + parts[1].voices:
            held_out = voice.split == "valid" or voice.name in HELD_OUT_TOO
            if held_out != (split == "valid") or voice.name in LEFT_OUT:
                continue
            self.utterances[voice.name] = self.with_speech(parts[0].of_voice[voice.name])
            kinds.setdefault(voice.kind, []).append(voice.name)
        self.kinds = list(kinds.values())
        shares = np.array([KIND_SHARES[kind] for kind in kinds])
        self.shares = shares / shares.sum()

    def voice(self, rng):
        """Draw a voice."""
        names = self.kinds[rng.choice(len(self.kinds), p=self.shares)]
        return names[rng.integers(len(names))]

    def relatives(self, name):
        """The voices of the same origin, whose recordings sound alike."""
        origin = name.rsplit("-", 1)[0]
        return [other for other in self.utterances if other.rsplit("-", 1)[0] == origin]

    def with_speech(self, clips):
        """(first sample, count, spans of speech) of each of a voice's clips."""
        levels = [level_of(self.samples[first : first + count]) for first, count in clips]
        floor = np.percentile(np.concatenate(levels), 2)
        threshold = min(max(-RANGE, floor + ABOVE_FLOOR), -LEAST_RANGE)
        rows = [(*clip, speech_in(level, threshold)) for clip, level in zip(clips, levels)]
        return [row for row in rows if len(row[2])]

    def draw(self, rng, name):
        """Samples (float) of an utterance of a voice, and its spans of speech."""
        rows = self.utterances[name]
        first, count, speech = rows[rng.integers(len(rows))]
        return self.samples[first : first + count].astype(np.float32) / 32768, speech
