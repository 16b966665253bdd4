"""Random scenes for the segmentation network: people in one room, and who of them speaks when.

`Stage(bank, seed).scene()` gives the samples of some seconds, for each frame of the network its
class, and who the people are.  They take turns with pauses or into each other's words, say "mm" to
each other, talk at once, or one of them talks all the time.  Each has a voice of the bank, changed
in speed (pitch and timbre move along), a distance and a level; all share a room, a microphone and
the noise.
"""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import scipy.fft

sys.path.append(str(Path(__file__).resolve().parent.parent))

import noise  # noqa: E402
from segmentation_network import FIELD, RATE, SETS, SPEAKERS, STEP, frames_of  # noqa: E402
from segmentation_room import colour, room, rustle  # noqa: E402
from segmentation_voices import BRIDGED, bridged  # noqa: E402

PEOPLE = {0: 0.06, 1: 0.22, 2: 0.36, 3: 0.28, 4: 0.08}
# What tells people apart must be their voices, not how they were recorded or how near they are:
RELATIVES = 0.4  # of the scenes have people whose recordings have the same origin,
ALIKE = 0.5  # have everyone equally loud, near and coloured
TWINS = 0.2  # of the scenes have two people of one voice, apart by TWIN_STEP in speed at least
TWIN_STEP = 1.25
SPEEDS = (0.8, 1.25)
AT_ONCE = 0.08  # of the scenes: everyone talks without heed of the others
LEVELS = 10.0  # dB between the nearest and the farthest, at most
ROOMS, COLOURS, NOISES = 150, 100, 60
DRY = 0.3  # of the scenes are without echoes
CLIPPED = 0.05
COMPANDED = 0.03
PACES = (0.93, 1.08)  # between slow, usual and fast
NOBODY = -1
FADE = 160  # samples at a cut


def chance(rng, share):
    return rng.random() < share


class Scene(NamedTuple):
    """What `Stage.scene` says of itself."""

    samples: np.ndarray
    classes: np.ndarray
    numbers: np.ndarray


class Person:
    """A voice, how it is changed, and how it reaches the microphone."""

    def __init__(self, rng, voice, speed, apart):
        self.voice, self.speed, self.level = voice, speed, -apart * rng.uniform(0, LEVELS)
        self.tilt = apart * rng.uniform(-0.45, 0.45)
        self.notch = (int(rng.integers(3, 40)), apart * rng.uniform(-0.4, 0.4))
        # One in three varies a lot from sentence to sentence, which makes nobody another person.
        self.wander = rng.uniform(0.01, 0.03) if chance(rng, 0.67) else rng.uniform(0.04, 0.07)
        self.far = 0.5 + apart * rng.uniform(-0.4, 0.8)  # how much echo
        self.late = int(rng.uniform(0, 0.03) * RATE)

    def speak(self, rng, bank):
        """Samples and spans of speech of one utterance."""
        samples, speech = bank.draw(rng, self.voice)
        speed = self.speed * np.exp(rng.normal(0, self.wander))
        count = int(len(samples) / speed)
        samples = np.interp(np.arange(count) * speed, np.arange(len(samples)), samples)
        samples = samples.astype(np.float32)
        loud = np.sqrt((samples**2).mean()) + 1e-4
        samples *= 0.1 / loud * 10 ** ((self.level + rng.normal(0, 2.5)) / 20)
        tilt = self.tilt + rng.normal(0, 0.15)
        delay, depth = self.notch
        heard = samples.copy()
        heard[1:] += tilt * samples[:-1]
        heard[delay:] += depth * samples[:-delay]
        return heard, (speech / speed).astype(int)


