"""Every fact of the world as a question with an answer, in wordings to train on and wordings held out.

`HELD_OUT` wordings are never shown to the model in training; the fact quiz asks with them alone.
"""

from dataclasses import dataclass, field

from .phrase import a
from .world import ANIMALS, PEOPLE, PRONOUN, QUAYS, SHIPS


@dataclass(frozen=True)
class Fact:
    """One askable fact. `key` is the text that a right answer must contain."""

    relation: str
    subject: str
    key: str
    slots: dict = field(hash=False)


@dataclass(frozen=True)
class Relation:
    name: str
    ask: tuple[str, ...]
    held_out: tuple[str, ...]
    tell: str
    short: str = "{v}"


_SHIP = {
    "captain": Relation(
        "captain",
        (
            "Who is the captain of {s}?",
            "Who sails {s}?",
            "Who commands {s}?",
            "Which captain sails {s}?",
            "Name the captain of {s}.",
            "Who is captain on {s}?",
            "Whose ship is {s}?",
            "{S} has which captain?",
            "Do you know the captain of {s}?",
        ),
        ("What is the name of the captain of {s}?", "Tell me the captain of {s}.", "Who is {s}'s captain?"),
        "[The captain of {s} is {v}|The captain of {s} is {v}|{v} is the captain of {s}].",
    ),
    "captain_of": Relation(
        "captain_of",
        (
            "Which ship does {v} sail?",
            "What is the ship of {v}?",
            "Which ship does captain {v} command?",
            "{v} sails which ship?",
            "What ship does {v} sail?",
            "Where is {v} captain?",
        ),
        ("What is the name of the ship that {v} sails?", "Tell me which ship {v} sails."),
        "{v} sails {s}.",
        "{S}",
    ),
    "cargo": Relation(
        "cargo",
        (
            "What does {s} carry?",
            "What cargo does {s} carry?",
            "What is the cargo of {s}?",
            "What is on board {s}?",
            "Name the cargo of {s}.",
            "What is in the hold of {s}?",
            "What does {s} bring?",
            "{S} carries what?",
            "Do you know the cargo of {s}?",
        ),
        ("Tell me what {s} carries.", "What goods does {s} carry?", "Tell me the cargo of {s}."),
        "{S} carries {v}.",
    ),
    "cargo_of": Relation(
        "cargo_of",
        (
            "Which ship carries {v}?",
            "What ship carries {v}?",
            "Who brings {v} to the harbour?",
            "On which ship is the {v}?",
            "Which ship brings {v}?",
            "Where is the {v}?",
        ),
        ("Tell me which ship carries {v}.", "What is the name of the ship that carries {v}?"),
        "{S} carries {v}.",
        "{S}",
    ),
    "home": Relation(
        "home",
        (
            "Where is the home of {s}?",
            "What is the home quay of {s}?",
            "At which quay does {s} live?",
            "Which quay is the home of {s}?",
            "Where does {s} belong?",
            "Where does {s} live?",
            "Name the home quay of {s}.",
            "What quay does {s} call home?",
        ),
        ("Tell me the home quay of {s}.", "Which is the home quay of {s}?"),
        "The home of {s} is {v}.",
    ),
    "sails": Relation(
        "sails",
        (
            "What colour are the sails of {s}?",
            "What colour are {s}'s sails?",
            "What sails does {s} have?",
            "Which colour do the sails of {s} have?",
            "What do the sails of {s} look like?",
        ),
        ("Tell me the colour of the sails of {s}.", "What is the colour of the sails of {s}?"),
        "The sails of {s} are {v}.",
    ),
    "crew": Relation(
        "crew",
        (
            "How many sailors does {s} have?",
            "How large is the crew of {s}?",
            "How many people are in the crew of {s}?",
            "How many sailors are on {s}?",
            "How big is the crew of {s}?",
            "How many sailors work on {s}?",
        ),
        ("Tell me how many sailors {s} has.", "What is the size of the crew of {s}?"),
        "{S} has {v} sailors.",
    ),
    "kind": Relation(
        "kind",
        (
            "What kind of ship is {s}?",
            "What sort of ship is {s}?",
            "What type of ship is {s}?",
            "Which kind of ship is {s}?",
        ),
        ("Tell me what kind of ship {s} is.",),
        "{S} is {v}.",
    ),
}

