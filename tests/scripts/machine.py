"""A machine made of fakes: a PATH on which every tool that installs or builds is a script of the test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What the scripts may use as it is.
REAL = """
bash sh env awk cat chmod cp cut dirname flock grep head id ln mkdir mktemp nproc realpath rm sed sha256sum sort tail
tee touch tr uname uniq wc
"""
FAKE = "cc c++ cmake curl apt-get rustup node ruff shellcheck nginx strace make"

# As far as the scripts use it: makes an environment whose pip and python are fakes too.
PYTHON = """\
case "$*" in
  "-m venv "*) mkdir -p "$3/bin" && cp "$0.pip" "$3/bin/pip" && cp "$0.inner" "$3/bin/python" ;;
  "-m pip config get global.cert") exit 1 ;;
  --version) echo Python 3.12.0 ;;
esac"""
# Inside the environment: counting is real, pytest prints what the test wants, anything else asks for the wheel of Node.
INNER = """\
case "$1" in
  tests/scripts/count_tests.py) exec "$REAL_PYTHON" "$@" ;;
  -m) cat "$FAKES/pytest.out"; exit "$(cat "$FAKES/pytest.status")" ;;
  *) mkdir -p "$FAKES/wheel/bin" && cp "$FAKES/bin/node" "$FAKES/wheel/bin/node" && echo "$FAKES/wheel" ;;
esac"""


class Machine:
    """Fakes in a folder of the test's own. All of them succeed until the test says otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.environment: dict[str, str] = {}
        for name in REAL.split():
            tool = shutil.which(name)
            assert tool, f"{name} is needed for this test"
            (self.bin / name).symlink_to(tool)
        channel = (ROOT / "rust-toolchain.toml").read_text().split('channel = "')[1].split('"')[0]
        self.cargo_version = f"cargo {channel} (0000 2026-01-01)"
        for name in FAKE.split():
            self.fake(name, "exit 0")
        self.cargo("exit 0")
        self.fake("python3", PYTHON)
        self.fake("python3.pip", "exit 0")
        self.fake("python3.inner", INNER)
        self.pytest("3 passed in 0.01s", 0)

    def fake(self, name: str, body: str) -> None:
        """Puts a tool on the PATH; each call is noted."""
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>"$FAKES/calls"\n{body}\n')
        path.chmod(0o755)

    def fails(self, name: str, text: str, status: int = 1) -> None:
        """A tool that prints `text` and fails."""
        (self.folder / f"{name}.text").write_text(f"{text}\n")
        self.fake(name, f'cat "$FAKES/{name}.text" >&2\nexit {status}')

    def cargo(self, body: str) -> None:
        """Cargo, which always knows its version."""
        self.fake("cargo", f'[ "$1" != --version ] || {{ echo "{self.cargo_version}"; exit 0; }}\n{body}')

    def pytest(self, output: str, status: int) -> None:
        """What the end-to-end tests print, and how they end."""
        (self.folder / "pytest.out").write_text(f"{output}\n")
        (self.folder / "pytest.status").write_text(str(status))

    def lack(self, name: str) -> None:
        """Takes a tool away."""
        (self.bin / name).unlink()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs one of the scripts; both outputs come as one text."""
        environment = {
            "PATH": str(self.bin),
            "HOME": str(self.folder),
            "FAKES": str(self.folder),
            "REAL_PYTHON": sys.executable,
            "LIBCLANG_PATH": str(self.folder),
            "CARGO_HOME": str(self.folder / "cargo"),
            "CARGO_TARGET_DIR": str(self.folder / "target"),
            "MCP_TEST_CACHE": str(self.folder / "cache"),
            "TMPDIR": str(self.folder),
            **self.environment,
        }
        return subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )

    def calls(self) -> str:
        """Every call of a fake so far."""
        return (self.folder / "calls").read_text()

    def left_over(self) -> list[str]:
        """Temporary files that a script left behind."""
        return [name for name in os.listdir(self.folder) if name.startswith("tmp.")]
