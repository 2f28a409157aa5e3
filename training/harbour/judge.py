"""Judges text against the world: are its words the world's, is each sentence built as the world's are, is what it claims true?

Independent of the model: it knows the facts and a sample of the generator's text, nothing else.
"""

import re
from random import Random

from . import chats
from .world import ANIMALS, BY_QUAY, BY_SHIP, PEOPLE, PRONOUN, QUAYS, SHIPS

_WORD = re.compile(r"[A-Za-z]+|\d+|[.,:?!\"]")
_SENTENCE = re.compile(r"[^.!?]*[.!?]\"?")
_SHIP = "(?P<ship>" + "|".join(BY_SHIP) + ")"
_QUAY = "(?P<quay>" + "|".join(BY_QUAY) + ")"
_NAME = "(?P<name>" + "|".join(sorted(PRONOUN)) + ")"
_VALUE = r"(?P<value>[\w]+)"

# A claim in words, the thing it is about, and the field that must hold the claimed value.
_CLAIMS = [
    (re.compile(pattern, re.IGNORECASE), field)
    for pattern, field in (
        (rf"captain of the {_SHIP} is {_NAME}", "captain"),
        (rf"{_NAME} is the captain of the {_SHIP}", "captain"),
        (rf"{_NAME} sails the {_SHIP}", "captain"),
        (rf"captain {_NAME} made the {_SHIP} ready", "captain"),
        (rf"{_NAME} looked out from the {_SHIP}", "captain"),
        (rf"the {_SHIP} carries {_VALUE}", "cargo"),
        (rf"home of the {_SHIP} is {_QUAY}", "quay"),
        (rf"the {_SHIP} came home to {_QUAY}", "quay"),
        (rf"the {_SHIP} lay at {_QUAY}", "quay"),
        (rf"the {_SHIP} has {_VALUE} sailors", "crew"),
        (rf"the {_VALUE} sailors of the {_SHIP}", "crew"),
        (rf"sails of the {_SHIP} are {_VALUE}", "sails"),
        (rf"the {_SHIP} is an? {_VALUE}", "kind"),
        (rf"keeper of {_QUAY} is {_NAME}", "keeper"),
        (rf"{_NAME} is the keeper of {_QUAY}", "keeper"),
        (rf"{_NAME} keeps {_QUAY}", "keeper"),
        (rf"at {_QUAY}, where {_NAME} keeps", "keeper"),
        (rf"lamp of {_QUAY} is {_VALUE}", "lamp"),
        (rf"the {_VALUE} lamp of {_QUAY}", "lamp"),
        (rf"the {_VALUE} lamp burns at {_QUAY}", "lamp"),
        (rf"{_QUAY} has {_VALUE} berths", "berths"),
        (rf"market at {_QUAY} sells {_VALUE}", "market"),
        (rf"buy {_VALUE} at {_QUAY}", "market"),
        (rf"{_QUAY} often has {_VALUE}", "weather"),
    )
]
_SUM = re.compile(r"(\d+) ([+-]) (\d+) is (\d+)")
_TRADE = re.compile(rf"{_NAME} (?:is )?the (?P<trade>" + "|".join(p.trade for p in PEOPLE) + ")")

_CLASS = {s.name.lower(): "<ship>" for s in SHIPS} | {n.lower(): "<name>" for n in PRONOUN}
_CLASS |= {s.cargo: "<cargo>" for s in SHIPS} | {q.name.split()[0].lower(): "<quay>" for q in QUAYS}
_CLASS |= {x.name.lower(): "<animal>" for x in ANIMALS}


def false_claims(text: str) -> list[str]:
    """Every claim in `text` that the world denies, word for word."""
    wrong = []
    for pattern, field in _CLAIMS:
        for m in pattern.finditer(text):
            found = m.groupdict()
            thing = BY_SHIP[found["ship"].title()] if "ship" in found else BY_QUAY[found["quay"].title()]
            claimed = found.get("name") or found.get("value") or found.get("quay")
            if "ship" in found and "quay" in found:
                claimed = found["quay"]
            if str(getattr(thing, field)).lower() != claimed.lower():
                wrong.append(m.group(0))
    for m in _SUM.finditer(text):
        x, y, total = int(m[1]), int(m[3]), int(m[4])
        if (x + y if m[2] == "+" else x - y) != total:
            wrong.append(m.group(0))
    trades = {p.name: p.trade for p in PEOPLE}
    wrong += [m.group(0) for m in _TRADE.finditer(text) if trades.get(m["name"].title()) != m["trade"]]
    return wrong


def _shape(sentence: str) -> list[str]:
    words = [w.lower() for w in _WORD.findall(sentence)]
    return ["<start>"] + ["<n>" if w.isdigit() else _CLASS.get(w, w) for w in words] + ["<end>"]


def _triples(sentence: str) -> set[tuple[str, ...]]:
    shape = _shape(sentence)
    return set(zip(shape, shape[1:], shape[2:]))


class Judge:
    """Holds every triple of words (names, goods and numbers made alike) in a sample of the generator's text."""

    def __init__(self, seed: int = 1, documents: int = 30_000):
        rng = Random(seed)
        self._known: set[tuple[str, ...]] = set()
        for i in range(documents):
            turns = [chats.plain(rng)] if i % 4 == 0 else [t for role, t in chats.chat(rng) if role == "assistant"]
            for text in turns:
                for sentence in sentences(text):
                    self._known |= _triples(sentence)

    def well_formed(self, sentence: str) -> bool:
        """Starts and ends as a sentence does, and every three neighbouring words could follow each other."""
        return sentence.count('"') % 2 == 0 and _triples(sentence) <= self._known


def sentences(text: str) -> list[str]:
    """Splits at full stops; a quotation that holds a stop stays joined to what follows only by its quote."""
    found = [s.strip() for s in _SENTENCE.findall(text)]
    joined: list[str] = []
    for s in found:
        if joined and joined[-1].count('"') % 2 == 1:
            joined[-1] += " " + s
        else:
            joined.append(s)
    rest = _SENTENCE.sub("", text).strip()
    return joined + ([rest] if rest else [])
