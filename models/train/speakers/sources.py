"""Speech of one voice, as an iterator of 16 kHz clips without silence at their ends."""

import itertools
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr

# After this folder, whose bank.py must be found first.
sys.path.append(str(Path(__file__).resolve().parent.parent))

import synth  # noqa: E402
from texts import sentence  # noqa: E402
from voices import ESPEAK_LANGUAGES, FESTIVAL, RECORDED  # noqa: E402

RATE = synth.RATE
FRAME = RATE // 100
SILENCE_DB = -35  # below the loudest frame: an end that is quieter is cut off
PEAK = 20000 / 32768
SHORTEST, LONGEST = 0.25, 12.0  # seconds
FESTIVAL_SECONDS = 300  # a process that takes longer has hung


def clips(voice, count, folder):
    """At most `count` clips of a voice; `folder` is where the packages' files are (`/`)."""
    kind, name = voice.name.split("-", 1)
    rng = random.Random(voice.name)
    source = {"flite": flite, "festival": festival, "espeak": espeak, "human": recorded}[kind]
    trimmed = (trim(samples) for samples in source(name, count, rng, folder))
    return (samples for samples in trimmed if samples is not None)


def trim(samples):
    """Cut the silence at both ends and set the peak; None for what is no clip of speech."""
    frames = np.abs(samples[: len(samples) // FRAME * FRAME]).reshape(-1, FRAME)
    if not len(frames) or frames.max() < 1e-3:
        return None
    loudness = np.sqrt(np.mean(frames**2, 1))
    loud = np.flatnonzero(loudness > loudness.max() * 10 ** (SILENCE_DB / 20))
    samples = samples[loud[0] * FRAME : (loud[-1] + 1) * FRAME][: int(LONGEST * RATE)]
    if len(samples) < SHORTEST * RATE:
        return None
    return (samples * (PEAK / np.abs(samples).max())).astype(np.float32)


def flite(name, count, rng, folder):
    """Made-up sentences by flite."""
    for _ in range(count):
        try:
            yield synth.flite(name, sentence(rng, "latin"), rng)[0]
        except synth.Unusable:
            continue


def espeak(name, count, rng, folder):
    """Made-up sentences by a variant of espeak-ng, in one language after another."""
    for _ in range(count):
        settings = {
            synth.SPEED: int(rng.triangular(120, 210, 160)),
            synth.PITCH: int(rng.triangular(30, 70, 50)),
            synth.PITCH_RANGE: int(rng.uniform(30, 70)),
        }
        voice = f"{rng.choice(ESPEAK_LANGUAGES)}+{name}"
        yield synth.espeak_library().say(voice, sentence(rng, "latin"), settings)[0]


def festival(name, count, rng, folder):
    """Made-up sentences by a voice of festival, from one process."""
    voice, _, _, script = FESTIVAL[name]
    with tempfile.TemporaryDirectory() as place:
        commands = [f"(voice_{voice})"]
        for number in range(count):
            commands.append(f"(Parameter.set 'Duration_Stretch {rng.triangular(0.8, 1.3, 1):.2f})")
            commands.append(
                f'(let ((u (utt.synth (Utterance Text "{sentence(rng, script)}"))))'
                f' (utt.wave.resample u {RATE}) (utt.save.wave u "{place}/{number}.wav" \'riff))'
            )
        try:
            subprocess.run(
                ["festival", "--pipe"],
                input="\n".join(commands).encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=FESTIVAL_SECONDS,
            )
        except subprocess.TimeoutExpired:
            pass  # what it had said till then counts
        for path in sorted(Path(place).glob("*.wav")):
            yield read(path)


def recorded(name, count, rng, folder):
    """The recordings of a person, in random order, equal files only once."""
    package, pattern, _, _ = RECORDED[name]
    # Packages may be unpacked side by side instead of installed.
    roots = [
        root for root in (folder / package / "usr/share", folder / "usr/share") if root.is_dir()
    ]
    paths = sorted(path for path in roots[0].glob(pattern) if path.is_file())
    rng.shuffle(paths)
    contents = {path.read_bytes(): path for path in paths if "silence" not in path.parts}
    for path in itertools.islice(contents.values(), count):
        samples = read(path)
        if samples is not None and len(samples):
            yield samples


def read(path):
    """An audio file as 16 kHz mono; None if it is none."""
    try:
        if path.suffix in (".g722", ".gsm"):
            samples, rate = decode(path)
        else:
            samples, rate = soundfile.read(path, always_2d=True)
            samples = samples.mean(1)
    except (soundfile.LibsndfileError, av.error.FFmpegError):
        return None
    return soxr.resample(samples, rate, RATE) if rate != RATE else samples


def decode(path):
    """Telephone formats, through FFmpeg's library."""
    with av.open(str(path), format=path.suffix[1:]) as container:
        rate = container.streams.audio[0].rate
        frames = [frame.to_ndarray().ravel() for frame in container.decode(audio=0)]
    return np.concatenate([np.zeros(0), *frames]) / 32768, rate
