"""A small grammar of alternatives: `[a|b|c]` picks one, nests, and `{slot}` is filled in.

Not a template language: no loops, no conditions. Sentences get their capital letter here.
"""

import re
from random import Random

_INNERMOST = re.compile(r"\[([^\[\]]*)\]")
_SENTENCE_START = re.compile(r"(^|[.!?]\s+|[.!?]\"\s+|\"|\n)([a-z])")

_WORD = re.compile(r"[a-z]+")
_STAYS_SMALL = {"mcp"}
_SPEECH = {"said", "asked", "called", "cried"}


def say(rng: Random, text: str, **slots: object) -> str:
    """Expands `text`: every bracket to one of its alternatives, then the slots, then capitals."""
    while True:
        text, count = _INNERMOST.subn(lambda m: rng.choice(m.group(1).split("|")), text)
        if count == 0:
            break
    return capitals(text.format(**slots))


def capitals(text: str) -> str:
    """Starts every sentence with a capital letter, but leaves the name `mcp` as it is written."""

    def raised(match: re.Match) -> str:
        word = _WORD.match(text, match.start(2)).group(0)
        if word in _STAYS_SMALL or ('"' in match.group(1) and match.group(1) != '"' and word in _SPEECH):
            return match.group(0)
        return match.group(1) + match.group(2).upper()

    return _SENTENCE_START.sub(raised, text)


def listed(items: list[str]) -> str:
    """Joins names as English does: `a`, `a and b`, `a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return ", ".join(items[:-1]) + " and " + items[-1]


def a(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" else "a ") + noun
