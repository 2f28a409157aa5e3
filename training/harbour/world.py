"""The fixed facts of Cloudhaven, the only world the demo model knows.

Facts never change between documents, so an answer can be marked right or wrong. What may change from
document to document (today's weather, where a ship lies now) is drawn by the code that tells it and is
never a field here.
"""

from dataclasses import dataclass

TOWN = "Cloudhaven"
GUIDE = "Beacon"
MASTER = "Mira"


@dataclass(frozen=True)
class Quay:
    """A place where ships tie up: the world's picture of a cloud site."""

    name: str
    keeper: str
    side: str
    lamp: str
    berths: int
    market: str
    weather: str

    @property
    def the(self) -> str:
        return self.name


@dataclass(frozen=True)
class Ship:
    """A ship with a home: the world's picture of a replica."""

    name: str
    quay: str
    captain: str
    cargo: str
    sails: str
    crew: int
    kind: str

    @property
    def the(self) -> str:
        return f"the {self.name}"


@dataclass(frozen=True)
class Person:
    name: str
    pronoun: str
    trade: str
    place: str
    duty: str

    @property
    def the(self) -> str:
        return self.name


@dataclass(frozen=True)
class Animal:
    name: str
    kind: str
    habit: str
    place: str

    @property
    def the(self) -> str:
        return self.name


QUAYS = (
    Quay("Amber Quay", "Nora", "in the north", "yellow", 4, "honey", "snow"),
    Quay("Birch Quay", "Tomas", "in the east", "green", 6, "wood", "wind"),
    Quay("Coral Quay", "Lina", "in the south", "red", 8, "fruit", "sunshine"),
    Quay("Dusk Quay", "Oskar", "in the west", "blue", 3, "oil", "fog"),
    Quay("Elm Quay", "Pavel", "by the river", "white", 5, "flour", "rain"),
    Quay("Stone Quay", "Greta", "on the island", "purple", 7, "fish", "storms"),
)

SHIPS = (
    Ship("Heron", "Amber Quay", "Ada", "tea", "grey", 5, "brig"),
    Ship("Swallow", "Amber Quay", "Bruno", "iron", "black", 9, "barge"),
    Ship("Otter", "Birch Quay", "Clara", "wool", "brown", 4, "cutter"),
    Ship("Marigold", "Birch Quay", "Dmitri", "glass", "orange", 7, "schooner"),
    Ship("Comet", "Coral Quay", "Elsa", "apples", "silver", 3, "sloop"),
    Ship("Thistle", "Coral Quay", "Felix", "paper", "violet", 6, "ketch"),
    Ship("Lantern", "Dusk Quay", "Gwen", "candles", "golden", 8, "brig"),
    Ship("Walnut", "Dusk Quay", "Hugo", "copper", "brown", 10, "barge"),
    Ship("Sparrow", "Elm Quay", "Ines", "rope", "grey", 2, "cutter"),
    Ship("Juniper", "Elm Quay", "Jonas", "spices", "green", 6, "schooner"),
    Ship("Pebble", "Stone Quay", "Kira", "coal", "black", 4, "sloop"),
    Ship("Meadowlark", "Stone Quay", "Leo", "books", "yellow", 5, "ketch"),
)

PEOPLE = (
    Person(MASTER, "she", "harbour master", "the tower", "sends the ships to the quays"),
    Person("Sol", "he", "lamplighter", "the lighthouse", "lights the lamps"),
    Person("Ivo", "he", "carpenter", "the workshop", "mends the hulls"),
    Person("Rosa", "she", "baker", "the bakery", "bakes the bread"),
    Person("Alma", "she", "doctor", "the clinic", "heals the sick"),
    Person("Kofi", "he", "bell ringer", "the bell house", "rings the bell"),
    Person("Yuki", "she", "mapmaker", "the map room", "draws the maps"),
    Person("Bea", "she", "net mender", "the net loft", "mends the nets"),
    Person("Emil", "he", "gatekeeper", "the harbour gate", "opens the gate"),
    Person("Petra", "she", "clerk", "the counting house", "counts the coins"),
)

