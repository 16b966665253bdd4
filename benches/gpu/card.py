"""What the card says of itself, through nvidia-smi."""

import subprocess
import threading

PERIOD = 0.1  # seconds between two looks


class Card:
    """CUDA device `number`; with `None` there is none, and nothing is known."""

    def __init__(self, number):
        self.number = number

    def ask(self, *fields):
        """The answers as text, or `None` where nvidia-smi has none."""
        command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
        if self.number is not None:
            command.append(f"--id={self.number}")
        try:
            output = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        lines = output.stdout.strip().splitlines()
        answers = [answer.strip() for answer in lines[0].split(",")] if lines else []
        return answers if len(answers) == len(fields) else None

    def name(self):
        answers = self.ask("name", "memory.total", "driver_version")
        return "{}, {} MiB, driver {}".format(*answers) if answers else "no card"

    def used(self):
        """MiB that anybody holds."""
        answers = self.ask("memory.used")
        try:
            return int(answers[0])
        except (TypeError, ValueError):
            return None


class Watch:
    """The most that was held between `with` and its end."""

    def __init__(self, card):
        self.card, self.peak, self.done = card, None, threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def look(self):
        while True:
            used = self.card.used()
            if used is not None:
                self.peak = max(used, self.peak or 0)
            if self.done.wait(PERIOD):
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
