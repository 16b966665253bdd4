"""Train the speaker-embedding network on a bank.

    python3 embedding_train.py BANK CHECKPOINT.pt --minutes 70 [--start OLDER.pt]

One thread.  The checkpoint, written every few minutes, holds the weights (`network`), their moving
average (`average`, the one to use) and the classes' directions (`classes`).  `--start` takes the
weights that fit from an older checkpoint.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from embedding_data import Examples
from embedding_network import EMBEDDING, Embedder

# glibc must keep its big blocks instead of asking the kernel for them again at every step.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": 1 << 33, "MALLOC_TRIM_THRESHOLD_": 1 << 34}
FRAMES = 10000  # in a batch
RATE, DECAY = 2e-3, 1e-2
WARM = 0.03  # share of the time in which the learning rate rises
AVERAGE = 0.996
SCALE = 30.0
MARGIN = 0.2  # radians, reached at MARGIN_FULL of the time
MARGIN_FULL = 0.3
SMOOTHING = 0.02
PAIRS_WEIGHT = 0.5
# The first examples are mostly clean, or nothing is learnt for long.
EASIEST, STRENGTH_FULL = 0.3, 0.2
CHECKPOINT_SECONDS = 180


class Loss(nn.Module):
    """Additive angular margin over the classes, and each crop to find its partner in the batch."""

    def __init__(self, classes):
        super().__init__()
        self.directions = nn.Parameter(torch.randn(classes, EMBEDDING) * 0.05)
        self.sharpness = nn.Parameter(torch.tensor(2.3))

    def forward(self, embeddings, labels, margin):
        unit = functional.normalize(embeddings)
        cosines = unit @ functional.normalize(self.directions).T
        own = cosines.gather(1, labels[:, None]).clamp(-0.999, 0.999)
        moved = torch.cos(torch.acos(own) + margin)
        logits = SCALE * cosines.scatter(1, labels[:, None], moved)
        classes = functional.cross_entropy(logits, labels, label_smoothing=SMOOTHING)
        first, second = unit.chunk(2)
        similar = self.sharpness.exp() * first @ second.T
        partners = torch.arange(len(first))
        pairs = functional.cross_entropy(similar, partners) + functional.cross_entropy(
            similar.T, partners
        )
        hits = (cosines.argmax(1) == labels).float().mean()
        return classes + PAIRS_WEIGHT * pairs / 2, hits, own.mean()


def schedule(done):
    """The learning rate's factor when the share `done` of the time is over."""
    return min(done / WARM, 1) * 0.5 * (1 + np.cos(np.pi * done)) + 1e-3


def save(path, network, average, **others):
    """Write a checkpoint, never half of one."""
    part = path.with_suffix(".part")
    parts = {"network": network, "average": average.module, **others}
    torch.save({name: module.state_dict() for name, module in parts.items()}, part)
    part.rename(path)


def averaged(network):
    """The network, ready to be trained, and the moving average of its weights."""
    # Convolutions in two dimensions are faster with the channels last.
    network.stem.to(memory_format=torch.channels_last)
    network.planes.to(memory_format=torch.channels_last)
    return torch.optim.swa_utils.AveragedModel(
        network,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE),
        use_buffers=True,
    )


def run(parser, train, rate):
    """Add what both ways to train are told, and begin, in a process that keeps its big blocks."""
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--start", type=Path)
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not os.environ.get("MALLOC_MMAP_THRESHOLD_"):
        os.environ.update({name: str(size) for name, size in MALLOC.items()})
        os.execv(sys.executable, [sys.executable, *sys.argv])
    train(options)


def train(options):
    """The loop."""
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    examples = Examples(options.bank, np.random.default_rng(options.seed))
    network, loss = Embedder(), Loss(len(examples.classes))
    if options.start:
        state = torch.load(options.start, weights_only=True)
        network.load_state_dict(state["network"], strict=False)
        classes = state.get("classes")  # a checkpoint of embedding_distil.py has none
        if classes and classes["directions"].shape == loss.directions.shape:
            loss.load_state_dict(classes)
    average = averaged(network)
    optimizer = torch.optim.AdamW(
        [*network.parameters(), *loss.parameters()], RATE, weight_decay=DECAY
    )
    print(f"{len(examples.classes)} classes of {len(examples.bank.voices)} voices", flush=True)
    begin = saved = time.time()
    step, seen, making, recent = 0, 0, 0.0, []
    while (done := (time.time() - begin) / (60 * options.minutes)) < 1:
        clock = time.time()
        strength = min(EASIEST + (1 - EASIEST) * done / STRENGTH_FULL, 1)
        feats, labels = examples.batch(FRAMES, strength)
        making += time.time() - clock
        for group in optimizer.param_groups:
            group["lr"] = options.rate * schedule(done)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            embeddings = network(feats)
        margin = MARGIN * min(done / MARGIN_FULL, 1)
        value, hits, own = loss(embeddings.float(), labels, margin)
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        average.update_parameters(network)
        step, seen = step + 1, seen + len(labels)
        recent.append((value.item(), hits.item(), own.item()))
        if step % 20 == 0:
            means = " ".join(f"{mean:.3f}" for mean in np.mean(recent, 0))
            spent = time.time() - begin
            print(
                f"{spent:.0f} s, step {step}, {seen} crops, loss hits cosine {means},"
                f" {making / spent:.0%} making",
                flush=True,
            )
            recent = []
        if time.time() - saved > CHECKPOINT_SECONDS:
            save(options.checkpoint, network, average, classes=loss)
            saved = time.time()
    save(options.checkpoint, network, average, classes=loss)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bank", type=Path)
    run(parser, train, RATE)
