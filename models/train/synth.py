"""Debian's speech synthesisers, each giving 16 kHz samples and the times of the words.

`speak("flite slt", "This is a test.", rng)` returns an `Utterance`.  Pace and pitch are drawn from
`rng`, so a seed fixes the sound.  Needs the packages flite, festival (with the voices kallpc16k,
kdlpc16k and us-slt-hts) and espeak-ng.
"""

import ctypes
import functools
import itertools
import subprocess
import tempfile
import wave
from typing import NamedTuple

import numpy as np
from scipy.signal import resample_poly

RATE = 16000
FRAME = RATE // 100  # 10 ms, the step in which silence is looked for

# An utterance begins and ends with the frame that is this close to its loudest one.
SILENCE_DB = -38
PEAK = 20000 / 32768
SHORTEST_WORD = 0.03
LONGEST_UTTERANCE = 8.0

FLITE = ["kal16", "awb", "slt", "rms"]
FESTIVAL = ["ked_diphone", "kal_diphone", "cmu_us_slt_arctic_hts"]
ESPEAK_TRAINED = "plain f1 f2 f4 f5 m1 m2 m3 m4 m5 m6 m8 adam benjamin max steph".split()
ESPEAK_HELD_OUT = "f3 m7 Andy linda Michael steph2".split()

TRAINED = (
    ["flite kal16", "flite awb", "flite slt"]
    + ["festival " + name for name in FESTIVAL]
    + ["espeak " + name for name in ESPEAK_TRAINED]
)
HELD_OUT = ["flite rms"] + ["espeak " + name for name in ESPEAK_HELD_OUT]


class Word(NamedTuple):
    """A word with its punctuation, and when it sounds, in seconds."""

    text: str
    start: float
    end: float


class Utterance(NamedTuple):
    """One spoken sentence: float samples in -1..1, trimmed of silence, and its words."""

    samples: np.ndarray
    words: list


class Unusable(Exception):
    """The synthesiser's words do not match the text, or their times make no sense."""


def speak(voice, text, rng):
    """Say `text` with a voice of `TRAINED` or `HELD_OUT`."""
    engine, name = voice.split()
    say = {"flite": flite, "festival": festival, "espeak": espeak}[engine]
    samples, words = say(name, text, rng)
    return trimmed(samples, words)


