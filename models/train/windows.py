"""Training examples: a scene as Whisper hears it, and the tokens that it should answer.

The answer to a window is, for each sentence, <start> words <end>, then the end of the transcript.
A sentence cut by the window's end gets only its start, and whisper.cpp seeks there.  A window
without speech gets <nospeech>, or else an empty answer.
"""

import random
from typing import NamedTuple

import numpy as np
import torch

from grammar import WORDS, plain, training_sentence
from mel import BANDS, CHUNK, FRAMES_PER_SECOND, log_mel, normalised
from noise import in_a_room, pool
from phones import phones
from scenes import compose
from synth import RATE
from tokens import EOT, NO_SPEECH, NO_TIMES, PREV, SOT, TIME, TIMES, UNUSED, compact_ids

WORD_CLASS = {plain(word): number + 1 for number, word in enumerate(WORDS)}  # 0: no word

# Targets that are no token: not trained, or one of two tokens where nobody speaks.
IGNORED, SILENT_START, SILENT_TEXT = -1, -2, -3
SILENT_CHOICES = {SILENT_START: (NO_SPEECH, TIME), SILENT_TEXT: (NO_SPEECH, UNUSED)}

LONGEST = 447  # tokens of an example: Whisper has 448 positions
LONGEST_PROMPT = 223  # whisper.cpp gives at most n_text_ctx / 2 - 1 earlier tokens
LATEST_START = TIME + 50  # decoders cap the first time at 1.00 s
CAPPED_SHARE = 0.2
NO_TIMES_SHARE = 0.2
CLEAN_SHARE = 0.6  # examples without echo, equaliser or masks
TIMED_PROMPT_SHARE = 0.85
FULL_PROMPT_SHARE = 0.4  # from its third window on, whisper.cpp gives all that it may
OPEN_PROMPT_SHARE = 0.4  # that end with the start of a sentence that was cut


class Answer:
    """Tokens under way: what is fed in, what should follow each, and where in the sound it is."""

    def __init__(self):
        self.tokens, self.targets, self.guides = [SOT], [], []

    def put(self, token, span=None, target=None):
        """The next token; `span` is the part of the sound, in seconds, that tells it."""
        self.targets.append(token if target is None else target)
        self.guides.append(span)
        self.tokens.append(token)

    def prompted(self, prompt):
        """The same after a prompt that is not trained."""
        self.tokens = prompt + self.tokens
        self.targets = [IGNORED] * len(prompt) + self.targets
        self.guides = [None] * len(prompt) + self.guides


class Example(NamedTuple):
    """One window: log-mel, first encoder frame, answer, and frame-wise words and phones."""

    mel: torch.Tensor
    offset: int
    answer: Answer
    words: np.ndarray
    phones: np.ndarray


class Windows:
    """Endless examples of `seconds` from a bank; `prompts` is the share with earlier text."""

    def __init__(self, bank, seconds, prompts, seed):
        self.bank, self.seconds, self.prompts = bank, seconds, prompts
        self.rng = np.random.default_rng(seed)
        self.noises = pool(self.rng, bank)

    def example(self):
        """Draw one example."""
        rng, seconds = self.rng, self.seconds
        clean = rng.random() < CLEAN_SHARE
        scene = compose(rng, self.bank, seconds)
        mel = self.seen(self.recorded(scene, clean), clean)
        # A short window stands anywhere in Whisper's 30 s, or at its beginning.
        room = (CHUNK - seconds) * FRAMES_PER_SECOND
        offset = int(rng.integers(room + 1)) if rng.random() < 0.8 else 0
        answer = answered(rng, scene.segments, offset, seconds)
        if rng.random() < self.prompts:
            answer.prompted(prompt(rng))
        return Example(mel, offset, answer, *framewise(scene.segments, seconds))

    def recorded(self, scene, clean):
        """The samples of a scene as a microphone gives them: echo, level, noise, the file's end."""
        rng, samples = self.rng, scene.samples
        if scene.segments:
            if not clean and rng.random() < 0.3:
                samples = in_a_room(rng, samples)
            samples = samples * decibels(-rng.uniform(2, 32)) / max(1e-3, np.abs(samples).max())
            loudness = np.sqrt(np.mean(samples[samples != 0] ** 2))
        else:
            loudness = decibels(-rng.uniform(20, 80))
        noise = self.noises[rng.integers(len(self.noises))]
        noise = np.roll(noise, rng.integers(len(noise)))[: len(samples)]
        if rng.random() < 0.8:
            samples = samples + noise * loudness * decibels(-self.noise_distance(scene, clean))
        samples[int(scene.length * RATE) :] = 0
        return np.clip(samples, -1, 1).astype(np.float32)

    def noise_distance(self, scene, clean):
        """How far, in dB, noise lies below the speech."""
        if not scene.segments:
            return 0
        return (
            self.rng.uniform(25, 60)
            if clean or self.rng.random() < 0.4
            else self.rng.uniform(8, 25)
        )

    def seen(self, samples, clean):
        """The log-mel, unless `clean` with a random equaliser, narrow band and masks."""
        rng, mel = self.rng, log_mel(samples)
        if clean:
            return normalised(mel)
        if rng.random() < 0.6:
            curve = np.interp(
                np.arange(BANDS), np.linspace(0, BANDS - 1, 7), rng.normal(0, 0.35, 7)
            )
            mel = torch.where(mel > -9.9, mel + torch.from_numpy(curve).float()[:, None], mel)
        if rng.random() < 0.25:  # telephone and other narrow bands
            top = rng.integers(56, 71)
            mel[top:] = (mel[top:] - rng.uniform(3, 7)).clamp(min=-10)
        # whisper.cpp takes the loudest cell of the whole file, not of the window
        louder = rng.uniform(0, 2) if rng.random() < 0.3 else 0.0
        mel = normalised(mel, mel.max() + louder)
        if rng.random() < 0.5:
            mask(rng, mel)
        return mel


