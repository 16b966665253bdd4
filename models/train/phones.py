"""The sounds of each word by espeak-ng's dictionary: labels for a helper of the training."""

import functools
import subprocess

from grammar import WORDS, plain


@functools.cache
def phones():
    """Word -> numbers of its phones, and how many phones there are; 0 is none."""
    said = {plain(word): pronounced(word) for word in WORDS}
    names = sorted({phone for sounds in said.values() for phone in sounds})
    return {
        word: [names.index(phone) + 1 for phone in sounds] for word, sounds in said.items()
    }, len(names)


def pronounced(word):
    """The phones of a word without stress marks."""
    command = ["espeak-ng", "-q", "-x", "--sep= ", "-v", "en-us", word]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [phone for phone in (part.strip("',|_-:;") for part in output.split()) if phone]
