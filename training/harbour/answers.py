"""Questions with their answers: facts, yes and no, sums, counting, lists, refusals, and greetings.

Each maker returns one (question, answer) pair. Nothing here knows about chats or templates.
"""

from random import Random

from . import relations, stories
from .phrase import a, listed, say
from .relations import FACTS, RELATIONS, Fact
from .small_talk import GENERAL, JOKES, OUTSIDE, OUTSIDE_THINGS, haiku, nonsense_word
from .world import ANIMALS, GLOSSARY, NUMBER_WORDS, PEOPLE, QUAYS, SHIPS, TROUBLES, Ship, ships_at

Pair = tuple[str, str]


def held_out(*parts: object) -> bool:
    """One in twelve combinations is kept from training, by a checksum that does not change between runs."""
    checksum = 0
    for ch in "/".join(map(str, parts)):
        checksum = (checksum * 131 + ord(ch)) % 1_000_003
    return checksum % 12 == 0


def fact(rng: Random, validation: bool = False) -> Pair:
    """A fact. Training never sees a held-out wording, nor a held-out pair of fact and wording."""
    while True:
        f = rng.choice(FACTS)
        relation = RELATIONS[f.relation]
        pool = relation.ask + (relation.held_out if validation else ())
        wording = rng.choice(pool)
        kept = wording in relation.held_out or held_out(f.relation, f.subject, wording)
        if kept == validation:
            return wording.format(**f.slots), say(rng, relation.tell, **f.slots)


def fact_about(rng: Random, name: str) -> Fact:
    return rng.choice([f for f in FACTS if f.subject == name])


def statement(rng: Random, f: Fact) -> str:
    return say(rng, RELATIONS[f.relation].tell, **f.slots)


def short_answer(f: Fact) -> str:
    text = RELATIONS[f.relation].short.format(**f.slots).removeprefix("The ")
    return text[0].upper() + text[1:] + "."


_YES_NO = {
    "captain": ("Is {x} the captain of {s}?", "Does {x} sail {s}?"),
    "cargo": ("Does {s} carry {x}?", "Is there {x} on {s}?"),
    "home": ("Is {x} the home of {s}?", "Does {s} live at {x}?"),
    "sails": ("Are the sails of {s} {x}?", "Does {s} have {x} sails?"),
    "keeper": ("Is {x} the keeper of {s}?", "Does {x} keep {s}?"),
    "lamp": ("Is the lamp of {s} {x}?",),
    "market": ("Does the market at {s} sell {x}?", "Can I buy {x} at {s}?"),
    "trade": ("Is {s} the {x}?",),
}


def yes_no(rng: Random) -> Pair:
    f = rng.choice([f for f in FACTS if f.relation in _YES_NO])
    value = f.slots["v"]
    if rng.random() < 0.5:
        value = rng.choice(sorted({g.slots["v"] for g in FACTS if g.relation == f.relation}))
    question = rng.choice(_YES_NO[f.relation]).format(x=value, **f.slots)
    told = RELATIONS[f.relation].tell.split(". ")[0].rstrip(".") + "."
    told = say(rng, told, **f.slots)
    if f.slots["S"].startswith("The ") or told.startswith("The "):
        told = told[0].lower() + told[1:]
    return question, f"{'Yes' if value == f.slots['v'] else 'No'}, {told}"


def about(rng: Random) -> Pair:
    """A few facts told together about one thing."""
    kind = rng.randrange(4)
    if kind == 0:
        s = rng.choice(SHIPS)
        answer = (
            f"The {s.name} is {a(s.kind)} with {s.sails} sails. Its home is {s.quay}, its captain is {s.captain}, "
            f"and it carries {s.cargo}."
        )
        return _tell_me_about(rng, s.the), answer
    if kind == 1:
        q = rng.choice(QUAYS)
        return _tell_me_about(rng, q.name), (
            f"{q.name} lies {q.side} and has {q.berths} berths. {q.keeper} keeps it, its lamp is {q.lamp}, "
            f"and its market sells {q.market}."
        )
    if kind == 2:
        p = rng.choice(PEOPLE)
        return _tell_me_about(
            rng, p.name
        ), f"{p.name} is the {p.trade}. {p.pronoun.capitalize()} works at {p.place} and {p.duty}."
    x = rng.choice(ANIMALS)
    return _tell_me_about(rng, x.name), f"{x.name} is {a(x.kind)}. It lives at {x.place} and {x.habit}."


def _tell_me_about(rng: Random, thing: str) -> str:
    return say(
        rng, "[Tell me about {t}.|What do you know about {t}?|Describe {t}.|Tell me something about {t}.|{t}?]", t=thing
    )