def trimmed(samples, words):
    """Cut the silence around the words, set the peak, and check the times."""
    frames = np.abs(samples[: len(samples) // FRAME * FRAME]).reshape(-1, FRAME).max(1)
    loud = np.flatnonzero(frames > frames.max() * 10 ** (SILENCE_DB / 20))
    first, last = loud[0] * FRAME, (loud[-1] + 1) * FRAME
    samples = samples[first:last] * (PEAK / np.abs(samples).max())
    offset, length = first / RATE, len(samples) / RATE
    words = [
        Word(text, *np.clip([start - offset, end - offset], 0, length).tolist())
        for text, start, end in words
    ]
    words[0] = words[0]._replace(start=0.0)
    words[-1] = words[-1]._replace(end=length)
    if length > LONGEST_UTTERANCE or any(word.end - word.start < SHORTEST_WORD for word in words):
        raise Unusable
    return Utterance(samples.astype(np.float32), words)


def letters(word):
    """The letters of a word alone."""
    return "".join(filter(str.isalpha, word.lower()))


def matched(text, items):
    """The times of the words of `text` from a synthesiser's own items (name, start, end).

    A synthesiser may split a word; its letters tell which items belong together.
    """
    items, words = iter(items), []
    for word in text.split():
        heard, times = "", []
        while len(heard) < len(letters(word)):
            item = next(items, None)
            if item is None:
                raise Unusable
            heard += letters(item[0])
            times += item[1:]
        if heard != letters(word):
            raise Unusable
        words.append(Word(word, times[0], times[-1]))
    return words


# ---------------------------------------------------------------- flite, through its library


class FliteWave(ctypes.Structure):
    """`cst_wave` of flite/cst_wave.h"""

    _fields_ = [
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    ]


class FliteVoice(ctypes.Structure):
    """The first members of `cst_voice` of flite/cst_voice.h"""

    _fields_ = [("name", ctypes.c_char_p), ("features", ctypes.c_void_p)]


WORD_START = b"R:SylStructure.daughter1.daughter1.R:Segment.p.end"
WORD_END = b"R:SylStructure.daughtern.daughtern.R:Segment.end"


@functools.cache
def flite_library():
    """flite with the return types that ctypes cannot know."""
    for name in ("usenglish", "cmulex"):
        ctypes.CDLL(f"libflite_{name}.so.1", ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL("libflite.so.1", ctypes.RTLD_GLOBAL)
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for name, result, arguments in [
        ("flite_synth_text", pointer, [text, pointer]),
        ("utt_wave", ctypes.POINTER(FliteWave), [pointer]),
        ("utt_relation", pointer, [pointer, text]),
        ("relation_head", pointer, [pointer]),
        ("item_next", pointer, [pointer]),
        ("ffeature_string", text, [pointer, text]),
        ("ffeature_float", ctypes.c_float, [pointer, text]),
        ("delete_utterance", None, [pointer]),
        ("cst_wave_resample", None, [ctypes.POINTER(FliteWave), ctypes.c_int]),
        ("feat_set_float", None, [pointer, text, ctypes.c_float]),
    ]:
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    library.flite_init()
    return library


@functools.cache
def flite_voice(name):
    """A voice of flite, from its own library."""
    flite_library()
    register = getattr(ctypes.CDLL(f"libflite_cmu_us_{name}.so.1"), f"register_cmu_us_{name}")
    register.restype, register.argtypes = ctypes.POINTER(FliteVoice), [ctypes.c_char_p]
    return register(None)


def flite(name, text, rng):
    """Samples and words by flite."""
    library, voice = flite_library(), flite_voice(name)
    library.feat_set_float(
        voice.contents.features, b"duration_stretch", rng.triangular(0.85, 1.25, 1)
    )
    utterance = library.flite_synth_text(text.encode(), ctypes.cast(voice, ctypes.c_void_p))
    sound = library.utt_wave(utterance)
    if sound.contents.sample_rate != RATE:
        library.cst_wave_resample(sound, RATE)
    samples = np.ctypeslib.as_array(sound.contents.samples, (sound.contents.num_samples,)) / 32768
    items, item = [], library.relation_head(library.utt_relation(utterance, b"Word"))
    while item:
        times = (library.ffeature_float(item, feature) for feature in (WORD_START, WORD_END))
        items.append((library.ffeature_string(item, b"name").decode(), *times))
        item = library.item_next(item)
    library.delete_utterance(utterance)
    return samples, matched(text, items)


# ---------------------------------------------------------------- festival, through a pipe

FESTIVAL_SAY = """
(define (say text stretch file)
  (Parameter.set 'Duration_Stretch stretch)
  (let ((u (utt.synth (eval (list 'Utterance 'Text text)))))
    (utt.wave.resample u 16000)
    (utt.save.wave u file 'riff)
    (mapcar (lambda (w)
              (format t "%s:%s:%s " (item.name w)
                      (item.feat w "word_start") (item.feat w "word_end")))
            (utt.relation.items u 'Word))
    (format t "\\n")
    (fflush nil)))
"""


@functools.cache
def festival_process(name):
    """A festival that speaks with one voice and waits for more text."""
    process = subprocess.Popen(
        ["festival", "--pipe"],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    process.stdin.write(FESTIVAL_SAY + f"(voice_{name})\n")
    return process


def festival(name, text, rng):
    """Samples and words by festival."""
    process = festival_process(name)
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        process.stdin.write(f'(say "{text}" {rng.triangular(0.85, 1.25, 1):.3f} "{file.name}")\n')
        process.stdin.flush()
        items = [item.rsplit(":", 2) for item in process.stdout.readline().split()]
        with wave.open(file.name) as sound:
            samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16) / 32768
    return samples, matched(text, [(item, float(start), float(end)) for item, start, end in items])


# ---------------------------------------------------------------- espeak-ng, through its library


class EspeakEvent(ctypes.Structure):
    """`espeak_EVENT` of espeak-ng/speak_lib.h"""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    ]


# Numbers of espeak-ng/speak_lib.h
SYNCHRONOUS, CHARS_UTF8, LIST_END, WORD_EVENT = 2, 1, 0, 1
SPEED, PITCH, PITCH_RANGE, WORD_GAP = 1, 3, 4, 7
ESPEAK_RATE = 22050


class Espeak:
    """The library, with a callback that collects samples and word events."""

    def __init__(self):
        self.library = ctypes.CDLL("libespeak-ng.so.1")
        assert self.library.espeak_Initialize(SYNCHRONOUS, 0, None, 0) == ESPEAK_RATE
        signature = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(EspeakEvent)
        )
        self.callback = signature(self.collect)  # kept: the library only borrows it
        self.library.espeak_SetSynthCallback(self.callback)

    def collect(self, samples, count, events):
        """What the library calls with each piece of sound."""
        if count > 0:
            self.pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        for number in itertools.count():
            event = events[number]
            if event.type == LIST_END:
                return 0
            if event.type == WORD_EVENT:
                self.starts.setdefault(event.text_position - 1, event.audio_position / 1000)

    def say(self, voice, text, settings):
        """Samples at 16 kHz, and for each text position with a word event its time."""
        self.pieces, self.starts = [], {}
        if self.library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice}")
        for setting, value in settings.items():
            self.library.espeak_SetParameter(setting, value, 0)
        data = text.encode()
        self.library.espeak_Synth(data, len(data) + 1, 0, 1, 0, CHARS_UTF8, None, None)
        self.library.espeak_Synchronize()
        return resample_poly(np.concatenate(self.pieces) / 32768, 320, 441), self.starts


espeak_library = functools.cache(Espeak)


def espeak(name, text, rng):
    """Samples and words by espeak-ng in American English with one of its variants."""
    voice = "en-us" if name == "plain" else "en-us+" + name
    settings = {
        SPEED: int(rng.triangular(120, 200, 155)),
        PITCH: int(rng.triangular(20, 80, 50)),
        PITCH_RANGE: int(rng.uniform(30, 70)),
        WORD_GAP: rng.choice([0] * 6 + [1, 2]),
    }
    samples, events = espeak_library().say(voice, text, settings)
    words = text.split()
    places = [0, *itertools.accumulate(len(word) + 1 for word in words)]
    starts = [
        next((time for at, time in events.items() if low <= at < high), None)
        for low, high in itertools.pairwise(places)
    ]
    starts[0] = starts[0] or 0.0
    times = shared_out(starts + [len(samples) / RATE], places)
    return samples, [Word(word, *span) for word, span in zip(words, itertools.pairwise(times))]


def shared_out(times, places):
    """Fill the gaps in `times`, where espeak-ng ran words together, by `places` in the text."""
    known = [index for index, time in enumerate(times) if time is not None]
    return np.interp(
        places, [places[index] for index in known], [times[index] for index in known]
    ).tolist()
