"""Compares the changes that no test saw with the list of those that are accepted.

`check_mutants.py MUTANTS_OUT ACCEPTED` fails when a change survived that the list does not name. The list holds one
change a line, as cargo-mutants names it without the line number, under comment lines that say why it is accepted.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def parse_accepted(text: str) -> dict[str, str]:
    """Each accepted change with its reason. Raises `ValueError` for one without."""
    accepted: dict[str, str] = {}
    reason: list[str] = []
    in_changes = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("#"):
            reason = [*([] if in_changes else reason), line.lstrip("# ")]
            in_changes = False
        elif not line.strip():
            reason, in_changes = [], False
        elif not reason:
            raise ValueError(f"line {number} has no reason above it: {line}")
        else:
            accepted[line.strip()] = " ".join(reason)
            in_changes = True
    return accepted


def without_place(change: str) -> str:
    """`a.rs:3:5: replace f with 0` as `a.rs: replace f with 0`: lines move, and a reason stays."""
    return re.sub(r"^([^:]+):\d+:\d+: ", r"\1: ", change)


def check(outcomes: dict[str, list[str]], accepted: dict[str, str]) -> tuple[list[str], bool]:
    """The lines to print, and whether all is well. The last line counts."""
    missed = outcomes["missed"]
    surviving = [change for change in missed if without_place(change) not in accepted]
    survived = {without_place(change) for change in missed}
    caught = outcomes["caught"] + outcomes["timeout"]
    stale = sorted({without_place(change) for change in caught} & set(accepted) - survived)
    lines = [f"no longer accepted, a test sees it now; take it off the list: {change}" for change in stale]
    lines += [f"no test sees it: {change}" for change in surviving]
    if surviving:
        lines.append("write a test that fails with the change, or name it in tests/mutants.txt with a reason")
    tested, explained = len(missed) + len(caught), len(missed) - len(surviving)
    lines.append(f"mutants tested={tested} caught={len(caught)} accepted={explained} survived={len(surviving)}")
    return lines, tested > 0 and not surviving and not stale


def read(folder: Path) -> dict[str, list[str]]:
    """What cargo-mutants wrote."""
    names = ("caught", "missed", "timeout")
    return {name: (folder / f"{name}.txt").read_text().splitlines() for name in names}


if __name__ == "__main__":
    printed, is_well = check(read(Path(sys.argv[1])), parse_accepted(Path(sys.argv[2]).read_text()))
    print("\n".join(printed))
    sys.exit(0 if is_well else 1)
