"""The segmentation network: who of up to three people speaks in each frame of some seconds.

Samples [N, 1, T] in, log-probabilities [N, frames, 7] out, on the grid of pyannote's SincNet: a
frame sees 991 samples and the next one starts 270 later.  The seven classes are the sets of at most
two of three speakers.  Speakers are told apart within the window only; their order has no meaning.
"""

import itertools

import numpy as np
import torch
from torch import nn
from torch.nn import functional

RATE = 16000
STEP, FIELD = 270, 991  # samples from frame to frame, and seen by one
SETS = [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]
SPEAKERS = 3
PERMUTATIONS = list(itertools.permutations(range(SPEAKERS)))
# PERMUTED[p, c]: the class that c becomes when the speakers are renamed by permutation p
PERMUTED = torch.tensor(
    [
        [SETS.index(tuple(sorted(names[speaker] for speaker in members))) for members in SETS]
        for names in PERMUTATIONS
    ]
)

SHORT, LONG = 400, 800  # samples of the windows that see timbre and pitch
MELS, MEL_LOW, MEL_HIGH = 64, 60.0, 7600.0
PITCH_BINS = range(4, 68)  # of the long window, 20 Hz each: the harmonics of voices
LEVEL_FLOOR = 1e-9  # mean square below which the level is not raised any more
POWER_FLOOR = 1e-7  # of a spectrum whose mean is about 1
FEATURE_SCALE = 0.4  # brings the logarithms to a spread of about 1

WIDTH = 128
REDUCTION = 4  # frames in one step of the part that compares speakers
HEADS = 4
LAYERS = 4
RECURRENT = 64
HIDDEN = 320
EDGES = 64  # channels from a step to each of its frames


def frames_of(samples):
    """How many frames `samples` samples give."""
    return (samples - FIELD) // STEP + 1


