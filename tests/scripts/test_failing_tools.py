"""A step that fails names its command, shows its last lines and says what to try, whichever tool it was."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def check_told(result: subprocess.CompletedProcess[str], command: str, text: str, hint: str) -> None:
    lines = result.stdout.splitlines()
    tried = [number for number, line in enumerate(lines) if line.startswith("  try: ")]
    assert result.returncode != 0 and len(tried) == 1, result.stdout
    assert lines[tried[0] - 1].startswith("error: ") and command in lines[tried[0] - 1], result.stdout
    assert hint in lines[tried[0]], result.stdout
    assert any(text in line for line in lines[: tried[0]]), result.stdout


CERTIFICATE = "npm error code SELF_SIGNED_CERT_IN_CHAIN\nnpm error self-signed certificate in certificate chain"


def test_npm_behind_an_unknown_authority(machine: Machine) -> None:
    machine.fails("node", CERTIFICATE)
    result = machine.run("scripts/test")
    check_told(result, "npm-cli.js ci", "npm error code SELF_SIGNED_CERT_IN_CHAIN", "NODE_EXTRA_CA_CERTS")
    assert machine.left_over() == []


def test_a_failed_install_is_done_again(machine: Machine) -> None:
    machine.fails("node", "npm error network ECONNREFUSED 127.0.0.1")
    check_told(machine.run("scripts/test"), "npm-cli.js ci", "ECONNREFUSED", "network")
    machine.fake("node", "exit 0")
    machine.cargo("echo 'test result: ok. 1 passed; 0 failed;'")
    result = machine.run("scripts/test")
    assert (result.returncode, machine.calls().count("npm-cli.js ci")) == (0, 2), result.stdout
    machine.run("scripts/test")
    assert machine.calls().count("npm-cli.js ci") == 2, "what is there is not installed again"


def test_pip(machine: Machine) -> None:
    text = "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"
    machine.fails("python3.pip", text)
    check_told(machine.run("scripts/test"), "pip install", "CERTIFICATE_VERIFY_FAILED", "PIP_CERT")
    machine.fails("python3.pip", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES")
    check_told(machine.run("scripts/lint"), "pip install", "DO NOT MATCH", "pip config list")


def test_only_the_last_lines_are_shown(machine: Machine) -> None:
    lines = [f"line {number}" for number in range(1, 101)]
    machine.fails("python3.pip", "\n".join(lines))
    output = machine.run("scripts/test").stdout.splitlines()
    assert [line.removeprefix("  | ") for line in output if "line " in line and "| " in line] == lines[-30:]


def test_venv(machine: Machine) -> None:
    machine.fake("python3", 'case "$*" in "-m venv "*) echo "ensurepip is not available"; exit 1 ;; esac')
    check_told(machine.run("scripts/test"), "-m venv", "ensurepip is not available", "venv module")


def test_apt_get(machine: Machine) -> None:
    machine.lack("cmake")
    machine.fails("apt-get", "Err:1 bookworm InRelease\n  Temporary failure resolving 'debian'", 100)
    check_told(machine.run("scripts/up"), "apt-get -q update", "Temporary failure resolving", "network")
    machine.fake("apt-get", 'case "$*" in *install*) echo "E: Unable to locate package cmake"; exit 100 ;; esac')
    check_told(machine.run("scripts/bench", "state"), "install -y", "E: Unable to locate package", "by hand: cmake")


def test_apt_get_without_root(machine: Machine) -> None:
    machine.lack("cmake")
    machine.fake("id", "echo 1000")
    check_told(machine.run("scripts/up"), "needs root", "sudo is not there", "as root: apt-get")


def test_rustup_cannot_be_fetched(machine: Machine) -> None:
    machine.cargo_version = "cargo 1.0.0"
    machine.cargo("exit 0")
    machine.lack("rustup")
    machine.fails("curl", "curl: (60) SSL certificate problem: unable to get local issuer certificate", 60)
    check_told(machine.run("scripts/up"), "curl --proto", "unable to get local issuer", "SSL_CERT_FILE")
    # What was fetched is not what its digest says.
    machine.fake(
        "curl", 'for last in "$@"; do :; done; while [ "$1" != -o ]; do shift; done; echo a >"$2"; echo b >"$5"'
    )
    check_told(machine.run("scripts/up"), "sha256sum", "sha256sum", "damaged")


def test_a_toolchain_cannot_be_installed(machine: Machine) -> None:
    machine.cargo_version = "cargo 1.0.0"
    machine.cargo("exit 0")
    machine.fails("rustup", "error: could not download file", 1)
    check_told(machine.run("scripts/up"), "rustup toolchain install", "could not download file", "rustup.rs")


@pytest.mark.parametrize(
    "command",
    [
        ["scripts/up"],
        ["scripts/bench", "state"],
        ["scripts/bench", "gateway"],
        ["scripts/bench-planning.sh", "docs"],
        ["scripts/drill", "site_loss"],
        ["scripts/test-repeat", "1"],
    ],
    ids=lambda command: command[0],
)
def test_cargo_cannot_build(machine: Machine, command: list[str]) -> None:
    machine.cargo('echo "error: linking with cc failed" >&2; exit 101')
    check_told(machine.run(*command), "cargo build", "linking with cc failed", "first error")
    machine.cargo('echo "error: failed to download: Could not resolve host" >&2; exit 101')
    check_told(machine.run(*command), "cargo build", "Could not resolve host", "HTTPS_PROXY")


@pytest.mark.parametrize("command", [["scripts/bench"], ["scripts/drill"], ["scripts/drill", "x"], ["scripts/down"]])
def test_wrong_use_is_told(machine: Machine, command: list[str]) -> None:
    check_told(machine.run(*command), "", "", "make")


def test_what_no_step_expected_is_told_too(machine: Machine) -> None:
    machine.fails("ln", "ln: cannot create a link")
    check_told(machine.run("scripts/test"), "status 1 from: ln ", "cannot create a link", "message above")


def test_each_lint_that_fails_is_named(machine: Machine) -> None:
    machine.fails("shellcheck", "SC2086")
    machine.cargo('case "$1" in clippy) echo "unused variable"; exit 101 ;; esac')
    result = machine.run("scripts/lint")
    check_told(result, "shellcheck; clippy; failed", "unused variable", "make lint")
    assert "SC2086" in result.stdout and "-- clippy failed: cargo clippy" in result.stdout


def test_ci_installs_make(machine: Machine) -> None:
    machine.lack("make")
    machine.fails("apt-get", "E: dpkg was interrupted", 100)
    check_told(machine.run(".ci/run"), "apt-get", "dpkg was interrupted", "")


def test_the_systems_certificates_are_used_where_nothing_is_set(machine: Machine) -> None:
    show = 'echo "node:${NODE_EXTRA_CA_CERTS:-} pip:${PIP_CERT:-}" >>"$FAKES/certificates"'
    machine.fake("node", show)
    machine.fake("python3.pip", show)
    system = machine.run("bash", "-c", "source scripts/report.sh; system_certificates").stdout.strip()
    machine.run("scripts/lint")
    assert (machine.folder / "certificates").read_text().splitlines() == [f"node:{system} pip:{system}"] * 2


def test_certificates_that_are_set_are_kept(machine: Machine) -> None:
    machine.environment = {"NODE_EXTRA_CA_CERTS": "/own/node.pem", "REQUESTS_CA_BUNDLE": "/own/pip.pem"}
    machine.fake("node", 'echo "node:${NODE_EXTRA_CA_CERTS:-} pip:${PIP_CERT:-}" >"$FAKES/certificates"')
    machine.run("scripts/lint")
    assert (machine.folder / "certificates").read_text() == "node:/own/node.pem pip:\n"
