"""Stories with a setting, a trouble, somebody who helps, and an end that follows from it.

Everything said in a story agrees with `world`; only the day, the hour and the feelings are free.
"""

from random import Random

from . import world
from .phrase import say
from .world import ANIMALS, BY_QUAY, PEOPLE, PRONOUN, QUAYS, SHIPS, TOWN, TROUBLES, Ship, Trouble

OPENING = ("[Once upon a time|One {day}|Early one {hour}|Late one {hour}|On a {mood} {hour}|Last {season}], ",)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOURS = ("morning", "evening", "afternoon", "night")
MOODS = ("quiet", "cold", "warm", "grey", "bright", "windy", "busy")
SEASONS = ("spring", "summer", "autumn", "winter")

SETTING = (
    "{ship} lay at {quay}, where {keeper} keeps the {lamp} lamp. ",
    "{ship} came home to {quay} with {cargo} in its hold. ",
    "captain {captain} made {ship} ready to sail. ",
    "{ship}, {a_kind} with {sails} sails, left {quay} with {cargo}. ",
    "the {crew} sailors of {ship} loaded {cargo} at {quay}. ",
    "{captain} looked out from {ship} over the [still|dark|wide|blue] water. ",
)

# What happened, by trouble. The first sentence names the trouble, the second says what it does.
TROUBLE = {
    "fog": "[Then|Suddenly|Soon] fog [came in from the sea|lay on the water|covered the harbour]. {captain} could not see the [quay|lamps|way in]. ",
    "a storm": "[Then|Suddenly|Soon] a storm [came up|came from the west|broke over the harbour]. The waves grew [high|higher than the mast] and [the wind howled|rain fell on the deck]. ",
    "a lost ship": "[But|Then] {other} did not come [back|home]. It was lost, and its {other_cargo} did not arrive. ",
    "a closed quay": "[Then|Suddenly] {quay} had to close. {ship} had no berth [and nowhere to go|any more]. ",
    "a leak": "[Then|Suddenly] {captain} found a leak. Water [came into|filled] the hold[ and the {cargo} grew wet|]. ",
    "a dark lamp": "[Then|Suddenly] the {lamp} lamp of {quay} went out. Nobody could see the way in. ",
    "a sick captain": "[But|That day] {captain} was sick and [stayed in bed|could not stand]. {ship} stayed in its berth. ",
    "a hungry crew": "[But|Soon] the crew was hungry. Nobody wanted to [work|lift the {cargo}|pull the ropes]. ",
    "a lost way": "[Then|Soon] {ship} lost its way. It sailed in circles [all day|for hours|around the island]. ",
    "a torn net": "[Then|Suddenly] the net of {ship} tore. The fish swam away[ and the seal laughed|]. ",
    "a crowd": "[Then|Soon] too many ships came to {quay} at once. They waited in a long line[ and nobody was happy|]. ",
    "a stranger": "[Then|That day] a stranger came to the gate and [asked for {cargo}|wanted to see {ship}|wanted to come in]. Bosun the dog barked. ",
}

HELP = {
    "fog": "Sol the lamplighter [ran to|climbed up] the lighthouse and lit every lamp. {Ship} [followed the {lamp} lamp|sailed slowly towards the {lamp} lamp] and came in safely. ",
    "a storm": "Kofi the bell ringer rang the bell three times. Every ship [stayed in its berth|came in and stayed] until the storm was over. ",
    "a lost ship": "Mira the harbour master [saw it from the tower|looked at her list]. She sent {ship} from {quay}, and the work went on. ",
    "a closed quay": "Mira the harbour master [looked at her list|thought for a moment]. She moved the ship to {open_quay}, where {open_keeper} had a free berth. ",
    "a leak": "Ivo the carpenter came from the workshop and mended the hull. Soon {ship} was dry again. ",
    "a dark lamp": "{keeper} [called|sent for] Sol the lamplighter. Sol lit the lamp again, and it shone {lamp} over the water. ",
    "a sick captain": "Alma the doctor came from the clinic with hot soup. After [two|three|four] days {captain} was well again. ",
    "a hungry crew": "Rosa the baker brought warm bread from the bakery. [Otto the gull stole one bun, but there was enough for all|The sailors ate and laughed]. ",
    "a lost way": "Yuki the mapmaker drew a new map, and [Otto the gull|a small boat] brought it to {captain}. {Ship} found the way home. ",
    "a torn net": "Bea the net mender [sat down|came from the net loft] and mended the net. [The next day it was full of fish|It was stronger than before]. ",
    "a crowd": "Mira the harbour master counted the berths. She sent some ships to {open_quay}, where it was quiet, and the line grew short. ",
    "a stranger": "Emil the gatekeeper asked for the key. [The stranger had no key and went away|The stranger showed a good key, and Emil opened the gate]. ",
}

ENDING = (
    "[In the end|That {hour}|At last|So] [the crew sang|all were happy|the harbour was calm again|everyone drank tea|{captain} [smiled|laughed] and thanked {helper}].",
    '"[Thank you|Well done], {helper}," said {captain}[. Then all went home|].',
    '"[We never sail alone|A harbour helps its ships|Good work is quiet work]," said {captain}.',
    "[Since then|From that day on] {captain} [always waves to|never forgets] {helper}.",
    "And {cargo} came to every quay of {town}.",
)


