"""Whisper's tokens, and the compact ids that training uses in their place.

Of the 51,864 tokens of an English-only Whisper, the grammar needs some hundred.  Training keeps
one row for each of these, for the special tokens and for the times, and a single row `UNUSED`
that stands for all others; the export copies it to each of them.
"""

import base64
import functools
import importlib.util
from pathlib import Path

import tiktoken

from grammar import WORDS

# Ids of an English-only vocabulary (whisper/tokenizer.py of openai-whisper)
VOCABULARY = 51864
ENGLISH_SPECIALS = {
    "eot": 50256,
    "sot": 50257,
    "prev": 50360,
    "nospeech": 50361,
    "notimestamps": 50362,
}
FIRST_TIME = 50363
TIMES = 1501  # 0.00 to 30.00 s in steps of 20 ms
TIME_STEP = 0.02

# GPT-2's way to split text (openai/gpt-2, encoder.py)
SPLIT = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""


@functools.cache
def assets():
    """The folder of openai-whisper's vocabulary and mel filters."""
    return Path(importlib.util.find_spec("whisper").origin).parent / "assets"


@functools.cache
def ranks():
    """The bytes of each text token and its id."""
    lines = (assets() / "gpt2.tiktoken").read_bytes().splitlines()
    return {
        base64.b64decode(text): int(rank) for text, rank in map(bytes.split, filter(None, lines))
    }


@functools.cache
def tokenizer():
    """GPT-2's tokenizer without special tokens."""
    return tiktoken.Encoding("gpt2", pat_str=SPLIT, mergeable_ranks=ranks(), special_tokens={})


@functools.cache
def whisper_ids(word):
    """The tokens of a word with its punctuation, the space before it included."""
    return tokenizer().encode_ordinary(" " + word)


@functools.cache
def text_tokens():
    """Every text token that a sentence of the grammar can need, in order."""
    spellings = {
        variant + end
        for word in WORDS
        for variant in (word, word[0].upper() + word[1:])
        for end in ("", ".", "?")
    }
    return sorted({token for spelling in spellings for token in whisper_ids(spelling)})


# Compact ids: text tokens, five special ones, all unused ones together, times.
TEXT = len(text_tokens())
EOT, SOT, PREV, NO_SPEECH, NO_TIMES, UNUSED, TIME = range(TEXT, TEXT + 7)
COMPACT = TIME + TIMES
UNUSED_COUNT = VOCABULARY - (COMPACT - 1)
TO_WHISPER = (
    text_tokens()
    + list(ENGLISH_SPECIALS.values())
    + [None]
    + list(range(FIRST_TIME, FIRST_TIME + TIMES))
)
FROM_WHISPER = {token: compact for compact, token in enumerate(TO_WHISPER) if token is not None}


def compact_ids(word):
    """The compact ids of a word."""
    return [FROM_WHISPER[token] for token in whisper_ids(word)]


def readable(compact):
    """A compact id as a person reads it."""
    if compact < TEXT:
        return tokenizer().decode([TO_WHISPER[compact]])
    if compact >= TIME:
        return f"<{(compact - TIME) * TIME_STEP:.2f}>"
    return "<" + [*ENGLISH_SPECIALS, "unused"][compact - TEXT] + ">"
