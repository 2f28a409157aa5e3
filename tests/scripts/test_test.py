"""`make test` and `make test-repeat` themselves, with canned outputs in place of compilers and tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine import Machine

ONE = "     Running unittests src/lib.rs (target/debug/deps/one-1f)\n"
TWO_PASS = f"{ONE}test result: ok. 2 passed; 0 failed; 0 ignored;\n"
ONE_FAILS = f"{ONE}failures:\n    tests::bad\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored;\n"
ABORTS = f"{ONE}  process didn't exit successfully: `one-1f` (signal: 6, SIGABRT)\n"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    print_tests(machine, TWO_PASS, 0)
    return machine


def print_tests(machine: Machine, output: str, status: int, before: str = "") -> None:
    (machine.folder / "cargo.out").write_text(output)
    machine.cargo(f'{before}\n[ "$1" != test ] || {{ cat "$FAKES/cargo.out"; exit {status}; }}')


def check_test(machine: Machine, last: str, *names: str) -> None:
    result = machine.run("scripts/test")
    lines = result.stdout.splitlines()
    assert lines[-1] == last, result.stdout
    assert (result.returncode == 0) == last.endswith(" 0 failed"), result.stdout
    listed = lines[lines.index("failed:") + 1 : -1] if "failed:" in lines else []
    assert listed == [f"  {name}" for name in names], result.stdout
    assert machine.left_over() == []


def test_all_is_well(machine: Machine) -> None:
    # Lints and the build are one each, then 2 of cargo and 3 of pytest.
    check_test(machine, "7 passed, 0 failed")


def test_a_failing_crate_hides_nothing(machine: Machine) -> None:
    print_tests(machine, ONE_FAILS + TWO_PASS, 101)
    check_test(machine, "8 passed, 1 failed", "one src/lib.rs: tests::bad")
    assert "test --locked --no-fail-fast --workspace" in machine.calls()


def test_a_test_that_aborts_its_program(machine: Machine) -> None:
    print_tests(machine, ABORTS + ONE_FAILS + TWO_PASS, 101)
    check_test(
        machine,
        "8 passed, 2 failed",
        "one src/lib.rs: died (signal: 6, SIGABRT)",
        "one src/lib.rs: tests::bad",
    )


def test_what_does_not_compile_ends_the_run(machine: Machine) -> None:
    machine.cargo('[ "$1" != build ] || { echo "error: could not compile `a` (lib)"; exit 101; }')
    check_test(machine, "1 passed, 1 failed", "build")


def test_a_file_of_tests_that_cannot_be_imported(machine: Machine) -> None:
    machine.pytest("ERROR e2e/test_cli.py - SyntaxError\n2 passed, 1 error in 1.00s", 1)
    check_test(machine, "6 passed, 1 failed", "e2e/test_cli.py")


@pytest.mark.parametrize(
    ("output", "status", "name"),
    [
        ("", 139, "a command that ended with status 139"),
        ("no tests ran in 0.01s", 5, "a command that ended with status 5"),
        ("", 0, "a run without any test"),
    ],
)
def test_end_to_end_tests_that_do_not_run(machine: Machine, output: str, status: int, name: str) -> None:
    machine.pytest(output, status)
    check_test(machine, "4 passed, 1 failed", name)


def test_no_rust_test_at_all(machine: Machine) -> None:
    print_tests(machine, "", 0)
    check_test(machine, "5 passed, 1 failed", "a run without any test")


def test_a_lint_fails_and_the_tests_run(machine: Machine) -> None:
    machine.fails("shellcheck", "SC2086")
    check_test(machine, "6 passed, 1 failed", "format, lints and tidy")


def check_repeat(machine: Machine, arguments: list[str], last: str) -> str:
    result = machine.run("scripts/test-repeat", *arguments)
    assert result.stdout.splitlines()[-1] == last, result.stdout
    assert (result.returncode == 0) == last.endswith("failed=0"), result.stdout
    assert machine.left_over() == []
    return result.stdout


def test_half_of_the_rounds_run_beside_busy_loops(machine: Machine) -> None:
    output = check_repeat(machine, ["4"], "repeat runs=4 failed=0")
    rounds = [line for line in output.splitlines() if line.startswith("round ")]
    assert [line.endswith("beside 3 busy loops") for line in rounds] == [False, False, True, True]
    assert all("5 passed, 0 failed" in line for line in rounds)
    assert machine.calls().count("cargo build") == 1, "built once"


def test_a_test_that_fails_in_one_round_is_named(machine: Machine) -> None:
    once = '[ "$1" != test ] || [ -e "$FAKES/once" ] || { touch "$FAKES/once"; cat "$FAKES/bad.out"; exit 101; }'
    (machine.folder / "bad.out").write_text(ONE_FAILS)
    print_tests(machine, TWO_PASS, 0, before=once)
    output = check_repeat(machine, ["3"], "repeat runs=3 failed=1")
    assert "      1 one src/lib.rs: tests::bad" in output
    assert (machine.folder / "target/test-repeat/round-1-cargo.log").read_text() == ONE_FAILS


def test_some_crates_alone(machine: Machine) -> None:
    check_repeat(machine, ["2", "-p", "state"], "repeat runs=2 failed=0")
    assert "pytest" not in machine.calls().replace(str(machine.folder), "")
    assert machine.calls().count("cargo test --locked --no-fail-fast -p state -- --quiet") == 2


@pytest.mark.parametrize("rounds", ["0", "-1", "x", "1e3"])
def test_rounds_are_a_number(machine: Machine, rounds: str) -> None:
    result = machine.run("scripts/test-repeat", rounds)
    assert result.returncode != 0 and "no number of rounds" in result.stdout
