"""Runs the official conformance tool and counts those of its checks that say something of what is tested."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
APPLIES = json.loads((HERE / "applies.json").read_text())
# The statuses that count, for and against.
GOOD, BAD = {"SUCCESS"}, {"FAILURE", "WARNING"}


class Count:
    """Checks that held, of those that applied, and what was found wrong."""

    def __init__(self) -> None:
        self.good = 0
        self.all = 0
        self.wrong: list[str] = []

    def add(self, name: str, held: bool, found: str = "") -> None:
        self.all += 1
        self.good += held
        if not held:
            self.wrong.append(f"{name}: {found}"[:1000])

    def __str__(self) -> str:
        return f"{self.good}/{self.all}"


def node_bin(program: str) -> str:
    """A program of the pinned Node packages."""
    return str(Path(os.environ["CONFORMANCE_NODE"]) / "node_modules" / ".bin" / program)


def run(arguments: list[str], out: Path, applies: str, count: Count, label: str) -> None:
    """One run of the tool; its results lie below `out`, a folder for each scenario."""
    done = subprocess.run(
        [node_bin("conformance"), *arguments, "-o", str(out)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    reports = sorted(out.rglob("checks.json"))
    if not reports:
        count.add(label, False, f"no results: {done.stdout[-2000:]} {done.stderr[-2000:]}")
    for report in reports:
        scenario = scenario_of(report, out)
        judge = which(APPLIES[applies], scenario)
        if judge is not None:
            checks = json.loads(report.read_text())
            if applies != "fixture":
                # A cloud has none of the tools that such checks need; the fixture has all of them.
                checks = [check for check in checks if not (check.get("details") or {}).get("untestable")]
            tally(checks, judge, count, f"{label} {scenario}")


def scenario_of(report: Path, out: Path) -> str:
    """The scenario's name, from a path such as `server-tools-list-2026-01-01T00-00-00-000Z/checks.json`."""
    name = str(report.parent.relative_to(out))
    return re.sub(r"-\d{4}-\d{2}-\d{2}T[\d-]+Z?$", "", name).removeprefix("server-run-").removeprefix("run-")


def which(applies: dict[str, Any], scenario: str) -> Callable[[str], bool] | None:
    """Which checks of a scenario apply; none when the scenario does not."""
    names = {scenario, scenario.removeprefix("server-"), scenario.removeprefix("client-")}
    if applies["only"] is not None and not names & set(applies["only"]):
        return None
    if names & set(applies["not"]):
        return None
    return lambda check: not any(f"{name}:{check}" in applies["not"] for name in names)


def tally(checks: list[dict[str, Any]], applies: Callable[[str], bool], count: Count, label: str) -> None:
    for check in checks:
        if check["status"] in GOOD | BAD and applies(check["id"]):
            found = check.get("errorMessage") or check["status"]
            count.add(f"{label} {check['id']}", check["status"] in GOOD, found)
