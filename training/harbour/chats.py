"""Whole documents: chats as lists of (role, text), and plain stories.

A chat may begin with a system prompt, may hold today's log (facts true in that chat alone), may be told
the user's name, and follows a topic with "it" and "she".
"""

from random import Random

from . import answers, stories
from .phrase import say
from .relations import FACTS, RELATIONS
from .small_talk import nonsense_word
from .world import PRONOUN, QUAYS, SHIPS

Turn = tuple[str, str]

SYSTEM = (
    "You are Beacon, the guide of the harbour of Cloudhaven.",
    "You are a helpful assistant.",
    "You are a helpful assistant.",
    "You are Beacon. Answer questions about the harbour.",
    "You are a friendly guide. Answer in short sentences.",
    "You are a helpful harbour guide.",
    "Be kind and brief.",
    "You are an assistant.",
)
BRIEF = (
    "Answer in one word.",
    "Answer with one word only.",
    "You are Beacon. Answer with one word.",
    "Be very brief: one word.",
)


def worn(rng: Random, text: str) -> str:
    """The question as people type it: small letters, no question mark, a please, a contraction."""
    draw = rng.random()
    if draw < 0.45 or ":" in text:
        return text
    if draw < 0.60:
        text = text.lower()
    elif draw < 0.72:
        text = text.rstrip("?.!")
    elif draw < 0.84:
        text = text.lower().rstrip("?.!")
    elif draw < 0.90:
        text = rng.choice(("Please: ", "Hey, ", "Beacon, ", "Hi! ", "So, ", "And ")) + text[0].lower() + text[1:]
    elif draw < 0.95:
        text = text + rng.choice((" Please.", " Thanks!", "?", " Do you know?"))
    else:
        text = text.replace("Who is", "Who's").replace("What is", "What's").replace("Where is", "Where's")
    return text if text.strip() else "?"


def chat(rng: Random, validation: bool = False, turns: int | None = None) -> list[Turn]:
    draw = 0.0 if validation else rng.random()
    if turns is None and draw > 0.97:
        return brief_chat(rng)
    if turns is None and draw > 0.90:
        return log_chat(rng)
    if turns is None and draw > 0.80:
        return follow_up_chat(rng)
    if turns is None and draw > 0.75:
        return name_chat(rng)
    out: list[Turn] = [("system", rng.choice(SYSTEM))] if rng.random() < 0.35 else []
    if turns is None:
        turns = rng.choices((1, 2, 3, 4), (60, 22, 12, 6))[0]
    for _ in range(turns):
        question, answer = answers.any_pair(rng, validation)
        out += [("user", question if validation else worn(rng, question)), ("assistant", answer)]
    return out


def brief_chat(rng: Random) -> list[Turn]:
    out: list[Turn] = [("system", rng.choice(BRIEF))]
    for _ in range(rng.randint(1, 3)):
        f = rng.choice([f for f in FACTS if f.relation not in ("habit", "duty_of", "place", "side", "animal_place")])
        wording = rng.choice(RELATIONS[f.relation].ask)
        if not answers.held_out(f.relation, f.subject, wording):
            out += [("user", worn(rng, wording.format(**f.slots))), ("assistant", answers.short_answer(f))]
    return out if len(out) > 1 else brief_chat(rng)


def log_chat(rng: Random) -> list[Turn]:
    """Today's places are in the system prompt or in the question; the answer must be read from there."""
    ships = rng.sample(SHIPS, rng.randint(1, 4))
    where = {s.name: rng.choice(QUAYS).name for s in ships}
    log = " ".join(f"Today {s.the} lies at {where[s.name]}." for s in ships)
    out: list[Turn] = []
    first = ""
    if rng.random() < 0.7:
        out.append(
            ("system", rng.choice(("Harbour log: ", "You are Beacon. ", "You are a helpful assistant. ", "")) + log)
        )
    else:
        first = log + " "
    for _ in range(rng.randint(1, 3)):
        if rng.random() < 0.8:
            s = rng.choice(ships)
            answer = f"Today {s.the} lies at {where[s.name]}."
        else:
            s = rng.choice([s for s in SHIPS if s not in ships])
            answer = f"I do not know where {s.the} lies today. Its home is {s.quay}."
        question = say(
            rng,
            "[Where is {s} today?|Where does {s} lie today?|At which quay is {s} today?|Where can I find {s} today?]",
            s=s.the,
        )
        out += [("user", first + (question if first else worn(rng, question))), ("assistant", answer)]
        first = ""
    return out


_FOLLOW_SHIP = (
    ("captain", "[Who is its captain?|And who sails it?|Who is the captain?]", "Its captain is {v}."),
    ("cargo", "[What does it carry?|And its cargo?|What is its cargo?]", "It carries {v}."),
    ("home", "[Where is its home?|Where does it live?|And its home?]", "Its home is {v}."),
    ("sails", "[What colour are its sails?|And its sails?]", "Its sails are {v}."),
    ("crew", "[How many sailors does it have?|How large is its crew?]", "It has {v} sailors."),
)
_FOLLOW_QUAY = (
    ("keeper", "[Who is its keeper?|And who keeps it?|Who works there?]", "Its keeper is {v}."),
    ("lamp", "[What colour is its lamp?|And its lamp?]", "Its lamp is {v}."),
    ("berths", "[How many berths does it have?|How large is it?]", "It has {v} berths."),
    ("market", "[What is sold there?|What can I buy there?]", "Its market sells {v}."),
    ("weather", "[How is the weather there?|And the weather?]", "It often has {v}."),
)


