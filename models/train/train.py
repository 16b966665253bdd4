"""Train the network for some minutes, in several processes that share their gradients.

    python3 train.py BANK OUT.pt --seconds 30 10 --batch 4 10 --minutes 60 [--start IN.pt]

BANK is the folder of bank.py.  The learning rate rises over the first steps and then falls along a
cosine to --final-rate as the minutes pass.  OUT.pt holds the moving average of the weights and the
optimiser; OUT.log a line of JSON every 25 steps.
"""

import argparse
import itertools
import json
import math
import os
import time
from pathlib import Path

import torch
import torch.distributed
import torch.multiprocessing
from torch.utils.data import DataLoader

from bank import Bank
from losses import loss
from network import Whisper
from windows import IGNORED, Batches

WARM_UP = 40  # steps
WEIGHT_DECAY = 0.02
LARGEST_GRADIENT = 1.0
AVERAGED_STEPS = 100  # span of the moving average of the weights
LOG_EVERY = 25  # steps
CHECK_EVERY = 200  # steps
SAVE_EVERY = 120  # seconds
CHECK_SEED = 99
STREAM_SEEDS = 1000  # between the seeds of two streams

# glibc gives big blocks back and clears them again at each step; keeping them is far faster.
MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": 1 << 33,
    "MALLOC_TRIM_THRESHOLD_": 1 << 34,
    "MALLOC_TOP_PAD_": 1 << 28,
}


class Trainer:
    """The network, its optimiser and the moving average of one process."""

    def __init__(self, options, rank):
        self.options, self.rank, self.step = options, rank, 0
        torch.manual_seed(options.seed)
        earlier = torch.load(options.start) if options.start else {"shape": {}}
        self.model = Whisper(**earlier["shape"])
        if options.start:
            self.model.load_state_dict(earlier["weights"])
        self.parameters = list(self.model.parameters())
        matrices = [weight for weight in self.parameters if weight.dim() > 1]
        vectors = [weight for weight in self.parameters if weight.dim() < 2]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": WEIGHT_DECAY},
                {"params": vectors, "weight_decay": 0},
            ],
            lr=options.rate,
            betas=(0.9, 0.98),
        )
        if options.start:
            self.optimiser.load_state_dict(earlier["optimiser"])
        self.average = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.encoder.compile(
            dynamic=False
        )  # a third of the time; the decoder's lengths change too often

    def run(self, batch):
        """The loss of a batch."""
        with torch.autocast("cpu", torch.bfloat16):
            output = self.model(batch, batch["targets"] != IGNORED)
        return loss(output, batch)

    def update(self, batch, rate):
        """One step of the optimiser and of the moving average; the parts of the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate * min(1, (self.step + 1) / WARM_UP)
        total, parts = self.run(batch)
        self.optimiser.zero_grad()
        total.backward()
        self.share_gradients()
        torch.nn.utils.clip_grad_norm_(self.parameters, LARGEST_GRADIENT)
        self.optimiser.step()
        self.step += 1
        keep = min(1 - 1 / AVERAGED_STEPS, self.step / (self.step + 20))
        for name, value in self.model.state_dict().items():
            self.average[name].lerp_(value, 1 - keep)
        return parts

    def share_gradients(self):
        """Give every process the mean of all gradients."""
        gradients = [weight.grad for weight in self.parameters]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        torch.distributed.all_reduce(flat)
        flat /= torch.distributed.get_world_size()
        for gradient, part in zip(
            gradients, flat.split([gradient.numel() for gradient in gradients])
        ):
            gradient.copy_(part.view_as(gradient))

    def save(self):
        """Write the checkpoint, never half of one."""
        path = self.options.out
        torch.save(
            {
                "shape": self.model.shape,
                "weights": self.average,
                "optimiser": self.optimiser.state_dict(),
            },
            path.with_suffix(".tmp"),
        )
        os.replace(path.with_suffix(".tmp"), path)


def progress(options, started):
    """The share of the time that is over, the same in all processes."""
    share = torch.tensor([(time.monotonic() - started) / 60 / options.minutes])
    torch.distributed.broadcast(share, 0)
    return share.item()


def rate_at(options, share):
    """The learning rate along its cosine."""
    return options.final_rate + (options.rate - options.final_rate) * 0.5 * (
        1 + math.cos(math.pi * share)
    )


def mean(parts):
    """Means of the parts of several losses."""
    return {
        name: round(torch.stack([part[name] for part in parts]).nanmean().item(), 3)
        for name in parts[0]
    }


def checks(options):
    """Two fixed batches each of reserved sentences in seen and in unseen voices."""
    for split in ("seen", "unseen"):
        bank = Bank(options.bank, split)
        batches = iter(
            Batches(bank, options.seconds[0], options.batch[0], options.prompts, CHECK_SEED)
        )
        yield split, [next(batches) for _ in range(2)]


def streams(options, rank):
    """Endless batches of each length of window, made by a process each."""
    bank, seed = Bank(options.bank, "train"), options.seed * options.processes + rank
    for number, (seconds, size) in enumerate(zip(options.seconds, options.batch, strict=True)):
        batches = Batches(bank, seconds, size, options.prompts, seed + number * STREAM_SEEDS)
        yield iter(DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=4))


def work(rank, options):
    """Train in one of the processes; the first also logs and saves."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{options.meeting}", rank=rank, world_size=options.processes
    )
    trainer, first = Trainer(options, rank), rank == 0
    batches = itertools.cycle(streams(options, rank))
    fixed = dict(checks(options)) if first else {}
    started = saved = time.monotonic()
    recent = []
    while (share := progress(options, started)) < 1:
        rate = rate_at(options, share)
        recent.append(trainer.update(next(next(batches)), rate))
        if first and trainer.step % LOG_EVERY == 0:
            line = {
                "step": trainer.step,
                "seconds": round(time.monotonic() - started),
                "rate": rate,
                **mean(recent),
            }
            recent = []
            if trainer.step % CHECK_EVERY == 0:
                line |= {
                    name: mean([trainer.run(batch)[1] for batch in fixed[name]]) for name in fixed
                }
            print(json.dumps(line), flush=True)
            with open(options.out.with_suffix(".log"), "a") as log:
                log.write(json.dumps(line) + "\n")
        if first and time.monotonic() - saved > SAVE_EVERY:
            trainer.save()
            saved = time.monotonic()
    if first:
        trainer.save()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bank", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--start", type=Path, help="checkpoint to go on from")
    parser.add_argument(
        "--seconds", type=int, nargs="+", default=[30], help="lengths of windows, taken in turns"
    )
    parser.add_argument(
        "--batch",
        type=int,
        nargs="+",
        default=[4],
        help="windows of each process in a step, for each length",
    )
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=7e-4)
    parser.add_argument("--final-rate", type=float, default=0.0)
    parser.add_argument(
        "--prompts", type=float, default=0.5, help="share of windows with earlier text"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    os.environ.update({name: str(size) for name, size in MALLOC.items()})
    options.meeting = options.out.absolute().with_suffix(".meeting")
    options.meeting.unlink(missing_ok=True)
    torch.multiprocessing.spawn(work, (options,), options.processes)
    options.meeting.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