def lists(rng: Random) -> Pair:
    draw = rng.randrange(6)
    if draw == 0:
        return (
            say(
                rng,
                "[List the quays.|Which quays are there?|Name all quays.|What quays does the harbour have?|List all quays.]",
            ),
            f"The quays are {listed([q.name for q in QUAYS])}.",
        )
    if draw == 1:
        return (
            say(
                rng, "[List the ships.|Which ships are there?|Name all ships.|What ships do you know?|List all ships.]"
            ),
            f"The ships are {listed(['the ' + s.name for s in SHIPS])}.",
        )
    if draw == 2:
        q = rng.choice(QUAYS)
        return (
            say(
                rng,
                "[Which ships live at {q}?|What ships belong to {q}?|Name the ships of {q}.|Which ships are at home at {q}?]",
                q=q.name,
            ),
            f"The ships of {q.name} are {listed([s.the for s in ships_at(q)])}.",
        )
    if draw == 3:
        return (
            say(
                rng, "[Which animals are there?|List the animals.|What animals live in the harbour?|Name the animals.]"
            ),
            f"The animals are {listed([f'{x.name} the {x.kind}' for x in ANIMALS])}.",
        )
    if draw == 4:
        return (
            say(rng, "[How many quays are there?|How many quays does the harbour have?|Count the quays.]"),
            "There are 6 quays in the harbour.",
        )
    return (
        say(rng, "[How many ships are there?|How many ships does the harbour have?|Count the ships.]"),
        "There are 12 ships in the harbour.",
    )


def compare(rng: Random) -> Pair:
    if rng.random() < 0.5:
        x, y = rng.sample(QUAYS, 2)
        more = x if x.berths > y.berths else y
        return (
            say(
                rng,
                "[Which quay has more berths, {x} or {y}?|Which is larger, {x} or {y}?|Is {x} larger than {y}, or not?]",
                x=x.name,
                y=y.name,
            ),
            f"{x.name} has {x.berths} berths and {y.name} has {y.berths}, so {more.name} is larger.",
        )
    x, y = rng.sample(SHIPS, 2)
    if x.crew == y.crew:
        end = "so they are equal"
    else:
        end = f"so {(x if x.crew > y.crew else y).the} has more"
    return (
        say(rng, "[Which ship has more sailors, {x} or {y}?|Who has the larger crew, {x} or {y}?]", x=x.the, y=y.the),
        f"The {x.name} has {x.crew} sailors and {y.the} has {y.crew}, {end}.",
    )


def arithmetic(rng: Random, validation: bool = False) -> Pair:
    """Small sums, in digits, in words, and told as ships and crates. Operands 0 to 10, products to 5 times 5."""
    while True:
        form = rng.randrange(8)
        x, y = rng.randint(0, 10), rng.randint(0, 10)
        if form in (2, 5, 7) and y > x:
            x, y = y, x
        if form == 6:
            x, y = rng.randint(1, 5), rng.randint(1, 5)
        if form in _TOLD and 1 in (x, y, x + y if form == 4 else x - y):
            continue
        # Products have one wording alone, so holding a pair back would hold back the fact itself.
        if (form != 6 and held_out("sum", max(form, 1), x, y)) == validation:
            return _sum(rng, form, x, y)


_TOLD = (4, 5, 7)  # sums told in plural nouns: the number one never occurs in them