def mel_filters():
    """Triangles over the bins of the short window, each with a sum of 1."""
    mels = np.linspace(*(2595 * np.log10(1 + np.array([MEL_LOW, MEL_HIGH]) / 700)), MELS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    bins = np.arange(SHORT // 2 + 1) * RATE / SHORT
    rise = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    filters = np.maximum(0, np.minimum(rise, fall))
    # The lowest triangles are narrower than a bin: each gets at least the bin nearest to it.
    nearest = np.abs(bins - edges[1:-1, None]).argmin(1)
    filters[np.arange(MELS), nearest] += 1e-3
    return torch.tensor(filters / filters.sum(1, keepdims=True), dtype=torch.float32)


def fourier(size, bins):
    """The Hann-windowed cosines and sines of `bins`, as filters of a convolution."""
    time = np.arange(size)
    window = np.hanning(size + 1)[:-1]
    window /= np.sqrt((window**2).sum())
    phase = 2 * np.pi * np.outer(list(bins), time) / size
    waves = np.concatenate([np.cos(phase), np.sin(phase)]) * window
    # Rounded as the exported file has them, so that training sees the same spectra.
    return torch.tensor(waves, dtype=torch.float16).float()[:, None]


class Spectra(nn.Module):
    """Log spectra of each frame: two short windows (timbre) and a long one (pitch).

    Neither the level nor a fixed colour of the sound matters: the mean square is brought to 1 and
    each band loses its mean over the window.
    """

    channels = 2 * MELS + len(PITCH_BINS)

    def __init__(self):
        super().__init__()
        self.register_buffer("short", fourier(SHORT, range(SHORT // 2 + 1)))
        self.register_buffer("long", fourier(LONG, PITCH_BINS))
        self.register_buffer("mels", mel_filters())

    def power(self, samples, filters, start):
        """Powers [N, bins, frames] of the windows that begin `start` samples into each frame."""
        end = start + filters.shape[-1] - FIELD
        waves = functional.conv1d(samples[..., start:end], filters, stride=STEP)
        cosines, sines = waves.square().chunk(2, 1)
        return cosines + sines

    def forward(self, samples):
        level = samples.square().mean(-1, keepdim=True) + LEVEL_FLOOR
        samples = samples * level.rsqrt()
        middle = FIELD // 2
        starts = [middle + shift - SHORT // 2 for shift in (-STEP // 4, STEP // 4)]
        timbre = [self.mels @ self.power(samples, self.short, start) for start in starts]
        pitch = self.power(samples, self.long, middle - LONG // 2)
        spectra = torch.log(torch.cat([*timbre, pitch], 1) + POWER_FLOOR)
        return FEATURE_SCALE * (spectra - spectra.mean(-1, keepdim=True))


class Convolution(nn.Sequential):
    """Convolution, batch normalisation, ReLU; the export folds the first two into one."""

    def __init__(self, inputs, outputs, kernel, stride=1):
        super().__init__(
            nn.Conv1d(inputs, outputs, kernel, stride, (kernel - 1) // 2, bias=False),
            nn.BatchNorm1d(outputs),
            nn.ReLU(),
        )


class Attention(nn.Module):
    """Every step looks at every other one: the same voice, somewhere else in the window?"""

    def __init__(self):
        super().__init__()
        self.before, self.after = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.queries = nn.Linear(WIDTH, 3 * WIDTH)
        self.mix = nn.Linear(WIDTH, WIDTH)
        self.wide = nn.Linear(WIDTH, HIDDEN)
        self.narrow = nn.Linear(HIDDEN, WIDTH)

    def forward(self, steps):
        count = steps.shape[0]
        heads = self.queries(self.before(steps)).reshape(count, -1, 3 * HEADS, WIDTH // HEADS)
        query, key, value = heads.transpose(1, 2).split(HEADS, 1)
        scores = query @ key.transpose(-1, -2) * (WIDTH // HEADS) ** -0.5
        seen = (scores.softmax(-1) @ value).transpose(1, 2).reshape(count, -1, WIDTH)
        steps = steps + self.mix(seen)
        return steps + self.narrow(self.wide(self.after(steps)).relu())


class Segmentation(nn.Module):
    """Spectra, convolutions, a quarter of the frames for memory and comparison, frames again."""

    def __init__(self):
        super().__init__()
        self.spectra = Spectra()
        self.stem = Convolution(Spectra.channels, WIDTH, 1)
        self.near = nn.ModuleList(Convolution(WIDTH, WIDTH, 3) for _ in range(2))
        self.reduce = Convolution(WIDTH, WIDTH, 2 * REDUCTION - 1, REDUCTION)
        self.memory = nn.LSTM(WIDTH, RECURRENT, batch_first=True, bidirectional=True)
        self.compare = nn.ModuleList(Attention() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        self.expand = nn.Linear(WIDTH, REDUCTION * EDGES)
        self.edges = Convolution(WIDTH + EDGES, WIDTH, 3)
        self.classes = nn.Linear(WIDTH, len(SETS))

    def forward(self, samples):
        return self.classify(self.spectra(samples))[0]

    def classify(self, spectra):
        """Log-probabilities of the classes, and steps [N, frames / 4, WIDTH]: what was heard in
        each, and what it became by comparison with the others."""
        frames = self.stem(spectra)
        for layer in self.near:
            frames = frames + layer(frames)
        steps = self.reduce(frames).transpose(1, 2)
        heard = steps = steps + self.memory(steps)[0]
        for layer in self.compare:
            steps = layer(steps)
        steps = self.norm(steps)
        context = self.expand(steps).reshape(steps.shape[0], -1, EDGES)
        context = context[:, : frames.shape[-1]].transpose(1, 2)
        frames = self.edges(torch.cat([frames, context], 1)).transpose(1, 2)
        return self.classes(frames).log_softmax(-1), heard, steps


def loss_of(scores, classes):
    """Mean negative log-probability of each window under its best renaming of the speakers."""
    renamed = PERMUTED[:, classes]  # [6, N, frames]
    picked = scores[None].expand(len(renamed), -1, -1, -1).gather(-1, renamed[..., None])
    return -picked.squeeze(-1).mean(-1).amax(0)