def decibels(level):
    """The factor of a level in dB."""
    return 10 ** (level / 20)


def mask(rng, mel):
    """Blank out a few bands and moments (SpecAugment, Park et al. 2019, but milder)."""
    nothing = float(mel.min())
    for _ in range(rng.integers(1, 3)):
        band = rng.integers(BANDS - 6)
        mel[band : band + rng.integers(1, 9)] = nothing
    for _ in range(mel.shape[1] // 400):
        moment = rng.integers(mel.shape[1])
        mel[:, moment : moment + rng.integers(1, 12)] = nothing


def answered(rng, segments, offset, seconds):
    """The answer to a window that holds `segments` and starts at encoder frame `offset`."""
    answer, timed = Answer(), rng.random() >= NO_TIMES_SHARE
    if not timed:
        answer.put(NO_TIMES, target=IGNORED if segments else SILENT_START)
    if not segments:
        if timed:
            answer.put(TIME, target=SILENT_START)
        else:
            answer.put(UNUSED, target=SILENT_TEXT)
        answer.put(EOT)
        return finished(answer)

    def time(moment):
        return TIME + offset + round(min(moment, seconds) * FRAMES_PER_SECOND)

    if timed and len(segments) == 1 and segments[0].words:
        segments = [segments[0]._replace(whole=True)]  # alone: give what is heard of it
    for number, segment in enumerate(segments):
        start = time(segment.start)
        if timed:
            if number == 0 and offset == 0 and start > LATEST_START and rng.random() < CAPPED_SHARE:
                start = LATEST_START
            answer.put(start, (segment.start - 0.1, segment.start + 0.2))
        if segment.whole or not timed:
            for text, begin, end in segment.words:
                for token in compact_ids(text):
                    answer.put(token, (begin - 0.04, end + 0.04))
        if timed and segment.whole:
            end = min(max(time(segment.end), start + 1), TIME + TIMES - 1)
            answer.put(end, (segment.end - 0.2, segment.end + 0.1))
    answer.put(EOT)
    return finished(answer)


def finished(answer):
    """Without the last token, which nothing follows."""
    answer.tokens.pop()
    return answer


def prompt(rng):
    """The end of an earlier transcript, with or without its times."""
    full = rng.random() < FULL_PROMPT_SHARE
    count = LONGEST_PROMPT if full else rng.integers(1, LONGEST_PROMPT)
    sentences = random.Random(int(rng.integers(1 << 30)))
    timed, tokens, clock = rng.random() < TIMED_PROMPT_SHARE, [], 0
    while len(tokens) < count:
        words = [
            token for word in training_sentence(sentences).split() for token in compact_ids(word)
        ]
        start = clock + rng.integers(0, 60)
        clock = start + 5 * len(words) + rng.integers(0, 40)
        if clock >= TIMES:
            clock = 0
        elif timed:
            tokens += [TIME + int(start), *words, TIME + int(clock)]
        else:
            tokens += words
    if timed and rng.random() < OPEN_PROMPT_SHARE:
        tokens.append(min(TIME + int(clock) + int(rng.integers(0, 60)), TIME + TIMES - 1))
    return [PREV] + tokens[-count:]


def framewise(segments, seconds):
    """For each encoder frame the class of its word and, spread evenly over it, of its phone."""
    words = np.zeros(seconds * FRAMES_PER_SECOND, np.int64)
    sounds, (known, _) = words.copy(), phones()
    for segment in segments:
        for text, start, end in segment.words:
            first, last = int(start * FRAMES_PER_SECOND), int(end * FRAMES_PER_SECOND)
            words[first:last] = WORD_CLASS[plain(text)]
            parts = np.array(known[plain(text)])
            count = len(sounds[first:last])
            sounds[first:last] = parts[np.arange(count) * len(parts) // max(1, last - first)]
    return words, sounds


def collated(examples):
    """Examples as one batch of tensors, answers padded."""
    rows, longest = len(examples), max(len(example.answer.tokens) for example in examples)
    longest = min(longest, LONGEST)
    frames = len(examples[0].words)
    tokens = torch.full((rows, longest), EOT)
    targets = torch.full((rows, longest), IGNORED)
    guides = torch.full((rows, longest, 2), -1.0)
    for row, example in enumerate(examples):
        answer = example.answer
        count = min(len(answer.tokens), longest)
        tokens[row, :count] = torch.tensor(answer.tokens[:count])
        targets[row, :count] = torch.tensor(answer.targets[:count])
        for position, span in enumerate(answer.guides[:count]):
            if span is not None:
                guides[row, position] = (torch.tensor(span) * FRAMES_PER_SECOND).clamp(0, frames)
    return {
        "mel": torch.stack([example.mel for example in examples]).bfloat16(),
        "offset": torch.tensor([example.offset for example in examples]),
        "tokens": tokens,
        "targets": targets,
        "guides": guides,
        "words": torch.from_numpy(np.stack([example.words for example in examples])),
        "phones": torch.from_numpy(np.stack([example.phones for example in examples])),
    }


class Batches(torch.utils.data.IterableDataset):
    """Endless batches; each worker process has its own seed."""

    def __init__(self, bank, seconds, size, prompts, seed):
        self.bank, self.seconds, self.size, self.prompts, self.seed = (
            bank,
            seconds,
            size,
            prompts,
            seed,
        )

    def __iter__(self):
        windows = Windows(self.bank, self.seconds, self.prompts, self.seed)
        while True:
            yield collated([windows.example() for _ in range(self.size)])
