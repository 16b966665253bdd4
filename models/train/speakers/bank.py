"""A bank of clips of many voices on disk, for both speaker models.

    python3 bank.py FOLDER [--packages /]

FOLDER gets clips.i16 (16 kHz, mono, one clip after another) and manifest.json (the voices, and for
each clip the number of its voice, its first sample and its count).  `--packages` is where the
files of Debian's packages lie; below it they may be unpacked side by side, a folder a package.
"""

import argparse
import collections
import json
import multiprocessing
from pathlib import Path

import numpy as np

from voices import Voice, voices

RATE = 16000
# Clips of each voice, at most.  The rule-based voices of espeak-ng are much alike.
COUNTS = {"human": 400, "flite": 150, "festival": 120, "espeak": 40}
FEWEST = 8  # a voice with fewer clips is left out
LEAST = 8.0  # seconds, too


def speak(task):
    """All clips of a voice, in a process of its own."""
    from sources import clips  # only the writer needs the synthesisers

    voice, packages = task
    samples = clips(voice, COUNTS[voice.kind], packages)
    return voice, [(clip * 32767).astype("<i2") for clip in samples]


def write(folder, packages):
    """Write the bank."""
    index, rows, offset = [], [], 0
    with open(folder / "clips.i16", "wb") as file, multiprocessing.Pool() as pool:
        for voice, found in pool.imap(speak, [(voice, packages) for voice in voices()]):
            seconds = sum(map(len, found)) / RATE
            print(f"{voice.name}: {len(found)} clips, {seconds:.0f} s", flush=True)
            if len(found) < FEWEST or seconds < LEAST:
                continue
            for samples in found:
                samples.tofile(file)
                index.append((len(rows), offset, len(samples)))
                offset += len(samples)
            rows.append(voice._asdict() | {"clips": len(found), "seconds": round(seconds, 1)})
    manifest = {"rate": RATE, "voices": rows, "clips": index}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    print(f"{len(rows)} voices, {offset / RATE / 3600:.2f} hours")


class Bank:
    """The clips of one split (`train` or `valid`)."""

    def __init__(self, folder, split):
        manifest = json.loads((Path(folder) / "manifest.json").read_text())
        fields = [{name: row[name] for name in Voice._fields} for row in manifest["voices"]]
        self.samples = np.memmap(Path(folder) / "clips.i16", "<i2", "r")
        self.voices = [Voice(**row) for row in fields if row["split"] == split]
        self.of_voice = collections.defaultdict(list)
        for number, start, count in manifest["clips"]:
            self.of_voice[fields[number]["name"]].append((start, count))

    def clip(self, rng, name):
        """A random clip of a voice, as floats; `rng` is a numpy generator."""
        clips = self.of_voice[name]
        start, count = clips[rng.integers(len(clips))]
        return self.samples[start : start + count].astype(np.float32) / 32768

    def speech(self, rng, name, count):
        """`count` samples of a voice: clips one after another, cut where they begin."""
        pieces, have = [], 0
        while have < count:
            piece = self.clip(rng, name)
            if len(piece) > count - have:
                start = rng.integers(len(piece) - (count - have) + 1)
                piece = piece[start : start + count - have]
            pieces.append(piece)
            have += len(piece)
        return np.concatenate(pieces)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--packages", type=Path, default=Path("/"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    write(options.folder, options.packages)