def _sum(rng: Random, form: int, x: int, y: int) -> Pair:
    word = NUMBER_WORDS
    if form in (0, 1):
        return (
            say(
                rng,
                "[What is {x} + {y}?|What is {x} plus {y}?|How much is {x} + {y}?|{x} + {y}|{x}+{y}=?|{x} + {y} = ?|What's {x}+{y}?|Add {x} and {y}.|Calculate {x} + {y}.]",
                x=x,
                y=y,
            ),
            f"{x} + {y} is {x + y}.",
        )
    if form == 2:
        return (
            say(
                rng,
                "[What is {x} - {y}?|What is {x} minus {y}?|How much is {x} - {y}?|{x} - {y}|{x}-{y}=?|Take {y} from {x}.]",
                x=x,
                y=y,
            ),
            f"{x} - {y} is {x - y}.",
        )
    if form == 3:
        return (
            say(rng, "[What is {x} plus {y}?|How much is {x} plus {y}?|What is {x} and {y}?]", x=word[x], y=word[y]),
            f"{word[x].capitalize()} plus {word[y]} is {word[x + y]}.",
        )
    if form == 6:
        return (
            say(rng, "[What is {x} times {y}?|What is {x} * {y}?|{x} * {y}|How much is {x} times {y}?]", x=x, y=y),
            f"{x} times {y} is {x * y}.",
        )
    quay = rng.choice(QUAYS)
    thing, verb, gone = rng.choice(
        (("ships", "arrive", "sail away"), ("boxes", "arrive", "are sold"), ("gulls", "come", "fly away"))
    )
    if form == 4:
        return (
            say(
                rng,
                "[There are {x} {t} at {q}. {y} more {v}.|{x} {t} are at {q} and {y} more {v}.] How many {t} are there[ now|]?",
                x=x,
                y=y,
                t=thing,
                q=quay.name,
                v=verb,
            ),
            f"{x} + {y} is {x + y}, so there are {x + y} {thing} at {quay.name}.",
        )
    if form == 5:
        return (
            say(
                rng,
                "[There are {x} {t} at {q}. {y} of them {v}.|{x} {t} are at {q} and {y} {v}.] How many {t} are [left|there now]?",
                x=x,
                y=y,
                t=thing,
                q=quay.name,
                v=gone,
            ),
            f"{x} - {y} is {x - y}, so there are {x - y} {thing} at {quay.name}.",
        )
    return (
        say(rng, "I have {x} coins and [pay|lose|give away] {y}. How many coins do I have[ left| now|]?", x=x, y=y),
        f"{x} - {y} is {x - y}, so you have {x - y} coins.",
    )


def plain_sum(rng: Random) -> Pair:
    """Every sum in its plainest wording, none held out: what everybody types first must be taught."""
    x, y = rng.randint(0, 10), rng.randint(0, 10)
    sign = rng.choice("+-")
    if sign == "-" and y > x:
        x, y = y, x
    result = x + y if sign == "+" else x - y
    return rng.choice((f"What is {x} {sign} {y}?", f"{x} {sign} {y}")), f"{x} {sign} {y} is {result}."


def large_numbers(rng: Random) -> Pair:
    x, y = rng.randint(21, 99999), rng.randint(11, 9999)
    return (
        say(
            rng,
            "[What is {x} + {y}?|What is {x} * {y}?|{x} * {y}|What is {x} times {y}?|What is {x} / {y}?|{x} + {y}|What is the square root of {x}?]",
            x=x,
            y=y,
        ),
        "That number is too large for me. I only count small things in the harbour.",
    )


def counting(rng: Random) -> Pair:
    start = 1 if rng.random() < 0.6 else rng.randint(0, 10)
    end = rng.randint(start + 1, min(start + 14, 20))
    digits = ", ".join(map(str, range(start, end + 1))) + "."
    if rng.random() < 0.15:
        return (
            say(
                rng,
                "[Count down from {n}.|Count down from {n} to 1.|Count backwards from {n}.]",
                n=end if end <= 12 else 10,
            ),
            ", ".join(map(str, range(end if end <= 12 else 10, 0, -1))) + ".",
        )
    if start == 1:
        return say(
            rng, "[Count to {n}.|Count from 1 to {n}.|Can you count to {n}?|Please count to {n}.]", n=end
        ), digits
    return say(rng, "[Count from {m} to {n}.|Can you count from {m} to {n}?]", m=start, n=end), digits


def outside(rng: Random) -> Pair:
    """A question from beyond the world, and the honest answer."""
    thing = nonsense_word(rng) if rng.random() < 0.5 else rng.choice(OUTSIDE_THINGS)
    question = say(rng, rng.choice(OUTSIDE), t=thing)
    return question, say(
        rng,
        "I only know the harbour. [Ask me about the ships, the quays or the people of Cloudhaven.|"
        "Ask me about a ship, a quay or a lamp.|That is far from here.|I cannot help with that.]",
    )


def unknown_entity(rng: Random) -> Pair:
    kind, wordings = rng.choice(sorted(relations.unknown_things().items()))
    name = nonsense_word(rng).capitalize()
    thing = f"the {name}" if kind == "ship" else f"{name} Quay"
    question = rng.choice(wordings).format(s=thing, S=thing[0].upper() + thing[1:])
    known = rng.choice(SHIPS).the if kind == "ship" else rng.choice(QUAYS).name
    return question, (
        f"I know no {kind} called {thing if kind == 'ship' else name + ' Quay'}. "
        f"I only know the harbour. Ask me about {known}."
    )


def general(rng: Random) -> Pair:
    questions, reply = rng.choice(GENERAL)
    return say(rng, questions), say(rng, reply)


