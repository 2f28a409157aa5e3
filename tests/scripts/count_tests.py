"""Counts what `cargo test` and pytest ran, from their output and exit status.

`count_tests.py STATUS < OUTPUT` prints "PASSED FAILED" and then the name of each failure. What failed without being a
test counts too: a crate that does not compile, a test program that died, a file of tests that cannot be imported, a run
without any test.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
RUNNING = re.compile(r"^\s*(?:Running|Doc-tests) (.+)")
RESULT = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed;")
DIED = re.compile(r"process didn't exit successfully: .*?\((.+)\)$")
NOT_COMPILED = re.compile(r"^error: could not compile (`[^`]+`(?: \([^)]+\))?)")
RUST_FAILURE = re.compile(r"^    (\S.*)$")
PYTEST_SUMMARY = re.compile(r"^=* ?(\d+ \w+.*|no tests ran) in [\d.]+s")
PYTEST_FAILURE = re.compile(r"^(?:FAILED|ERROR) (\S+)")


@dataclass
class Count:
    """What ran, and the names of what failed."""

    passed: int = 0
    failed: int = 0
    names: list[str] = field(default_factory=list)

    def fail(self, name: str) -> None:
        """One more failure."""
        self.failed += 1
        self.names.append(name)


def count(output: str, status: int) -> Count:
    """Counts one run of cargo or of pytest."""
    total = Count()
    lines = [COLOUR.sub("", line).rstrip("\r") for line in output.splitlines()]
    count_cargo(lines, total)
    count_pytest(lines, total)
    if total.failed == 0 and status != 0:
        total.fail(f"a command that ended with status {status}")
    if total.passed == 0 and total.failed == 0:
        total.fail("a run without any test")
    return total


def count_cargo(lines: list[str], total: Count) -> None:
    """Adds the results of each test program, and those that never gave one."""
    program: str | None = None
    in_failures = False
    listed: list[str] = []
    for line in lines:
        if found := NOT_COMPILED.match(line):
            total.fail(f"could not compile {found[1]}")
        elif found := RUNNING.match(line):
            if program is not None:
                total.fail(f"{program}: died without a result")
            program, listed, in_failures = short(found[1]), [], False
        elif found := RESULT.match(line):
            total.passed += int(found[1])
            total.failed += int(found[2])
            total.names += [f"{program}: {name}" for name in listed] if int(found[2]) else []
            program, listed, in_failures = None, [], False
        elif program is not None and (found := DIED.search(line)):
            total.fail(f"{program}: died ({found[1]})")
            program = None
        elif line == "failures:":
            listed, in_failures = [], True
        elif in_failures and (found := RUST_FAILURE.match(line)):
            listed.append(found[1])
    if program is not None:
        total.fail(f"{program}: died without a result")


def count_pytest(lines: list[str], total: Count) -> None:
    """Adds pytest's last summary line."""
    summaries = [found[1] for line in lines if (found := PYTEST_SUMMARY.match(line))]
    if not summaries:
        return
    for number, word in re.findall(r"(\d+) (passed|failed|error)", summaries[-1]):
        if word == "passed":
            total.passed += int(number)
        else:
            total.failed += int(number)
    total.names += [found[1] for line in lines if (found := PYTEST_FAILURE.match(line))]


def short(program: str) -> str:
    """`unittests src/lib.rs (target/debug/deps/state-1f2e)` as `state src/lib.rs`."""
    found = re.match(r"(?:unittests )?(\S+) \(.*/([^/]+?)-[0-9a-f]+\)", program)
    return f"{found[2]} {found[1]}" if found else program


if __name__ == "__main__":
    result = count(sys.stdin.read(), int(sys.argv[1]))
    print("\n".join([f"{result.passed} {result.failed}", *result.names]))
