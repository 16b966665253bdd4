#!/usr/bin/env python3
"""Measures gst-plugin-scribe on a GPU, writes tables. run.sh calls it; docs/gpu.md says what it measures.

Exit status: 0 all is as it should be, 1 something is not (it is said below the tables), 2 it cannot begin.
"""

import argparse
import datetime
import json
import sys
import wave
from pathlib import Path

from stages import STAGES, Bench


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    # A cell is a line, and has no bar in it.
    cell = lambda text: str(text).replace("|", "/").replace("\n", " ")
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def repeated(source, target, times):
    """A WAV file, so often, and how long it is then."""
    with wave.open(str(source)) as reader, wave.open(str(target), "wb") as writer:
        writer.setparams(reader.getparams())
        frames = reader.readframes(reader.getnframes())
        for _ in range(times):
            writer.writeframes(frames)
        return reader.getnframes() * times / reader.getframerate()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=", ".join(STAGES))
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--model", action="append", default=[], metavar="NAME=FILE", help="from small to large")
    parser.add_argument("--audio", type=Path, required=True, help="a WAV file of speech")
    parser.add_argument("--repeat", type=int, nargs=2, default=(1, 6), help="of it, for the short and the long run")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--properties", default="", help="more properties of the transcriber")
    parser.add_argument("--cycle", type=Path, help="the program that cycle.c makes")
    parser.add_argument("--inside", type=Path, help="the worker that can be asked with --inside")
    parser.add_argument("--fill", nargs="+", help="the command that fills the card")
    return parser.parse_args()


def bench(given):
    models = dict(pair.split("=", 1) for pair in given.model)
    wrong = [stage for stage in given.stages if stage not in STAGES]
    if wrong or not models or not given.audio.is_file():
        sys.exit(f"measure.py: no stage {wrong}" if wrong else "measure.py: needs --model and a file for --audio")
    given.out.mkdir(parents=True, exist_ok=True)
    audio = [given.out / name for name in ("short.wav", "long.wav")]
    lengths = [repeated(given.audio, file, times) for file, times in zip(audio, given.repeat)]
    return Bench(given.device, models, audio[0], lengths[0], audio[1], lengths[1], given.streams, given.cycles,
                 given.cycle, given.inside, given.fill, given.properties)


def main():
    given = arguments()
    try:
        measured = bench(given)
    except SystemExit as problem:
        print(problem, file=sys.stderr)
        return 2
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    text = [f"# {measured.device}: {measured.card().name()}", "", f"{date}. Models: {', '.join(measured.models)}.", ""]
    found = {}
    results = given.out / "results.md"
    for stage in given.stages or STAGES:
        title, head, rows = STAGES[stage](measured)
        found[stage] = {"head": head, "rows": rows}
        text += [f"## {title}", "", table(head, rows), ""]
        # After each stage: what was measured is kept when a later one is cut off.
        results.write_text("\n".join(text))
        print(text[-2], flush=True)
    if measured.failures:
        text += ["## Not as it should be", "", *[f"- {failure}" for failure in measured.failures], ""]
        print("\n".join(text[-len(measured.failures) - 1:]), flush=True)
    results.write_text("\n".join(text))
    (given.out / "results.json").write_text(json.dumps({"stages": found, "failures": measured.failures}, indent=1))
    return 1 if measured.failures else 0


if __name__ == "__main__":
    sys.exit(main())
