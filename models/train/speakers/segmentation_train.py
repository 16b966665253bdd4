"""Train the segmentation network for some minutes, in one process on one core.

    python3 segmentation_train.py BANK OUT.pt --minutes 70 [--start IN.pt]

BANK is the folder of the bank of voices.  The learning rate rises over the first steps and falls
along a cosine to zero as the minutes pass.  OUT.pt holds the moving average of the weights,
OUT.log a line of JSON every few steps, with errors on held-out voices now and then.
"""

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from segmentation_network import (
    REDUCTION,
    SPEAKERS,
    WIDTH,
    Segmentation,
    frames_of,
    loss_of,
)
from segmentation_scenes import Stage
from segmentation_score import MEMBERS, Errors
from segmentation_voices import Bank

WARM_UP = 100  # steps
WEIGHT_DECAY = 0.02
LARGEST_GRADIENT = 1.0
AVERAGED_STEPS = 300  # span of the moving average of the weights
HALF_WINDOWS = 0.2  # of the batches have 5 s, which live use has
LIKENESS, IDENTITY = 0.5, 0.15  # weights of the helpers' losses, which fall over the run
LEAST_HEARD = 4  # steps of a voice alone before its identity is asked
MASKED_BANDS = 12  # at most, of the spectra's channels, for whole windows
KEPT = 1000  # scenes that wait for their second use
LOG_EVERY, CHECK_EVERY = 50, 300  # steps
CHECKED = 96  # windows

# glibc gives big blocks back and clears them again at each step; keeping them is far faster.
MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": 1 << 33,
    "MALLOC_TRIM_THRESHOLD_": 1 << 34,
    "MALLOC_TOP_PAD_": 1 << 28,
}


class Likeness(nn.Module):
    """Are two steps of a window the same voice?  Asked of every pair where one person speaks.

    It needs no order of the speakers, so it teaches the network to tell them apart long before the
    classes do, which get nowhere until it can.
    """

    def __init__(self):
        super().__init__()
        self.project = nn.Linear(WIDTH, 32)
        self.scale, self.shift = nn.Parameter(torch.tensor(5.0)), nn.Parameter(torch.tensor(-1.0))

    def forward(self, steps, speaker):
        points = functional.normalize(self.project(steps), dim=-1)
        said = self.scale * points @ points.transpose(1, 2) + self.shift
        alone = (speaker > 0) & (speaker <= 3)
        pairs = alone[:, :, None] & alone[:, None, :]
        same = speaker[:, :, None] == speaker[:, None, :]
        losses = functional.binary_cross_entropy_with_logits(said, same.float(), reduction="none")
        # Half of the weight for the pairs of different people, however few they are.
        total = 0
        for part in (pairs & same, pairs & ~same):
            total = total + (losses * part).sum() / part.sum().clamp(min=1) / 2
        return total


class Identity(nn.Module):
    """Which voice is it, and at what pace?  Asked of what was heard, before any comparison."""

    def __init__(self, numbers):
        super().__init__()
        self.say = nn.Linear(WIDTH, numbers)

    def forward(self, heard, speaker, numbers):
        alone = functional.one_hot(speaker.clamp(max=SPEAKERS + 1), SPEAKERS + 2)
        alone = alone[..., 1 : SPEAKERS + 1].float()  # [N, steps, speakers]
        counts = alone.sum(1)
        mean = alone.transpose(1, 2) @ heard / counts.clamp(min=1)[..., None]
        known = (counts >= LEAST_HEARD) & (numbers >= 0)
        return functional.cross_entropy(self.say(mean)[known], numbers[known])


class Trainer:
    """The network, its optimiser and the moving average."""

    def __init__(self, options, numbers):
        torch.manual_seed(options.seed)
        self.options, self.step = options, 0
        self.model, self.likeness, self.identity = Segmentation(), Likeness(), Identity(numbers)
        if options.start:
            self.model.load_state_dict(torch.load(options.start)["weights"])
        modules = nn.ModuleList([self.model, self.likeness, self.identity])
        parameters = list(modules.parameters())
        self.optimiser = torch.optim.AdamW(
            [
                {"params": [w for w in parameters if w.dim() > 1], "weight_decay": WEIGHT_DECAY},
                {"params": [w for w in parameters if w.dim() < 2], "weight_decay": 0},
            ],
            lr=options.rate,
            betas=(0.9, 0.98),
        )
        self.parameters = parameters
        self.average = {name: value.clone() for name, value in self.model.state_dict().items()}

    def update(self, spectra, classes, numbers, rate, helper):
        """One step; the losses of classes, likeness and identity."""
        self.model.train()
        for group in self.optimiser.param_groups:
            group["lr"] = rate * min(1, (self.step + 1) / WARM_UP)
        with torch.autocast("cpu", torch.bfloat16):
            scores, heard, steps = self.model.classify(masked(spectra))
        speaker = classes[:, ::REDUCTION]
        loss = loss_of(scores.float(), classes).mean()
        likeness = self.likeness(steps.float(), speaker)
        identity = self.identity(heard.float(), speaker, numbers)
        total = loss + helper * (LIKENESS * likeness + IDENTITY * identity)
        self.optimiser.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(self.parameters, LARGEST_GRADIENT)
        self.optimiser.step()
        self.step += 1
        keep = min(1 - 1 / AVERAGED_STEPS, self.step / (self.step + 20))
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - keep)
        return loss.item(), likeness.item(), identity.item()

    def averaged(self):
        """The network with the averaged weights."""
        model = Segmentation()
        model.load_state_dict(self.average)
        return model.eval()

    def save(self):
        """Write the checkpoint, never half of one."""
        path = self.options.out
        torch.save({"weights": self.average}, path.with_suffix(".tmp"))
        os.replace(path.with_suffix(".tmp"), path)