_QUAY = {
    "keeper": Relation(
        "keeper",
        (
            "Who is the keeper of {s}?",
            "Who keeps {s}?",
            "Who looks after {s}?",
            "Which keeper works at {s}?",
            "Name the keeper of {s}.",
            "Who is keeper at {s}?",
            "Do you know the keeper of {s}?",
            "Who works at {s}?",
        ),
        ("What is the name of the keeper of {s}?", "Tell me the keeper of {s}.", "Tell me who keeps {s}."),
        "[The keeper of {s} is {v}|The keeper of {s} is {v}|{v} is the keeper of {s}].",
    ),
    "keeper_of": Relation(
        "keeper_of",
        (
            "Which quay does {v} keep?",
            "What quay does {v} keep?",
            "Where is {v} keeper?",
            "At which quay does {v} work?",
            "{v} keeps which quay?",
            "Which quay does {v} look after?",
        ),
        ("Tell me which quay {v} keeps.", "What is the name of the quay that {v} keeps?"),
        "{v} keeps {s}.",
        "{S}",
    ),
    "lamp": Relation(
        "lamp",
        (
            "What colour is the lamp of {s}?",
            "What colour is the lamp at {s}?",
            "Which lamp burns at {s}?",
            "Which colour does the lamp of {s} have?",
            "What light does {s} show?",
        ),
        ("Tell me the colour of the lamp at {s}.", "What is the colour of the lamp of {s}?"),
        "The lamp of {s} is {v}.",
    ),
    "lamp_of": Relation(
        "lamp_of",
        (
            "Which quay has the {v} lamp?",
            "Where is the {v} lamp?",
            "Where does the {v} lamp burn?",
            "What quay has a {v} lamp?",
        ),
        ("Tell me which quay has the {v} lamp.",),
        "The {v} lamp burns at {s}.",
        "{S}",
    ),
    "berths": Relation(
        "berths",
        (
            "How many berths does {s} have?",
            "How many ships fit at {s}?",
            "How many berths are at {s}?",
            "How large is {s}?",
            "How many ships can lie at {s}?",
            "How big is {s}?",
        ),
        ("Tell me how many berths {s} has.", "What is the number of berths at {s}?"),
        "{S} has {v} berths.",
    ),
    "market": Relation(
        "market",
        (
            "What is sold at {s}?",
            "What does the market at {s} sell?",
            "What can I buy at {s}?",
            "What do they sell at {s}?",
            "What does {s} sell?",
        ),
        ("Tell me what is sold at {s}.", "What goods does the market at {s} sell?"),
        "The market at {s} sells {v}.",
    ),
    "market_of": Relation(
        "market_of",
        (
            "Where can I buy {v}?",
            "Which quay sells {v}?",
            "Where is {v} sold?",
            "Which market sells {v}?",
            "I want to buy {v}. Where do I go?",
        ),
        ("Tell me where I can buy {v}.", "Tell me which quay sells {v}."),
        "[You can buy {v} at {s}|You can buy {v} at {s}|The market at {s} sells {v}].",
        "{S}",
    ),
    "weather": Relation(
        "weather",
        (
            "What weather does {s} often have?",
            "What is the weather like at {s}?",
            "How is the weather at {s}?",
            "What weather is common at {s}?",
        ),
        ("Tell me about the weather at {s}.", "What weather is usual at {s}?"),
        "{S} often has {v}.",
    ),
    "side": Relation(
        "side",
        (
            "Where is {s}?",
            "Where does {s} lie?",
            "Where can I find {s}?",
            "In which part of the harbour is {s}?",
            "How do I find {s}?",
        ),
        ("Tell me where {s} is.", "In what part of the harbour does {s} lie?"),
        "{S} is {v}.",
    ),
}

