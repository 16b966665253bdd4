"""The sentences of the demo: short, caption-like, from a closed vocabulary.

Every sentence comes from a weighted template whose slots are filled at random.  One sentence in
`RESERVED_SHARE` is reserved by a checksum of its text: training never sees it, tests and the
bundled recordings use nothing else.
"""

import functools
import random
import re
import zlib

RESERVED_SHARE = 10  # one sentence in ten is kept for tests

DIGITS = "zero one two three four five six seven eight nine"

SLOTS = {
    name: words.split()
    for name, words in {
        "digit": DIGITS,
        "count": "two three four five six seven eight nine ten eleven twelve twenty thirty",
        "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
        "month": "January February March April May June July August September October November "
        "December",
        "color": "red green blue yellow white black orange purple brown gray pink",
        "name": "Anna Peter Maria David Sarah Thomas",
        "ordinal": "first second third fourth fifth sixth seventh eighth ninth tenth",
        "place": "camera speaker channel track screen room gate platform microphone studio line "
        "door",
        "object": "light door button car window box table book",
        "state": "live ready open closed online offline muted recording on off empty broken "
        "working",
        "event": "meeting show lesson concert train game news program",
        "verb": "open close start stop check mute record watch",
        "quality": "cold warm hot nice bad good",
        "unit": "minutes seconds hours days weeks",
        "owner": "my your his her",
        "edge": "starts ends",
        "switch": "on off",
        "answer": "yes no hello goodbye nothing okay",
        "when": "today tomorrow now",
    }.items()
}

# (weight, template).  An earlier and wider grammar, with which the demo model was trained first,
# had the known ones; nothing was reserved then.
KNOWN_TEMPLATES = [
    (6, "{place} {digit} is {state}."),
    (5, "the {event} {edge} at {count}."),
    (4, "the {event} {edge} on {day}."),
    (3, "{name} said {answer}."),
    (3, "speaker {digit} said {answer}."),
    (4, "please {verb} the {object}."),
    (4, "please {verb} {place} {digit}."),
    (3, "today is {day} the {ordinal} of {month}."),
    (3, "tomorrow is {day} the {ordinal} of {month}."),
    (4, "{owner} favorite color is {color}."),
    (5, "the {color} {object} is {state}."),
    (3, "turn the {color} light {switch}."),
    (4, "the weather is {quality} in {month}."),
    (3, "see you on {day} at {count}."),
    (3, "we meet on {day} at {count}."),
    (3, "call me on {day} at {count}."),
    (5, "we will be back in {count} {unit}."),
    (4, "{digit} {digit} {digit}."),
    (2, "{digit} {digit} {digit} {digit} {digit}."),
    (2, "{digit}."),
]
NEW_TEMPLATES = [
    (4, "{place} {digit} is {state} and {place} {digit} is {state}."),
    (3, "the {event} {edge} on {day} at {count}."),
    (3, "the {ordinal} {event} {edge} in {count} {unit}."),
    (3, "{name} and {name} are in room {digit}."),
    (4, "please {verb} the {color} {object} now."),
    (3, "the weather is {quality} and the {object} is {state}."),
    (3, "the number is {digit} {digit} {digit}."),
    (3, "{name} will call {name} on {day}."),
    (3, "the {ordinal} question is for {name}."),
    (3, "this is {name} with the {event} in {month}."),
]
TEMPLATES = KNOWN_TEMPLATES + NEW_TEMPLATES

FIXED_WEIGHT = 14
FIXED = [
    "This is a test.",
    "Can you hear me?",
    "I can hear you.",
    "Good morning everyone.",
    "Good evening and welcome to the show.",
    "Thank you very much.",
    "How are you today?",
    "We are live now.",
    "Hello world.",
    "Welcome back.",
    "See you tomorrow.",
    "Goodbye everyone.",
    "Please wait a moment.",
    "The sound is good.",
    "The picture is black.",
    "There is no signal.",
    "Yes.",
    "No.",
    "Okay.",
    "Hello.",
    "Goodbye.",
    "I do not know.",
    "What time is it?",
    "Where are you?",
    "Who is the next speaker?",
    "Please speak now.",
    "The captions are working.",
    "Quiet please.",
    "Is this thing on?",
    "Let us start again.",
    "That was the last question.",
    "Do you have a question?",
]

# Words in no order: without them the network learns the grammar and stops listening.
SALAD_WEIGHT = 7
SALAD_LENGTHS = range(2, 6)

SLOT = re.compile(r"\{(\w+)\}")


def plain(word):
    """A word as it is counted: lower case, no punctuation."""
    return word.strip(".?").lower()


def vocabulary():
    """Every word of the grammar, once, with the capital of names."""
    words = {word for choices in SLOTS.values() for word in choices}
    capitals = {plain(word) for word in words if word[0].isupper()} | {"i"}
    for sentence in [SLOT.sub("", template) for _, template in TEMPLATES] + FIXED:
        for word in map(plain, sentence.split()):
            if word and word not in capitals:
                words.add(word)
    return sorted(words | {"I"})


WORDS = vocabulary()
WEIGHTS = [weight for weight, _ in TEMPLATES] + [FIXED_WEIGHT, SALAD_WEIGHT]
KINDS = [template for _, template in TEMPLATES] + ["fixed", "salad"]


def any_sentence(rng):
    """One sentence, reserved or not."""
    kind = rng.choices(KINDS, WEIGHTS)[0]
    if kind == "fixed":
        return rng.choice(FIXED)
    if kind == "salad":
        text = " ".join(rng.choice(WORDS) for _ in range(rng.choice(SALAD_LENGTHS))) + "."
    else:
        text = SLOT.sub(lambda slot: rng.choice(SLOTS[slot[1]]), kind)
    return text[0].upper() + text[1:]


def is_reserved(sentence):
    """Whether a sentence is kept for tests.  Fixed ones and lone digits never are."""
    if sentence in FIXED or len(sentence.split()) < 3:
        return False
    return zlib.crc32(sentence.encode()) % RESERVED_SHARE == 0


def training_sentence(rng):
    """A sentence that training may use."""
    while True:
        sentence = any_sentence(rng)
        if not is_reserved(sentence):
            return sentence


def reserved_sentence(rng):
    """A sentence that training never saw, salad left out."""
    while True:
        sentence = any_sentence(rng)
        if is_reserved(sentence) and template_of(sentence):
            return sentence


def template_of(sentence):
    """The template that makes the sentence, or None for salad and fixed sentences."""
    return next(
        (template for _, template in TEMPLATES if pattern_of(template).fullmatch(sentence)), None
    )


def is_new(sentence):
    """Whether it is the sentence of a new template."""
    return template_of(sentence) in [template for _, template in NEW_TEMPLATES]


@functools.cache
def pattern_of(template):
    """The regular expression of everything that a template can say."""
    parts = SLOT.split(template)
    literal = [re.escape(part) for part in parts[0::2]]
    slots = ["(?:" + "|".join(SLOTS[name]) + ")" for name in parts[1::2]] + [""]
    return re.compile("".join(map("".join, zip(literal, slots))), re.IGNORECASE)


if __name__ == "__main__":
    generator = random.Random(0)
    print(len(WORDS), "words:", *WORDS)
    for _ in range(20):
        print(reserved_sentence(generator))
