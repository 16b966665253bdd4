"""Make the files that the scorer in tests/common/der.rs is checked with, and what pyannote.metrics says of them.

    python3 -m venv VENV && VENV/bin/pip install pyannote.metrics && VENV/bin/python tests/data/der/make.py

Three pairs NAME.ref.rttm and NAME.hyp.rttm, made of models/recordings/conversation.rttm by disturbing it, and
figures.json.  Seeds are fixed.  The figures are stored because pyannote.metrics brings 370 MB (pandas, scipy,
scikit-learn), too much for a test set-up.
"""

import json
import random
from importlib.metadata import version
from pathlib import Path

from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate, JaccardErrorRate

HERE = Path(__file__).resolve().parent
CONVERSATION = HERE.parents[2] / "models" / "recordings" / "conversation.rttm"
COLLARS = [0.0, 0.25]  # each side of a boundary: pyannote's `collar` is twice that


def read(path):
    """Speaker, start and end of each turn, in milliseconds."""
    turns = []
    for line in path.read_text().splitlines():
        fields = line.split()
        start, duration = (round(1000 * float(field)) for field in fields[3:5])
        turns.append((fields[7], start, start + duration))
    return turns


def write(name, turns):
    lines = [
        f"SPEAKER {name.split('.')[0]} 1 {start / 1000:.3f} {(end - start) / 1000:.3f} <NA> <NA> {who} <NA> <NA>\n"
        for who, start, end in sorted(turns, key=lambda turn: turn[1:])
    ]
    (HERE / f"{name}.rttm").write_text("".join(lines))


def jittered(rng, turns, most):
    return [(who, max(0, start + rng.randint(-most, most)), end + rng.randint(-most, most)) for who, start, end in turns]


def pairs(rng):
    """Name, reference, hypothesis."""
    truth = read(CONVERSATION)

    # The right speakers under other names, the boundaries a little off, a turn missed and one made up.
    heard = [({"slt": "B", "awb": "A"}[who], start, end) for who, start, end in jittered(rng, truth, 200)]
    yield "boundaries", truth, heard[:4] + heard[5:] + [("B", 57_900, 58_700)]

    # Four people who talk into each other; the hypothesis knows two.
    people = ["ana", "bob", "eva", "tim"]
    crossed = [(people[i % 4], start, end + rng.randint(0, 2_500)) for i, (_, start, end) in enumerate(truth)]
    yield "overlap", crossed, [(who, start, end) for who, start, end in jittered(rng, truth, 60)]

    # Two people; the hypothesis splits them in pieces under five names, and hears two at a time now and then.
    split = []
    for i, (who, start, end) in enumerate(truth):
        middle = rng.randint(start + 300, end - 300)
        split += [(f"{who}{i % 3}", start, middle), (f"{who}{(i + 1) % 2}", middle, end)]
    split += [("other", start + 500, start + 1_700) for _, start, _ in truth[::4]]
    yield "speakers", truth, split


def annotation(turns):
    made = Annotation()
    for track, (who, start, end) in enumerate(turns):
        made[Segment(start / 1000, end / 1000), track] = who
    return made


def figures(reference, hypothesis):
    whole = Timeline([Segment(0, max(end for _, _, end in reference + hypothesis) / 1000)])
    reference, hypothesis = annotation(reference), annotation(hypothesis)
    for collar in COLLARS:
        for skip_overlap in (False, True):
            options = {"collar": 2 * collar, "skip_overlap": skip_overlap}
            der = DiarizationErrorRate(**options)(reference, hypothesis, uem=whole, detailed=True)
            jer = JaccardErrorRate(**options)(reference, hypothesis, uem=whole)
            yield {
                "collar": collar,
                "overlap_scored": not skip_overlap,
                "total": der["total"],
                "miss": der["missed detection"],
                "false_alarm": der["false alarm"],
                "confusion": der["confusion"],
                "der": der["diarization error rate"],
                "jer": jer,
            }


def lines(value):
    """As JSON; of a list, each element on a line."""
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n" + ",\n".join(f"    {json.dumps(row)}" for row in value) + "\n  ]"


def main():
    found = {"pyannote.metrics": version("pyannote.metrics")}
    for name, reference, hypothesis in pairs(random.Random(2026)):
        write(f"{name}.ref", reference)
        write(f"{name}.hyp", hypothesis)
        found[name] = [
            {key: round(value, 6) if isinstance(value, float) else value for key, value in row.items()}
            for row in figures(reference, hypothesis)
        ]
    entries = [f"  {json.dumps(key)}: {lines(value)}" for key, value in found.items()]
    (HERE / "figures.json").write_text("{\n" + ",\n".join(entries) + "\n}\n")


if __name__ == "__main__":
    main()