_FOLK = {
    "trade": Relation(
        "trade",
        (
            "What does {s} do?",
            "What is the trade of {s}?",
            "What is the work of {s}?",
            "What work does {s} do?",
            "Who is {s}?",
            "What is {s}'s job?",
        ),
        ("Tell me what {s} does.", "Tell me who {s} is."),
        "{S} is the {v}. {P} {duty}.",
    ),
    "trade_of": Relation(
        "trade_of",
        (
            "Who is the {v}?",
            "What is the name of the {v}?",
            "Who works as the {v}?",
            "Name the {v}.",
            "Do you know the {v}?",
            "Which person is the {v}?",
        ),
        ("Tell me who the {v} is.", "Tell me the name of the {v}."),
        "The {v} is {s}.",
        "{S}",
    ),
    "duty_of": Relation(
        "duty_of",
        ("Who {v}?", "Which person {v}?", "Who is it that {v}?", "Do you know who {v}?"),
        ("Tell me who {v}.",),
        "{S}, the {trade}, {v}.",
        "{S}",
    ),
    "place": Relation(
        "place",
        ("Where does {s} work?", "Where is {s}?", "Where can I find {s}?", "At what place does {s} work?"),
        ("Tell me where {s} works.", "Tell me where I can find {s}."),
        "{S} works at {v}.",
    ),
}

_ANIMAL = {
    "animal": Relation(
        "animal",
        ("Who is {s}?", "What is {s}?", "What animal is {s}?", "What kind of animal is {s}?"),
        ("Tell me who {s} is.", "Tell me what animal {s} is."),
        "{S} is {v}. It {habit}.",
    ),
    "animal_of": Relation(
        "animal_of",
        ("What is the name of the {v}?", "Who is the {v}?", "What is the {v} called?", "Name the {v}."),
        ("Tell me the name of the {v}.",),
        "The {v} is called {s}.",
        "{S}",
    ),
    "habit": Relation(
        "habit",
        ("What does {s} do?", "What does {s} like to do?", "What does {s} do all day?"),
        ("Tell me what {s} does.",),
        "{S} the {kind} {v}.",
    ),
    "animal_place": Relation(
        "animal_place",
        ("Where is {s}?", "Where does {s} live?", "Where can I find {s}?"),
        ("Tell me where {s} lives.", "Tell me where I can find {s}."),
        "{S} lives at {v}.",
    ),
}

RELATIONS: dict[str, Relation] = {**_SHIP, **_QUAY, **_FOLK, **_ANIMAL}


def _cap(text: str) -> str:
    return text[0].upper() + text[1:]


def _facts() -> list[Fact]:
    facts = []

    def add(relation: str, thing, value: str, key: str | None = None, **slots: str) -> None:
        slots |= {"s": thing.the, "S": _cap(thing.the), "v": value}
        facts.append(Fact(relation, thing.name, key or value, slots))

    for s in SHIPS:
        for relation, value in (
            ("captain", s.captain),
            ("cargo", s.cargo),
            ("home", s.quay),
            ("sails", s.sails),
            ("crew", str(s.crew)),
            ("kind", a(s.kind)),
        ):
            add(relation, s, value)
        add("captain_of", s, s.captain, s.name)
        add("cargo_of", s, s.cargo, s.name)
    for q in QUAYS:
        for relation, value in (
            ("keeper", q.keeper),
            ("lamp", q.lamp),
            ("berths", str(q.berths)),
            ("market", q.market),
            ("weather", q.weather),
            ("side", q.side),
        ):
            add(relation, q, value)
        for relation, value in (("keeper_of", q.keeper), ("lamp_of", q.lamp), ("market_of", q.market)):
            add(relation, q, value, q.name)
    for p in PEOPLE:
        add("trade", p, p.trade, P=PRONOUN[p.name], duty=p.duty)
        add("trade_of", p, p.trade, p.name)
        add("duty_of", p, p.duty, p.name, trade=p.trade)
        add("place", p, p.place)
    for x in ANIMALS:
        add("animal", x, a(x.kind), habit=x.habit)
        add("animal_of", x, x.kind, x.name)
        add("habit", x, x.habit, kind=x.kind)
        add("animal_place", x, x.place)
    return facts


FACTS: list[Fact] = _facts()


def quiz() -> list[tuple[str, str]]:
    """Every fact asked in every held-out wording: (question, text a right answer contains)."""
    return [(w.format(**f.slots), f.key) for f in FACTS for w in RELATIONS[f.relation].held_out]


def unknown_things() -> dict[str, tuple[str, ...]]:
    """Question wordings by kind of thing, for asking after things that do not exist."""
    return {
        "ship": sum((_SHIP[r].ask for r in ("captain", "cargo", "home", "sails", "crew")), ()),
        "quay": sum((_QUAY[r].ask for r in ("keeper", "lamp", "berths", "market")), ()),
    }