ANIMALS = (
    Animal("Otto", "gull", "steals buns", "the roof of the bakery"),
    Animal("Tilly", "cat", "sleeps on warm ropes", "the rope store"),
    Animal("Bosun", "dog", "guards the gate", "the harbour gate"),
    Animal("Plum", "donkey", "pulls the cart", "the market square"),
    Animal("Gus", "seal", "claps at the ships", "the rocks"),
)

PRONOUN = {
    "Nora": "she",
    "Tomas": "he",
    "Lina": "she",
    "Oskar": "he",
    "Pavel": "he",
    "Greta": "she",
    "Ada": "she",
    "Bruno": "he",
    "Clara": "she",
    "Dmitri": "he",
    "Elsa": "she",
    "Felix": "he",
    "Gwen": "she",
    "Hugo": "he",
    "Ines": "she",
    "Jonas": "he",
    "Kira": "she",
    "Leo": "he",
    **{p.name: p.pronoun for p in PEOPLE},
}

NUMBER_WORDS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]


@dataclass(frozen=True)
class Trouble:
    """A cause, what it does, and what the harbour does about it."""

    name: str
    ask: str
    effect: str
    remedy: str
    helper: str


TROUBLES = (
    Trouble("fog", "when fog comes", "the ships cannot see the quay", "lights every lamp", "Sol"),
    Trouble("a storm", "when a storm comes", "the waves grow too high to sail", "rings the bell three times", "Kofi"),
    Trouble(
        "a lost ship",
        "when a ship is lost",
        "its cargo does not arrive",
        "sends another ship from another quay",
        MASTER,
    ),
    Trouble(
        "a closed quay", "when a quay closes", "its ships have no berth", "moves the ships to the open quays", MASTER
    ),
    Trouble("a leak", "when a ship leaks", "water fills the hold", "mends the hull", "Ivo"),
    Trouble("a dark lamp", "when a lamp goes out", "nobody sees the way in", "lights it again", "Sol"),
    Trouble("a sick captain", "when a captain is sick", "the ship stays in its berth", "heals the captain", "Alma"),
    Trouble("a hungry crew", "when a crew is hungry", "nobody wants to work", "brings warm bread", "Rosa"),
    Trouble("a lost way", "when a ship loses its way", "it sails in circles", "draws a new map", "Yuki"),
    Trouble("a torn net", "when a net tears", "the fish swim away", "mends the net", "Bea"),
    Trouble(
        "a crowd",
        "when too many ships come at once",
        "the ships wait in a long line",
        "sends some of them to a quieter quay",
        MASTER,
    ),
    Trouble("a stranger", "when a stranger comes to the gate", "the dog barks", "asks for the key", "Emil"),
)

# What the words of the product mean here. Kept true to the product, in the words of the harbour.
GLOSSARY = {
    "mcp": "mcp is the Master Control Program. It runs models on many clouds, as a harbour master runs ships on many quays.",
    "the Master Control Program": "The Master Control Program runs models on many clouds. When one cloud is lost, it starts the model on another.",
    "a replica": "A replica is one running copy of a model. It is like one ship of a fleet that carries the same cargo.",
    "a deployment": "A deployment is a wish: which model should run, where, and how many replicas. It is like a fleet.",
    "a cloud": "A cloud is a place where replicas run. It is like a quay where ships lie.",
    "a site": "A site is one place of a cloud. It is like one quay of the harbour.",
    "a model": "A model is a program that learned from text. I am a very small model.",
    "the gateway": "The gateway takes every question and hands it to a healthy replica. It is like the harbour gate.",
    "the control plane": "The control plane watches the replicas and makes what is found equal to what is wanted. It is like the harbour master.",
    "an environment": "An environment says what a replica needs and where it may run. It is like a berth of the right size.",
    "a token": "A token is a small piece of text. I read and write one token at a time.",
    "a spot instance": "A spot instance is cheap, but its cloud may take it back. It is like a berth that you borrow.",
    "a failover": "A failover sends the work to another place when one place is lost. It is like sending another ship.",
    "a load balancer": "A load balancer shares the questions between the replicas. It is like sending each ship to a quiet quay.",
}

BY_SHIP = {s.name: s for s in SHIPS}
BY_QUAY = {q.name: q for q in QUAYS}
BY_PERSON = {p.name: p for p in PEOPLE}


def ships_at(quay: Quay) -> list[Ship]:
    return [s for s in SHIPS if s.quay == quay.name]