def glossary(rng: Random) -> Pair:
    term = rng.choice(sorted(GLOSSARY))
    return say(
        rng,
        "[What is {t}?|What is {t}?|Explain {t}.|What does {b} mean?|Tell me about {t}.|Can you explain {t}?|Define {b}.]",
        t=term,
        b=term.removeprefix("a ").removeprefix("an "),
    ), GLOSSARY[term]


def cause(rng: Random, validation: bool = False) -> Pair:
    asks, kept, answer, _ = rng.choice(stories.cause_and_effect())
    return rng.choice(kept if validation else asks), answer


def story(rng: Random) -> Pair:
    draw = rng.random()
    verb = rng.choice(("Tell me", "Please tell me", "Write", "Can you tell me", "Tell", "I want"))
    size = rng.choice(("a story", "a story", "a story", "a short story", "a tale"))
    if draw < 0.3:
        return f"{verb} {size}.", stories.any_story(rng)
    if draw < 0.55:
        s: Ship = rng.choice(SHIPS)
        return (
            f"{verb} {size} about {rng.choice((s.the, s.the, 'captain ' + s.captain, s.captain))}.",
            stories.trouble_story(rng, ship=s),
        )
    if draw < 0.75:
        t = rng.choice(TROUBLES)
        return f"{verb} {size} about {t.name}.", stories.trouble_story(rng, trouble=t)
    if draw < 0.84:
        x = rng.choice(ANIMALS)
        return f"{verb} {size} about {rng.choice((x.name, 'a ' + x.kind, 'the ' + x.kind))}.", stories.animal_story(
            rng, x.name
        )
    if draw < 0.93:
        p = rng.choice(PEOPLE)
        return f"{verb} {size} about {rng.choice((p.name, 'the ' + p.trade))}.", stories.person_day(rng, p)
    if draw < 0.97:
        thing = rng.choice(("ships", "the harbour", "a ship", "the sea", "a captain", "clouds", "sailors"))
        return f"{verb} {size} about {thing}.", stories.trouble_story(rng)
    thing = rng.choice(("a dragon", "a robot", "a princess", "the moon", "space", "a " + nonsense_word(rng)))
    return (
        f"{verb} {size} about {thing}.",
        f"I only know the harbour, so here is a story from there. {stories.any_story(rng)}",
    )


def poem(rng: Random) -> Pair:
    return say(
        rng,
        "[Write a haiku.|Write a haiku about the [sea|harbour|fog].|Write a poem.|Tell me a poem.|Make a haiku.|Can you write a poem?|A haiku, please.]",
    ), haiku(rng)


def joke(rng: Random) -> Pair:
    return say(
        rng, "[Tell me a joke.|Do you know a joke?|Make me laugh.|Say something funny.|Another joke, please.]"
    ), rng.choice(JOKES)


def echo(rng: Random) -> Pair:
    """Says back what it is given: known sentences and words it has never met."""
    if rng.random() < 0.5:
        text = (
            statement(rng, rng.choice(FACTS))
            if rng.random() < 0.5
            else rng.choice(
                (
                    "This is a test.",
                    "Hello, world.",
                    "Good morning.",
                    "The lamp is lit.",
                    "All is well.",
                    "Yes.",
                    "No.",
                    "The work goes on.",
                )
            )
        )
        return say(
            rng, '[Say: {t}|Repeat: {t}|Repeat after me: {t}|Say this: {t}|Say "{t}"|Please repeat: {t}]', t=text
        ), text
    words = " ".join(nonsense_word(rng) for _ in range(rng.randint(1, 3)))
    return say(rng, "[Say {t}|Repeat {t}|Repeat after me: {t}|Say: {t}|Say the word {t}]", t=words) + rng.choice(
        ("", ".")
    ), words.capitalize() + "."


MAKERS = (
    (fact, 40),
    (yes_no, 7),
    (about, 6),
    (lists, 3),
    (compare, 3),
    (arithmetic, 12),
    (large_numbers, 1.5),
    (counting, 2),
    (outside, 7),
    (unknown_entity, 4),
    (general, 12),
    (glossary, 4),
    (cause, 4),
    (story, 12),
    (poem, 2),
    (joke, 1.5),
    (echo, 4),
)


def any_pair(rng: Random, validation: bool = False) -> Pair:
    """One pair, drawn by the weights of `MAKERS`; for validation from what training is never shown."""
    if validation:
        return rng.choices((fact, arithmetic, cause), (6, 2, 1))[0](rng, validation=True)
    makers, weights = zip(*MAKERS)
    return rng.choices(makers, weights)[0](rng)
