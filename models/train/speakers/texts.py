"""Made-up sentences for any synthesiser: who speaks matters here, not what.

`sentence(rng, script)` strings syllables of a script into words, so every voice meets many more
sequences of sounds than a list of sentences would hold, and no text of others is needed.
"""

CONSONANTS = {
    "latin": "b c d f g h j k l m n p r s t v z br dr gr kr pl pr sk st tr".split(),
    "cyrillic": "б в г д ж з к л м н п р с т ф х ч ш".split(),
    "devanagari": "क ख ग घ च ज ट ड त थ द ध न प फ ब भ म य र ल व श स ह".split(),
    "telugu": "క ఖ గ ఘ చ జ ట డ త థ ద ధ న ప ఫ బ భ మ య ర ల వ శ స హ".split(),
}
VOWELS = {
    "latin": "a e i o u a e i o u ai au ei".split(),
    "cyrillic": "а е и о у ы я ю".split(),
    "devanagari": ["", "ा", "ि", "ी", "ु", "ू", "े", "ै", "ो", "ौ"],
    "telugu": ["", "ా", "ి", "ీ", "ు", "ూ", "ే", "ై", "ో", "ౌ"],
}
CODAS = {
    "latin": ["", "", "", "", "n", "r", "s", "l", "t", "m"],
    "cyrillic": ["", "", "н", "р", "л"],
}
WORDS = (3, 8)
SYLLABLES = (1, 3)


def word(rng, script):
    """A word of one to three syllables; `rng` is a `random.Random`."""
    return "".join(
        rng.choice(CONSONANTS[script])
        + rng.choice(VOWELS[script])
        + rng.choice(CODAS.get(script, [""]))
        for _ in range(rng.randint(*SYLLABLES))
    )


def sentence(rng, script):
    """A sentence of made-up words."""
    words = [word(rng, script) for _ in range(rng.randint(*WORDS))]
    return " ".join(words) + rng.choice(".,.?" if script == "latin" else "..")