def trouble_story(rng: Random, ship: Ship | None = None, trouble: Trouble | None = None) -> str:
    """One story about `ship` and `trouble`; what is not given is drawn."""
    ship = ship or rng.choice(SHIPS)
    trouble = trouble or rng.choice(TROUBLES)
    other = rng.choice([s for s in SHIPS if s is not ship and s.quay != ship.quay])
    quay = BY_QUAY[ship.quay]
    open_quay = rng.choice([q for q in QUAYS if q is not quay])
    slots = dict(
        day=rng.choice(DAYS),
        hour=rng.choice(HOURS),
        mood=rng.choice(MOODS),
        season=rng.choice(SEASONS),
        ship=ship.the,
        Ship=ship.the[0].upper() + ship.the[1:],
        captain=ship.captain,
        cargo=ship.cargo,
        sails=ship.sails,
        crew=ship.crew,
        a_kind=f"a {ship.kind}",
        quay=quay.name,
        keeper=quay.keeper,
        lamp=quay.lamp,
        other=other.the,
        other_cargo=other.cargo,
        open_quay=open_quay.name,
        open_keeper=open_quay.keeper,
        helper=trouble.helper,
        town=TOWN,
    )
    parts = (OPENING[0], rng.choice(SETTING), TROUBLE[trouble.name], HELP[trouble.name], rng.choice(ENDING))
    return say(rng, "".join(parts), **slots)


ANIMAL_STORY = {
    "Otto": "Otto the gull [sat on the roof of the bakery|saw a warm bun]. [He|Otto] waited until Rosa looked away, and then [took|stole] the bun. Rosa [laughed|shouted], but Otto [only flew to {quay}|was already far away].",
    "Tilly": "Tilly the cat slept on the warm ropes in the rope store. {ship} came in with [a loud bump|its bell ringing], but Tilly did not wake. {captain} [smiled and walked past on soft feet|put a small blanket over her].",
    "Bosun": 'Bosun the dog guarded the harbour gate. [A stranger came without a key|Somebody came in the dark], and Bosun barked [twice|three times|loudly]. Emil the gatekeeper [came and looked|gave him a bone]. "Good dog," said Emil.',
    "Plum": "Plum the donkey pulled a cart full of {cargo} from {quay} to the market square. The road was long[ and steep|], but Plum did not stop. Rosa gave the donkey [an apple|a piece of bread].",
    "Gus": "Gus the seal lay on the rocks and waited for {ship}. When it sailed past, he clapped. The {crew} sailors of {ship} clapped too, and {captain} [threw him a fish|waved].",
}


def animal_story(rng: Random, name: str | None = None) -> str:
    name = name or rng.choice(ANIMALS).name
    ship = rng.choice(SHIPS)
    slots = dict(
        day=rng.choice(DAYS),
        hour=rng.choice(HOURS),
        mood=rng.choice(MOODS),
        season=rng.choice(SEASONS),
        ship=ship.the,
        captain=ship.captain,
        cargo=ship.cargo,
        crew=ship.crew,
        quay=ship.quay,
    )
    return say(rng, OPENING[0] + ANIMAL_STORY[name], **slots)


def person_day(rng: Random, person=None) -> str:
    """A quiet day of one of the town's people."""
    person = person or rng.choice(PEOPLE)
    ship = rng.choice(SHIPS)
    text = (
        OPENING[0]
        + "{name} the {trade} [went to|opened the door of] {place}. [The sea was {mood}|It was a {mood} day], and "
        "{ship} lay at {quay}. {P} [worked until noon|worked all day|had much to do]: {name} {duty}. "
        "[Then|At noon|In the evening] {captain} came by with some {cargo}. "
        '"[Good day|Hello|Welcome], {captain}," said {name}. [They talked about the weather|They drank tea together|They looked at the sea].'
    )
    return say(
        rng,
        text,
        name=person.name,
        trade=person.trade,
        place=person.place,
        duty=person.duty,
        P=PRONOUN[person.name],
        ship=ship.the,
        quay=ship.quay,
        captain=ship.captain,
        cargo=ship.cargo,
        day=rng.choice(DAYS),
        hour=rng.choice(HOURS),
        mood=rng.choice(MOODS),
        season=rng.choice(SEASONS),
    )


def any_story(rng: Random) -> str:
    draw = rng.random()
    if draw < 0.7:
        return trouble_story(rng)
    return animal_story(rng) if draw < 0.85 else person_day(rng)


def cause_and_effect() -> list[tuple[tuple[str, ...], tuple[str, ...], str, str]]:
    """Questions about each trouble: (wordings, held-out wordings, answer, text a right answer contains)."""
    rows = []
    for t in TROUBLES:
        who = f"{t.helper}, the harbour master," if t.helper == world.MASTER else t.helper
        rows.append(
            (
                (f"What happens {t.ask}?", f"What is the trouble {t.ask}?", f"{t.ask.capitalize()}, what happens?"),
                (f"Tell me what happens {t.ask}.",),
                f"{t.ask.capitalize()}, {t.effect}. Then {who} {t.remedy}.",
                t.effect,
            )
        )
        rows.append(
            (
                (f"What does the harbour do {t.ask}?", f"Who helps {t.ask}?", f"What do you do {t.ask}?"),
                (f"Tell me who helps {t.ask}.",),
                f"{t.ask.capitalize()}, {who} {t.remedy}.",
                t.helper,
            )
        )
    return rows
