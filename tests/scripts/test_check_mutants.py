"""The list of accepted changes, and the comparison with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from check_mutants import check, parse_accepted

LIST = """\
# One reason
# over two lines.
a.rs: replace f with 0

# Another.
b.rs: replace < with <= in g
b.rs: replace < with == in g
"""


def outcomes(missed: list[str], caught: list[str]) -> dict[str, list[str]]:
    return {"missed": missed, "caught": caught, "timeout": []}


def test_a_list_holds_changes_and_reasons() -> None:
    assert parse_accepted(LIST) == {
        "a.rs: replace f with 0": "One reason over two lines.",
        "b.rs: replace < with <= in g": "Another.",
        "b.rs: replace < with == in g": "Another.",
    }


@pytest.mark.parametrize("text", ["a.rs: replace f with 0", "# Why.\n\na.rs: replace f with 0"])
def test_a_change_without_a_reason_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no reason"):
        parse_accepted(text)


def test_the_list_of_the_project_can_be_read() -> None:
    parse_accepted((Path(__file__).parents[1] / "mutants.txt").read_text())


def test_an_accepted_change_may_survive_on_any_line() -> None:
    lines, is_well = check(outcomes(["a.rs:9:1: replace f with 0"], ["c.rs:1:1: x"]), parse_accepted(LIST))
    assert (lines, is_well) == (["mutants tested=2 caught=1 accepted=1 survived=0"], True)


def test_another_survivor_fails() -> None:
    lines, is_well = check(outcomes(["a.rs:9:1: replace f with 1"], []), parse_accepted(LIST))
    assert lines[0] == "no test sees it: a.rs:9:1: replace f with 1"
    assert (lines[-1], is_well) == ("mutants tested=1 caught=0 accepted=0 survived=1", False)


def test_an_accepted_change_that_is_caught_leaves_the_list() -> None:
    lines, is_well = check(outcomes([], ["a.rs:9:1: replace f with 0"]), parse_accepted(LIST))
    assert "take it off the list: a.rs: replace f with 0" in lines[0] and not is_well


def test_the_same_change_on_two_lines_may_be_caught_on_one() -> None:
    found = outcomes(["b.rs:2:1: replace < with <= in g"], ["b.rs:7:1: replace < with <= in g"])
    assert check(found, parse_accepted(LIST))[1]


def test_nothing_tested_is_a_failure() -> None:
    assert not check(outcomes([], []), {})[1]
