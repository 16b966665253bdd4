"""Random scenes: seconds of people speaking in turns, with pauses, as a file is cut into windows.

A window may begin inside a sentence (its rest is still heard), the file may end inside the window,
and the last sentence may be cut by the window's end.
"""

from typing import NamedTuple

import numpy as np

from synth import RATE

EMPTY_SHARE = 0.03  # scenes without speech
FULL_SHARE = 0.92  # scenes filled to the end; the others have one to four sentences
PAUSES = [0.15, 0.3, 0.5, 1.0]  # typical seconds between the sentences of a scene
LONG_PAUSE_SHARE = 0.06
BEGINS_CUT_SHARE = 0.15
BEGINS_AT_ONCE_SHARE = 0.77
STOPS_CUT_SHARE = 0.2
# Scenes in which sentences come again, and how many do: without them the network loses its place.
REPEATING_SHARE = 0.25
REPEATED_SHARE = 0.35
LOUDNESS_RANGE = 8  # dB between sentences
HEARD = 0.7  # a cut word counts when this much of it is left
SHORTEST_PIECE = 0.4
TOLERATED_CUT = 0.1  # seconds that a sentence may pass the window's end and still be whole


class Segment(NamedTuple):
    """One sentence in a scene; `whole` unless the window's end cuts it."""

    start: float
    end: float
    words: list
    whole: bool


class Scene(NamedTuple):
    """Samples of the whole window, its sentences, and where the file ends in it, in seconds."""

    samples: np.ndarray
    segments: list
    length: float


def compose(rng, bank, seconds):
    """A scene of `seconds`."""
    samples = np.zeros(int(seconds * RATE), np.float32)
    if rng.random() < EMPTY_SHARE:
        return Scene(samples, [], seconds if rng.random() < 0.6 else rng.uniform(0.5, seconds))
    voices = [(bank.voice(rng), speed(rng)) for _ in range(rng.choice([1, 2, 2, 3]))]
    pause = rng.choice(PAUSES)
    full = rng.random() < FULL_SHARE
    repeating, said = rng.random() < REPEATING_SHARE, []
    left = np.inf if full else rng.integers(1, 5)
    segments, clock, skip, stopped = [], *beginning(rng, seconds), False
    while clock < seconds - 0.3 and left > 0 and not stopped:
        if repeating and said and rng.random() < REPEATED_SHARE:
            utterance = said[rng.integers(len(said))]
        else:
            voice, pace = voices[rng.integers(len(voices))]
            utterance = bank.utterance(rng, voice, pace)
        said.append(utterance)
        length = len(utterance.samples) / RATE
        skip = min(skip, max(0.1, length - SHORTEST_PIECE))
        last = length
        stopped = (
            left == 1 and rng.random() < STOPS_CUT_SHARE and length - skip > 2 * SHORTEST_PIECE
        )
        if stopped:
            last = skip + rng.uniform(SHORTEST_PIECE, length - skip)
        segment = place(rng, samples, utterance, clock, skip, last)
        if segment.words or not segment.whole:
            segments.append(segment)
        clock, skip, left = segment.end, 0.0, left - 1
        if not stopped:
            clock += pause * rng.uniform(0.4, 2)
            if rng.random() < LONG_PAUSE_SHARE:
                clock += rng.uniform(0, 4)
    if full:
        return Scene(samples, segments, seconds)
    tail = 0.0 if stopped else rng.uniform(0, 1.5)
    return Scene(samples, segments, float(np.clip(clock + tail, 0.3, seconds)))


def speed(rng):
    """How fast a voice is played: seven in ten are shifted."""
    return rng.triangular(0.87, 1, 1.15) if rng.random() < 0.7 else 1.0


def beginning(rng, seconds):
    """When the first sentence starts, and how much of it lies before the window."""
    draw = rng.random()
    if draw < BEGINS_CUT_SHARE:
        return 0.0, rng.uniform(0.1, 3)
    if draw < BEGINS_CUT_SHARE + BEGINS_AT_ONCE_SHARE:
        return rng.uniform(0, 0.6), 0.0
    return rng.uniform(0, seconds / 2), 0.0


def place(rng, samples, utterance, clock, skip, last):
    """Mix seconds `skip` to `last` of an utterance in at `clock`; what is heard of it."""
    seconds = len(samples) / RATE
    end = min(seconds, clock + last - skip)
    whole = clock + last - skip <= seconds + TOLERATED_CUT
    first, count = int(clock * RATE), int((end - clock) * RATE)
    piece = utterance.samples[int(skip * RATE) :][:count] * 10 ** (
        -rng.uniform(0, LOUDNESS_RANGE) / 20
    )
    samples[first : first + len(piece)] += piece
    words = []
    for text, start, stop in utterance.words:
        begin, finish = max(start, skip), min(stop, skip + end - clock)
        if finish - begin >= HEARD * (stop - start):
            words.append((text, clock + begin - skip, clock + finish - skip))
    return Segment(clock, end, words, whole)