class Stage:
    """Endless scenes of `seconds` from a bank."""

    def __init__(self, bank, seed, seconds=10.0, rooms=ROOMS, noises=NOISES):
        self.bank, self.rng, self.names = bank, np.random.default_rng(seed), list(bank.utterances)
        self.numbers = len(self.names) * (len(PACES) + 1)
        self.count = int(seconds * RATE)
        self.size = scipy.fft.next_fast_len(self.count + RATE // 2, real=True)
        self.rooms = [room(self.rng, self.size) for _ in range(rooms)]
        self.colours = [colour(self.rng, self.size) for _ in range(COLOURS)]
        self.noises = self.noise_pool(noises)

    # ------------------------------------------------------------ what is drawn from

    def noise_pool(self, count):
        """Noises of an RMS of 1: those of the demo model's training, and a distant crowd."""
        some = count // 6
        noises = noise.pool(self.rng, Backwards(self), count - 2 * some)
        noises += [self.crowd() for _ in range(some)]
        return noises + [rustle(self.rng, self.size) for _ in range(some)]

    def crowd(self):
        """Several people far away, too many and too blurred to be anyone's turn."""
        rng = self.rng
        sound = np.zeros(self.size, np.float32)
        for _ in range(rng.integers(5, 12)):
            clock, person = 0, self.person(self.voice())
            while clock < self.size:
                samples, _ = person.speak(rng, self.bank)
                noise.add(sound, clock, samples)
                clock += len(samples) + rng.integers(RATE)
        spectrum = scipy.fft.rfft(sound) * self.rooms[rng.integers(len(self.rooms))]
        sound = scipy.fft.irfft(spectrum, self.size)[: self.count]
        return (sound / np.sqrt((sound**2).mean())).astype(np.float32)

    def voice(self):
        return self.bank.voice(self.rng)

    def speed(self):
        return float(np.exp(self.rng.uniform(*np.log(SPEEDS))))

    def person(self, voice, speed=None, apart=1.0):
        return Person(self.rng, voice, speed or self.speed(), apart)

    def people(self, count):
        """Different voices; sometimes two of one voice, at clearly different speeds."""
        rng, voices = self.rng, []
        apart = 0.15 if chance(rng, ALIKE) else 1.0
        related = chance(rng, RELATIVES)
        while len(voices) < count:
            voice = self.voice()
            if related and voices:
                relatives = self.bank.relatives(voices[0])
                related = len(relatives) > len(voices)
                voice = relatives[rng.integers(len(relatives))]
            if voice not in voices:
                voices.append(voice)
        people = [self.person(voice, None, apart) for voice in voices]
        if count > 1 and chance(rng, TWINS):
            slow = rng.uniform(SPEEDS[0], SPEEDS[1] / TWIN_STEP)
            fast = rng.uniform(slow * TWIN_STEP, SPEEDS[1])
            people[:2] = [self.person(voices[0], speed, apart) for speed in (slow, fast)]
            rng.shuffle(people)
        return people

    # ------------------------------------------------------------ one scene

    def scene(self):
        """A scene: samples [count], the class of each frame, and the numbers of three people."""
        rng = self.rng
        people = self.people(rng.choice(list(PEOPLE), p=list(PEOPLE.values())))
        self.direct = np.zeros(self.count, np.float32)
        self.echoes = np.zeros(self.size, np.float32)
        self.active = np.zeros((len(people), frames_of(self.count)), bool)
        if people:
            self.wet = 0.0 if chance(rng, DRY) else 10 ** (rng.uniform(-15, 4) / 20)
            if len(people) > 1 and chance(rng, AT_ONCE):
                for number in range(len(people)):
                    self.talk(people, [number])
            else:
                self.talk(people, list(range(len(people))))
        classes, order = classes_of(self.active)
        numbers = [self.number(people[place]) for place in order] + [NOBODY] * (
            SPEAKERS - len(order)
        )
        return Scene(self.recorded(people), classes, np.array(numbers))

    def number(self, person):
        """What the network may call a person while it learns: the voice and its rough speed."""
        pace = int(np.searchsorted(PACES, person.speed))
        return self.names.index(person.voice) * (len(PACES) + 1) + pace

    def talk(self, people, numbers):
        """Turns of the people `numbers` from before the window to its end."""
        rng = self.rng
        shares = rng.dirichlet([1.5] * len(numbers))
        into = rng.choice([0.05, 0.2, 0.5])  # turns that begin before the last one ends
        typical = rng.choice([0.8, 2.0, 4.0, 9.0])  # seconds of a turn
        stay = rng.uniform(0.05, 0.35)  # turns after one's own
        mutters = rng.choice([0.0, 0.15, 0.5])  # turns with a "mm" from someone else
        pauses = rng.choice([0.15, 0.15, 0.3, 0.3, 0.6, 2.5])
        clock, before, last = -rng.uniform(0, 4), 0.0, None
        while clock < self.count / RATE:
            number = numbers[rng.choice(len(numbers), p=shares)]
            if number == last and len(numbers) > 1 and not chance(rng, stay):
                continue
            if last not in (None, number) and chance(rng, into):
                clock -= rng.uniform(0.05, min(2.0, 0.7 * before))
            elif last is not None:
                clock += rng.uniform(1, 5) if chance(rng, 0.06) else rng.exponential(pauses) + 0.03
            wanted = typical * np.exp(rng.normal(0, 0.6))
            end = self.turn(people, number, clock, wanted, pauses)
            others = [other for other in numbers if other != number]
            if others and chance(rng, mutters):
                at = rng.uniform(clock, end)
                self.turn(people, others[rng.integers(len(others))], at, rng.uniform(0.2, 0.8), 0)
            clock, before, last = end, end - clock, number

    def turn(self, people, number, clock, wanted, pauses):
        """Someone speaks for about `wanted` seconds from `clock`; when the turn ends."""
        rng = self.rng
        person, end, pause = people[number], clock, 0.0
        while end + pause - clock < wanted and end + pause < self.count / RATE:
            samples, speech = person.speak(rng, self.bank)
            start = end + pause
            left = int((wanted - (start - clock)) * RATE)
            if left < len(samples) and (left < RATE or chance(rng, 0.6)):
                samples, speech = cut(rng, samples, speech, max(left, RATE // 5))
            self.place(person, number, int(start * RATE), samples, speech)
            end = start + len(samples) / RATE
            pause = rng.exponential(0.5 * pauses) if pauses else 0.0
        return end

    def place(self, person, number, first, samples, speech):
        """Mix an utterance in and mark its frames."""
        if first < 0:
            samples, speech, first = samples[-first:], speech + first, 0
        if not len(samples) or first >= self.count:
            return
        noise.add(self.direct, first, samples)
        if self.wet:
            noise.add(self.echoes, first + person.late, samples * np.float32(person.far))
        active = self.active[number]
        for begin, end in np.maximum(0, speech) + first:
            low, high = np.ceil((np.array([begin, end]) - FIELD / 2) / STEP).astype(int)
            active[max(low, 0) : max(high, 0)] = True

    def recorded(self, people):
        """What the microphone gives of the scene."""
        rng = self.rng
        colour = self.colours[rng.integers(len(self.colours))]
        sound = self.direct
        if people:
            spectrum = scipy.fft.rfft(self.direct, self.size)
            if self.wet:
                echo = self.rooms[rng.integers(len(self.rooms))]
                spectrum += self.wet * echo * scipy.fft.rfft(self.echoes)
            sound = scipy.fft.irfft(spectrum * colour, self.size)[: self.count]
        talking = self.active.any(0).mean() if people else 0
        if talking:
            level = np.sqrt((sound**2).mean() / max(talking, 0.02))
            ratio = rng.triangular(0, 22, 60) if chance(rng, 0.93) else rng.uniform(-4, 4)
            hiss = level * 10 ** (-ratio / 20)
        else:
            hiss = 10 ** (rng.uniform(-60, -15) / 20) * float(chance(rng, 0.85))
        if chance(rng, 0.93):
            sound = sound + hiss * self.hiss()
        if chance(rng, 0.4):
            sound = sound + hiss * 10 ** (-rng.uniform(0, 15) / 20) * self.hiss()
        if chance(rng, CLIPPED):
            most = np.abs(sound).max() * rng.uniform(0.15, 0.7)
            sound = np.clip(sound, -most, most)
        peak = np.abs(sound).max() + 1e-9
        if talking or peak > 1:
            sound = sound * (10 ** (-rng.triangular(0, 6, 45) / 20) / peak)
        if chance(rng, COMPANDED):
            squeezed = np.round(np.log1p(255 * np.abs(sound)) / np.log(256) * 127) / 127
            sound = np.sign(sound) * (256**squeezed - 1) / 255
        return np.round(sound * 32767).astype(np.float32) / 32768

    def hiss(self):
        """A piece of some noise; a soft one when it must be filled up."""
        rng = self.rng
        sound = self.noises[rng.integers(len(self.noises))]
        first = rng.integers(max(1, len(sound) - self.count))
        piece = sound[first : first + self.count]
        return np.pad(piece, (0, self.count - len(piece)), mode="wrap")


class Backwards:
    """The bank in the words of `noise.babble`, which plays its voices backwards."""

    def __init__(self, stage):
        self.stage = stage

    def voice(self, rng):
        return self.stage.voice()

    def utterance(self, rng, voice):
        samples, _ = self.stage.person(voice).speak(rng, self.stage.bank)
        return SimpleNamespace(samples=samples)


def cut(rng, samples, speech, count):
    """`count` samples from within the speech, faded at both ends, and its spans."""
    begin, end = speech[rng.integers(len(speech))]
    first = int(rng.integers(begin, max(begin + 1, end - count)))
    samples = samples[first : first + count].copy()
    fade = min(FADE, len(samples) // 2)
    slope = np.linspace(0, 1, fade, dtype=np.float32)
    samples[:fade] *= slope
    samples[len(samples) - fade :] *= slope[::-1]
    return samples, np.clip(speech - first, 0, len(samples))


def classes_of(active):
    """The class of each frame from everyone's activity [people, frames], and who speaker 0, 1, 2 is.

    Only the three who speak most count, and only the two of these who speak more at once.
    """
    frames = active.shape[1]
    most = int(BRIDGED * RATE / STEP)
    active = np.array([bridged(row, most) for row in active], bool).reshape(len(active), frames)
    order = np.argsort(-active.sum(1), kind="stable")[:SPEAKERS]
    active = active[order]
    active &= np.cumsum(active, 0) <= 2
    padded = np.zeros((SPEAKERS, frames), bool)
    padded[: len(active)] = active
    lookup = np.zeros(8, np.int64)
    for number, members in enumerate(SETS):
        lookup[sum(1 << member for member in members)] = number
    return lookup[padded.T @ [1, 2, 4]], order