def masked(spectra):
    """The spectra with a few bands at their mean in each window: no cue may be relied on alone."""
    keep = torch.ones(spectra.shape[:2])
    for row in keep:
        for _ in range(2):
            first = torch.randint(len(row), ()).item()
            row[first : first + torch.randint(MASKED_BANDS, ()).item()] = 0
    return spectra * keep[..., None]


class Scenes:
    """Batches of spectra [N, channels, frames], classes [N, frames] and people [N, 3].

    Making a scene takes longer than learning from it, so each is used twice, in different batches:
    half of a batch is new, half is drawn from those made before.
    """

    def __init__(self, stage, spectra, size, rng):
        self.stage, self.spectra, self.size, self.rng = stage, spectra, size, rng
        self.kept = []

    def batch(self):
        """The next batch, sometimes of half the length."""
        scenes = [self.stage.scene() for _ in range(self.size - self.size // 2)]
        samples = torch.from_numpy(np.stack([scene.samples for scene in scenes]))[:, None]
        with torch.no_grad():
            fresh = self.spectra(samples)
        rows = [
            (part.half(), torch.from_numpy(scene.classes), torch.from_numpy(scene.numbers))
            for part, scene in zip(fresh, scenes)
        ]
        while len(rows) < self.size and len(self.kept) > KEPT:
            rows.append(self.kept.pop(int(self.rng.integers(len(self.kept)))))
        self.kept += rows[: len(scenes)]
        spectra, classes, numbers = map(torch.stack, zip(*rows))
        spectra = spectra.float()
        if self.rng.random() < HALF_WINDOWS:
            count = frames_of(self.stage.count // 2)
            first = int(self.rng.integers(0, classes.shape[1] - count + 1))
            spectra, classes = spectra[..., first:][..., :count], classes[:, first:][:, :count]
            spectra = spectra - spectra.mean(-1, keepdim=True)
        return spectra, classes, numbers


def check(model, scenes):
    """Errors on fixed scenes of held-out voices."""
    errors, losses = Errors(), []
    for samples, classes, _ in scenes:
        with torch.no_grad():
            scores = model(torch.from_numpy(samples)[None, None])
        losses.append(loss_of(scores, torch.from_numpy(classes)[None]).item())
        errors.add(MEMBERS[classes], MEMBERS[scores[0].argmax(-1).numpy()])
    return {
        "held_out_loss": round(float(np.mean(losses)), 4),
        **{name: round(value, 2) for name, value in errors.rates().items()},
    }


def train(options):
    """The loop."""
    torch.set_num_threads(1)
    stage = Stage(Bank(options.bank, "train"), options.seed)
    trainer = Trainer(options, stage.numbers)
    rng = np.random.default_rng(options.seed)
    scenes = Scenes(stage, trainer.model.spectra, options.batch, rng)
    held_out = Stage(Bank(options.bank, "valid"), 99, rooms=20, noises=12)
    fixed = [held_out.scene() for _ in range(CHECKED)]
    started, recent = time.monotonic(), []
    while (share := (time.monotonic() - started) / 60 / options.minutes) < 1:
        rate = options.rate * 0.5 * (1 + math.cos(math.pi * share))
        recent.append(trainer.update(*scenes.batch(), rate, 1 - 0.7 * share))
        if trainer.step % LOG_EVERY == 0:
            loss, likeness, identity = np.mean(recent, 0)
            seconds = time.monotonic() - started
            line = {"step": trainer.step, "seconds": round(seconds), "rate": round(rate, 6)}
            line |= {"loss": round(loss, 4), "likeness": round(likeness, 4)}
            line["identity"] = round(identity, 3)
            recent = []
            if trainer.step % CHECK_EVERY == 0:
                line |= check(trainer.averaged(), fixed)
                trainer.save()
            print(json.dumps(line), flush=True)
            with open(options.out.with_suffix(".log"), "a") as log:
                log.write(json.dumps(line) + "\n")
    trainer.save()
    print(json.dumps({"step": trainer.step, **check(trainer.averaged(), fixed)}), flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bank", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--minutes", type=float, default=70)
    parser.add_argument("--batch", type=int, default=16, help="windows in a step")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if any(name not in os.environ for name in MALLOC):
        os.environ.update({name: str(size) for name, size in MALLOC.items()})
        os.execv(sys.executable, [sys.executable, *sys.argv])
    train(options)


if __name__ == "__main__":
    main()