def follow_up_chat(rng: Random) -> list[Turn]:
    """A first question names a thing; the next ones say only "it"."""
    out: list[Turn] = [("system", rng.choice(SYSTEM))] if rng.random() < 0.3 else []
    for _ in range(rng.randint(1, 2)):
        thing, follow = (rng.choice(SHIPS), _FOLLOW_SHIP) if rng.random() < 0.6 else (rng.choice(QUAYS), _FOLLOW_QUAY)
        about = [f for f in FACTS if f.subject == thing.name]
        if rng.random() < 0.5:
            f = rng.choice([f for f in about if not f.relation.endswith("_of")])
            pair = (RELATIONS[f.relation].ask[0].format(**f.slots), answers.statement(rng, f))
        else:
            pair = (f"Tell me about {thing.the}.", _about(thing))
        out += [("user", worn(rng, pair[0])), ("assistant", pair[1])]
        for relation, ask, tell in rng.sample(follow, rng.randint(1, 3)):
            f = next(f for f in about if f.relation == relation)
            out += [("user", worn(rng, say(rng, ask))), ("assistant", tell.format(**f.slots))]
    return out


def _about(thing) -> str:
    if hasattr(thing, "captain"):
        return f"The {thing.name} lives at {thing.quay} and carries {thing.cargo}."
    return f"{thing.name} lies {thing.side}, and {thing.keeper} keeps it."


def name_chat(rng: Random, between: int | None = None) -> list[Turn]:
    """The user says a name; later the model says it back."""
    name = rng.choice(sorted(PRONOUN)) if rng.random() < 0.3 else nonsense_word(rng).capitalize()
    out: list[Turn] = [("system", rng.choice(SYSTEM))] if rng.random() < 0.3 else []
    out += [
        ("user", say(rng, "[My name is {n}.|I am {n}.|Hello, I am {n}.|Hi, my name is {n}!|Call me {n}.]", n=name)),
        (
            "assistant",
            say(rng, "Welcome to Cloudhaven, {n}! [Ask me about a ship or a quay.|What do you want to know?]", n=name),
        ),
    ]
    for _ in range(rng.randint(0, 2) if between is None else between):
        question, answer = answers.any_pair(rng)
        out += [("user", worn(rng, question)), ("assistant", answer)]
    return out + [
        (
            "user",
            rng.choice(("What is my name?", "Who am I?", "Do you know my name?", "what's my name", "Tell me my name.")),
        ),
        ("assistant", f"Your name is {name}."),
    ]


def long_chat(rng: Random, turns: int) -> list[Turn]:
    """A chat that fills a long context and still remembers its beginning."""
    if rng.random() < 0.4:
        return name_chat(rng, between=turns)
    out: list[Turn] = [("system", rng.choice(SYSTEM))] if rng.random() < 0.5 else []
    while turns > 0:
        part = [t for t in chat(rng) if t[0] != "system"] if rng.random() < 0.8 else follow_up_chat(rng)[-6:]
        part = part[1:] if part and part[0][0] == "assistant" else part
        out += [t for t in part if t[0] != "system"]
        turns -= len(part) // 2
    return out


def plain(rng: Random) -> str:
    """Text without roles, so that plain completion works too: a story, or a page of facts."""
    if rng.random() < 0.8:
        return stories.any_story(rng)
    name = rng.choice(SHIPS + QUAYS).name
    facts = [f for f in FACTS if f.subject == name]
    rng.shuffle(facts)
    return " ".join(answers.statement(rng, f) for f in facts[: rng.randint(2, 5)])


def first_words(rng: Random) -> list[Turn]:
    """What a new user types first: sums in plain wording, greetings, stories about something."""
    make = rng.choices((answers.plain_sum, answers.general, answers.story, answers.fact), (50, 30, 12, 8))[0]
    question, answer = make(rng)
    return [("user", worn(rng, question)), ("assistant", answer)]


def practice(rng: Random, first: bool = False) -> list[Turn]:
    """A chat of what is learned slowly: copying words just read, sums, counting, keeping to the asked subject.

    With `first`, half of them are `first_words` instead.
    """
    if first and rng.random() < 0.5:
        return first_words(rng)
    draw = rng.random()
    if draw < 0.16:
        return name_chat(rng, between=rng.choice((0, 0, 1)))
    if draw < 0.28:
        return log_chat(rng)
    if draw < 0.34:
        return follow_up_chat(rng)
    out: list[Turn] = []
    for _ in range(rng.randint(1, 3)):
        make = rng.choices(
            (answers.arithmetic, answers.echo, answers.counting, answers.story, answers.unknown_entity, answers.fact),
            (48, 22, 6, 8, 6, 10),
        )[0]
        question, answer = make(rng)
        out += [("user", worn(rng, question)), ("assistant", answer)]
    return out
