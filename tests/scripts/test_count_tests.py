"""The counting of tests, on what cargo and pytest really print."""

from __future__ import annotations

import pytest
from count_tests import count

GOOD = """\
     Running unittests src/lib.rs (target/debug/deps/c-b8f9cf2b557ae793)

running 2 tests
..
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests c

running 0 tests

test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
"""

# A failing test that itself prints what looks like a list of failures.
BAD = """\
     Running unittests src/lib.rs (target/debug/deps/a-3110576fc3c3c96d)

running 3 tests
tests::bad2 --- FAILED
. 2/3
tests::bad --- FAILED

failures:

---- tests::bad2 stdout ----
failures:
    odd

thread 'tests::bad2' (23923) panicked at a/src/lib.rs:1:129:
   3: core::panicking::assert_failed::<i32, i32>
             at /rustc/library/core/src/panicking.rs:380:5

failures:
    tests::bad
    tests::bad2

test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.16s

error: test failed, to rerun pass `-p a --lib`
"""

ABORTED = """\
     Running tests/it/main.rs (/build/debug/deps/it-d297d743c1d6421f)

running 2 tests
.error: test failed, to rerun pass `-p b --test it`

Caused by:
  process didn't exit successfully: `/build/debug/deps/it-d297d743c1d6421f --quiet` (signal: 6, SIGABRT: process abort)
"""

NOT_COMPILED = """\
   Compiling d v0.1.0 (/d)
error[E0308]: mismatched types
error: could not compile `d` (lib) due to 1 previous error
warning: build failed, waiting for other jobs to finish...
error: could not compile `e` (test "it") due to 3 previous errors
"""


def check(output: str, status: int, passed: int, failed: int, *names: str) -> None:
    found = count(output, status)
    assert (found.passed, found.failed, found.names) == (passed, failed, list(names))


def test_what_passes_is_added_up() -> None:
    check(GOOD + GOOD, 0, 4, 0)


def test_failures_are_named_and_do_not_hide_the_rest() -> None:
    check(BAD + GOOD, 101, 3, 2, "a src/lib.rs: tests::bad", "a src/lib.rs: tests::bad2")


def test_a_program_that_dies_is_a_failure_beside_others() -> None:
    died = "it tests/it/main.rs: died (signal: 6, SIGABRT: process abort)"
    check(ABORTED + GOOD, 101, 2, 1, died)
    found = count(BAD + ABORTED, 101)
    assert (found.passed, found.failed, found.names[-1]) == (1, 3, died)


def test_a_program_without_a_result_is_a_failure() -> None:
    cut = GOOD.splitlines()[0]
    check(f"{cut}\n{GOOD}", 0, 2, 1, "c src/lib.rs: died without a result")
    check(GOOD + cut, 137, 2, 1, "c src/lib.rs: died without a result")


def test_what_does_not_compile_is_a_failure() -> None:
    check(NOT_COMPILED, 101, 0, 2, "could not compile `d` (lib)", 'could not compile `e` (test "it")')


def test_colours_change_nothing() -> None:
    check(
        "\x1b[1m\x1b[91merror\x1b[0m\x1b[1m: could not compile `d` (lib) due to 1\x1b[0m",
        101,
        0,
        1,
        "could not compile `d` (lib)",
    )
    check("\x1b[32m\x1b[1m3 passed\x1b[0m\x1b[32m in 0.01s\x1b[0m", 0, 3, 0)


def test_nothing_run_is_a_failure() -> None:
    check("", 0, 0, 1, "a run without any test")
    check("no tests ran in 0.01s", 5, 0, 1, "a command that ended with status 5")
    check("cargo: command not found", 127, 0, 1, "a command that ended with status 127")


@pytest.mark.parametrize(
    ("summary", "status", "passed", "failed"),
    [
        ("3 passed in 0.01s", 0, 3, 0),
        ("1 failed, 12 passed, 1 warning in 75.21s (0:01:15)", 1, 12, 1),
        ("===== 2 failed, 3 passed, 1 skipped, 2 errors in 4.2s =====", 1, 3, 4),
        ("1 passed, 7 subtests passed in 0.03s", 0, 1, 0),
        ("5 passed, 1 error in 1.00s", 1, 5, 1),
        ("4 passed in 2.00s", 139, 4, 1),
    ],
)
def test_summaries_of_pytest(summary: str, status: int, passed: int, failed: int) -> None:
    found = count(f"....\n{summary}\n", status)
    assert (found.passed, found.failed) == (passed, failed)


def test_failures_of_pytest_are_named() -> None:
    output = """\
ERROR drills/test_load.py - ModuleNotFoundError: No module named 'x'
FAILED e2e/test_cli.py::test_one[a-b] - assert 1 == 2
1 failed, 9 passed, 1 error in 3.00s
"""
    check(output, 1, 9, 2, "drills/test_load.py", "e2e/test_cli.py::test_one[a-b]")
