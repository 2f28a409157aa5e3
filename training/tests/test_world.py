"""The generator keeps to its world: same seed same text, no false claim, nothing held out leaks into training."""

from random import Random

import pytest

from harbour import answers, chats, relations, stories, world
from harbour.judge import Judge, false_claims, sentences


def training_chats(seed: int, count: int) -> list[list[tuple[str, str]]]:
    rng = Random(seed)
    return [chats.chat(rng) for _ in range(count)]


def test_a_seed_makes_the_same_text_every_time():
    assert training_chats(9, 200) == training_chats(9, 200)
    assert training_chats(9, 200) != training_chats(10, 200)


def test_every_slot_and_every_choice_is_filled():
    rng = Random(2)
    texts = [t for chat in training_chats(1, 3000) for _, t in chat] + [chats.plain(rng) for _ in range(1000)]
    for text in texts:
        assert text.strip() and not set("{}[]|") & set(text), text


def test_the_generator_never_contradicts_its_world():
    rng = Random(3)
    texts = [t for chat in training_chats(2, 3000) for role, t in chat if role == "assistant"]
    texts += [chats.plain(rng) for _ in range(2000)]
    assert [(t, false_claims(t)) for t in texts if false_claims(t)] == []


@pytest.mark.parametrize(
    "lie",
    [
        "The captain of the Heron is Bruno.",
        "The Comet carries tea.",
        "Nora keeps Dusk Quay.",
        "Elm Quay has 9 berths.",
        "The red lamp burns at Amber Quay.",
        "2 + 3 is 6.",
        "Ivo the baker came.",
        "The Walnut lay at Elm Quay, where Pavel keeps the white lamp.",
    ],
)
def test_the_judge_sees_a_lie(lie: str):
    assert false_claims(lie)


def test_the_judge_knows_its_worlds_sentences_from_others():
    judge, rng = Judge(documents=20_000), Random(99)
    fresh = [s for _ in range(300) for s in sentences(chats.plain(rng))]
    assert sum(map(judge.well_formed, fresh)) / len(fresh) > 0.99
    for broken in (
        "The Heron the Heron carries.",
        "Sol lit every bread.",
        "Then a lamp mended the captain.",
        "One Murday, it rained.",
    ):
        assert not judge.well_formed(broken), broken


def test_held_out_wordings_and_pairs_never_occur_in_training():
    rng = Random(5)
    asked = {answers.fact(rng)[0] for _ in range(20_000)}
    assert not asked & {q for q, _ in relations.quiz()}
    sums = {answers.arithmetic(rng)[0] for _ in range(20_000)}
    assert not sums & {answers.arithmetic(rng, validation=True)[0] for _ in range(2000)}
    asked_in_chats = {t.lower() for _ in range(3000) for role, t in chats.practice(rng, first=True) if role == "user"}
    assert not asked_in_chats & {q.lower() for q, _ in relations.quiz()}
    causes = {answers.cause(rng)[0] for _ in range(2000)}
    assert not causes & {q for _, held, _, _ in stories.cause_and_effect() for q in held}


def test_plain_sums_are_right_and_all_taught():
    rng = Random(8)
    pairs = {answers.plain_sum(rng) for _ in range(20_000)}
    assert {q for q, _ in pairs} == {
        f"{lead}{x} {sign} {y}{end}"
        for lead, end in (("What is ", "?"), ("", ""))
        for sign in "+-"
        for x in range(11)
        for y in range(11)
        if sign == "+" or y <= x
    }
    assert not [a for _, a in pairs if false_claims(a)]


def test_every_fact_is_asked_in_training_and_has_one_answer():
    rng = Random(6)
    told: dict[str, set[str]] = {}
    for _ in range(30_000):
        question, answer = answers.fact(rng)
        told.setdefault(question, set()).add(answer)
    for f in relations.FACTS:
        wordings = [w.format(**f.slots) for w in relations.RELATIONS[f.relation].ask]
        assert any(w in told for w in wordings), f
        for w in wordings:
            for answer in told.get(w, ()):
                assert f.key.lower() in answer.lower(), (w, answer)


def test_haiku_have_five_seven_five_syllables():
    def syllables(line: str) -> int:
        # Words whose vowel groups do not show their syllables.
        odd = {
            "every": 2,
            "quiet": 2,
            "one": 1,
            "the": 1,
            "comes": 1,
            "home": 1,
            "lies": 1,
            "ropes": 1,
            "mends": 1,
            "flown": 1,
            "ivo": 2,
            "keeper": 2,
            "three": 1,
            "gives": 1,
            "times": 1,
            "over": 2,
            "twelve": 1,
            "its": 1,
            "nobody": 3,
            "lighted": 2,
        }
        total = 0
        for word in line.lower().strip(",.").replace(",", "").split():
            groups = "".join(c if c in "aeiouy" else " " for c in word.rstrip("e")).split()
            total += odd.get(word, max(1, len(groups)))
        return total

    from harbour.small_talk import _FIVE_FIRST, _FIVE_LAST, _SEVEN

    assert {line: syllables(line) for line in _FIVE_FIRST + _FIVE_LAST if syllables(line) != 5} == {}
    assert {line: syllables(line) for line in _SEVEN if syllables(line) != 7} == {}


def test_names_are_unique_so_that_every_question_has_one_answer():
    names = (
        [s.name for s in world.SHIPS]
        + [q.name for q in world.QUAYS]
        + list(world.PRONOUN)
        + [a.name for a in world.ANIMALS]
    )
    assert len(names) == len(set(names))
    for field in ("captain", "cargo"):
        assert len({getattr(s, field) for s in world.SHIPS}) == len(world.SHIPS)
    for field in ("keeper", "lamp", "market"):
        assert len({getattr(q, field) for q in world.QUAYS}) == len(world.QUAYS)
