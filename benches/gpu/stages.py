"""The measurements. Each stage is a function of a `Bench` that returns a title, a head and rows, and notes what failed."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from card import Card, Watch
from pipelines import environment, launch, play, transcription

HERE = Path(__file__).parent
# The labels of the transcriber's checkpoints, in their order.
LABELS = ("Before Transcription", "Before Whisper Cleanup", "After Whisper Cleanup", "After Transcription (post-cleanup)")
# A cleanup that gives back less is no good one (design: over 95 %).
GOOD = "good"


@dataclass
class Bench:
    """What is measured, and with what."""

    device: str
    models: dict  # name: file
    audio: Path  # a WAV file of speech
    seconds: float  # of it
    long_audio: Path  # the same, longer
    long_seconds: float
    streams: list
    cycles: int
    cycle: Path  # the program
    inside: Path  # the program, or None
    fill: list  # the command, or None
    more: str = ""  # properties of the transcriber
    failures: list = field(default_factory=list)

    def card(self):
        return Card(int(self.device.split(":")[1]) if self.device.startswith("cuda:") else None)

    def properties(self, more=""):
        return f"device={self.device} isolation=process language-code=en {self.more} {more}"

    def chain(self, model, audio=None, more=""):
        audio = audio or self.audio
        return lambda log, words: transcription(audio, model, self.properties(more), log, words)

    def expect(self, what, is_so):
        if not is_so:
            self.failures.append(what)

    def ran(self, what, run):
        """The run went well and said something."""
        self.expect(f"{what}: {run.problem()}", not run.problem())
        self.expect(f"{what}: no words", run.words > 0 or run.problem())


def number(value, form="{:.0f}"):
    return "" if value is None else form.format(value)


def checkpoints(bench):
    """Memory at each checkpoint, and the most that nvidia-smi saw."""
    rows = []
    for name, file in bench.models.items():
        before = bench.card().used()
        with Watch(bench.card()) as watch:
            run = launch([bench.chain(file)])
        bench.ran(f"checkpoints of {name}", run)
        at = [number(next(iter(run.at(label)), None)) for label in LABELS]
        freed, verdict = run.cleanup()
        bench.expect(f"checkpoints of {name}: the cleanup is {verdict}", verdict == GOOD or run.problem())
        peak = None if None in (watch.peak, before) else watch.peak - before
        rows.append([name, *at, number(peak), number(freed, "{:.1f}"), verdict or run.problem()])
    return "Memory at each checkpoint, MiB", ["model", *LABELS, "peak by nvidia-smi", "freed %", "verdict"], rows


def look_inside(bench, file):
    """The model in a process that lives on behind it: its estimate, and what it takes and gives back, in bytes."""
    if not bench.inside:
        return None
    command = [str(bench.inside), "--inside", bench.device, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=540, env=environment())
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        bench.failures.append(f"{file}: {' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        return None


def cleanup(bench):
    """What comes back when the model is in a worker that ends, and in a process that does not."""
    rows = []
    for name, file in bench.models.items():
        before = bench.card().used()
        run = launch([bench.chain(file)])
        bench.ran(f"cleanup of {name}", run)
        after = bench.card().used()
        left = None if None in (before, after) else after - before
        freed, _ = run.cleanup()
        found = look_inside(bench, file)
        row = [name, number(freed, "{:.1f}"), number(left)]
        if found:
            took, kept = found["ran"] - found["before"], found["freed"] - found["before"]
            share = 100 * (took - kept) / took if took else None
            row += [number(share, "{:.1f}"), number(kept >> 20), number(took >> 20)]
            row += [number(found["estimate"]["total"] >> 20)]
        rows.append(row + [""] * (7 - len(row)))
    head = ["model", "process: freed %", "process: left, MiB", "none: freed %", "none: left, MiB", "took, MiB", "estimate, MiB"]
    return "What a cleanup gives back", head, rows


def speed(bench):
    """Real-time factor: from two lengths, so that loading does not count."""
    rows = []
    for name, file in bench.models.items():
        short = launch([bench.chain(file)])
        long = launch([bench.chain(file, bench.long_audio)])
        bench.ran(f"speed of {name}", short)
        bench.ran(f"speed of {name}", long)
        factor = (long.seconds - short.seconds) / (bench.long_seconds - bench.seconds)
        rows.append([name, number(short.seconds, "{:.2f}"), number(long.seconds, "{:.2f}"), number(factor, "{:.4f}")])
    head = ["model", f"{bench.seconds:.0f} s take", f"{bench.long_seconds:.0f} s take", "real-time factor"]
    return "Speed", head, rows


def streams(bench):
    """Several chains in one process."""
    rows = []
    for name, file in bench.models.items():
        for count in bench.streams:
            before = bench.card().used()
            with Watch(bench.card()) as watch:
                run = launch([bench.chain(file)] * count)
            bench.ran(f"{count} streams of {name}", run)
            peak = None if None in (watch.peak, before) else watch.peak - before
            heard = count * bench.seconds / run.seconds
            rows.append([name, str(count), number(peak), number(run.seconds, "{:.1f}"), number(heard, "{:.1f}")])
    return "Streams", ["model", "streams", "peak by nvidia-smi, MiB", "seconds", "times real time, load included"], rows


def places(estimate):
    """For each of the five places where memory can run out, a room in bytes in which the one before still fits."""
    weights, kv, compute, overhead = (estimate[key] for key in ("weights", "kv", "compute", "overhead"))
    return [
        ("weights", overhead + weights // 2),
        ("cache", overhead + weights + kv // 2),
        ("work buffers", overhead + weights + kv + compute // 2),
        ("pool and cuBLAS", overhead // 2 + weights + kv + compute),
        ("growth of the cache", overhead + weights + kv + compute + estimate["later"] // 2),
    ]


def fill(bench, leave, name=None):
    command = [*bench.fill, bench.device.split(":")[-1], str(leave >> 20), *([name] if name else [])]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()  # ready
    if not name:
        process.stdout.readline()  # filled
    return process


def empty(process):
    process.communicate()  # the end of its input; and its death


def oom(bench):
    """A first process fills the card: before the ask, which is refused, and behind the check, where the worker dies."""
    rows = []
    name, file = next(reversed(bench.models.items()))
    found = look_inside(bench, file) if bench.fill else None
    if not found:
        reason = "no program that fills the card" if not bench.fill else "no estimate"
        return "Out of memory", ["not measured"], [[reason]]
    for place, leave in places(found["estimate"]):
        for when, worker in (("before the ask", None), ("behind the check", "scribe-worker-cuda")):
            filler = fill(bench, leave, worker)
            # Beam search grows the cache in the first window.
            run = launch([bench.chain(file, more="memory-fraction=100 beam-size=5 restart-limit=1")])
            empty(filler)
            # Killed by a signal is what must not be.
            bench.expect(f"{place}, filled {when}: the media process died ({run.status})", 0 <= run.status < 128)
            said = "; ".join(run.warnings[:1] + run.errors[:1]) or "it ran"
            rows.append([name, place, str(leave >> 20), when, said])
        again = launch([bench.chain(file)])
        bench.ran(f"the run behind {place}", again)
        rows.append([name, place, "all", "not at all", again.problem() or "it ran"])
    head = ["model", "place", "left, MiB", "filled", "the user saw"]
    return "Out of memory", head, rows


def cycles(bench):
    """PAUSED and READY in turn: nothing piles up."""
    rows = []
    name, file = next(iter(bench.models.items()))
    chain = transcription(bench.audio, file, bench.properties(), "/dev/null", "/dev/null")
    before = bench.card().used()
    command = [str(bench.cycle), str(bench.cycles), chain]
    done = subprocess.run(command, capture_output=True, text=True, timeout=590, env=environment())
    after = bench.card().used()
    seen = [tuple(map(int, line.split()[1:])) for line in done.stdout.splitlines() if line.startswith("cycle ")]
    bench.expect(f"cycles: {len(seen)} of {bench.cycles}; {done.stderr.strip()[-300:]}", len(seen) == bench.cycles)
    for at in sorted({1, len(seen) // 2, len(seen)} - {0}):
        rows.append([name, str(at), *map(str, seen[at - 1])])
    if len(seen) > 2:
        (fds, threads, children, _), middle = seen[-1], seen[len(seen) // 2]
        bench.expect(f"cycles: descriptors, threads, children went from {middle[:3]} to {seen[-1][:3]}",
                     (fds, threads, children) <= middle[:3])
    left = None if None in (before, after) else after - before
    rows.append([name, "behind all", "", "", "", f"{number(left)} MiB left on the card" if left is not None else ""])
    return "Cycles", ["model", "cycle", "descriptors", "threads", "children", "resident, KiB"], rows


def resample(bench):
    """The resampler on the card and on the CPU: seconds for an hour, from two lengths."""
    rows = []
    hour, quarter = 180_000, 45_000  # buffers of 20 ms
    for rate in (48_000, 44_100, 96_000):
        taken = {}
        for device in dict.fromkeys(["cpu", bench.device]):
            def line(buffers):
                return (f"audiotestsrc num-buffers={buffers} samplesperbuffer={rate // 50} wave=saw ! "
                        f"audio/x-raw,format=S16LE,rate={rate},channels=2 ! scriberesample device={device} ! fakesink")
            runs = [play(line(buffers)) for buffers in (quarter, hour)]
            for run in runs:
                bench.expect(f"resample {rate} Hz on {device}: {run.problem()}", not run.problem())
            taken[device] = (runs[1].seconds - runs[0].seconds) * hour / (hour - quarter)
        rows.append([str(rate), number(taken["cpu"], "{:.2f}"), number(taken[bench.device], "{:.2f}")])
    return "Resampling an hour of stereo, seconds", ["rate, Hz", "cpu", bench.device], rows


STAGES = {f.__name__: f for f in (checkpoints, cleanup, speed, streams, oom, cycles, resample)}


if __name__ == "__main__":
    sys.exit("run measure.py")
