"""Runs pipelines with gst-launch-1.0 and reads what they say."""

import json
import os
import re
import shlex
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

SAID = re.compile(r"^(ERROR|WARNING): from element \S+: (.*)$")


@dataclass
class Run:
    """What a pipeline did."""

    status: int
    seconds: float
    errors: list = field(default_factory=list)
    warnings: list = field(default_factory=list)
    checkpoints: list = field(default_factory=list)
    words: int = 0

    def at(self, label):
        """The checkpoints of this label, in MiB."""
        return [point["allocated"] >> 20 for point in self.checkpoints if point["label"] == label]

    def cleanup(self, label="After Whisper Cleanup"):
        """Per cent given back and the verdict of the last cleanup of this label."""
        for point in reversed(self.checkpoints):
            if point["label"] == label and "verdict" in point:
                return point["freed_percent"], point["verdict"]
        return None, None

    def problem(self):
        """The first error, or what else there is to say. Empty where all went well."""
        if self.errors:
            return self.errors[0]
        return "" if self.status == 0 else f"gst-launch-1.0 ended with {self.status}"


def said(text):
    """The ERRORs and the WARNINGs in what gst-launch-1.0 wrote."""
    found = {"ERROR": [], "WARNING": []}
    for line in text.splitlines():
        match = SAID.match(line)
        if match:
            found[match[1]].append(match[2])
    return found["ERROR"], found["WARNING"]


def checkpoints(log):
    """The lines of a memory-log."""
    try:
        lines = Path(log).read_text().splitlines()
    except OSError:
        return []
    return [json.loads(line) for line in lines if line.strip()]


def transcription(audio, model, properties, log, words):
    """One chain: a WAV file to words in a file."""
    return (
        f"filesrc location={shlex.quote(str(audio))} ! wavparse ! scriberesample ! "
        f"scribetranscriber model-path={shlex.quote(str(model))} {properties} memory-log={shlex.quote(str(log))} ! "
        f"filesink location={shlex.quote(str(words))}"
    )


def launch(chains, timeout=540):
    """Runs these chains in one process. Each is a function of the files for its log and its words."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "memory.jsonl"
        texts = [Path(folder) / f"words-{n}.txt" for n in range(len(chains))]
        line = " ".join(chain(log, text) for chain, text in zip(chains, texts))
        run = play(line, timeout)
        run.checkpoints = checkpoints(log)
        run.words = sum(text.stat().st_size for text in texts if text.exists())
        return run


def environment():
    """Of GStreamer's programs: in the language that is read here, and with the libraries that came along."""
    found = {**os.environ, "LC_ALL": "C", "LANGUAGE": "C"}
    if "SCRIBE_LIBRARIES" in found:
        before = found.get("LD_LIBRARY_PATH")
        found["LD_LIBRARY_PATH"] = ":".join(filter(None, [found["SCRIBE_LIBRARIES"], before]))
    return found


def play(line, timeout=540):
    """Runs a pipeline description to its end."""
    begin = time.monotonic()
    command = ["gst-launch-1.0", "-q", *shlex.split(line)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment())
        status, text = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        status, text = 124, f"ERROR: from element none: not done within {timeout} s"
    errors, warnings = said(text)
    return Run(status, time.monotonic() - begin, errors, warnings)
