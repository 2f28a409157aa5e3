"""One running `mcp`, as a user starts it: its own data folder, free ports, and nothing left behind.

Everything here goes through the command line, the HTTP interfaces and the process table; nothing looks inside.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

REPOSITORY = Path(__file__).resolve().parents[2]


def demo_model() -> Path:
    """The demo model's file."""
    files = sorted((REPOSITORY / "models").glob("**/*.gguf"))
    assert files, "no model is committed below models/"
    return files[0]


def bin_dir() -> Path:
    """Where `mcp` and `model-service` were built."""
    folder = os.environ.get("MCP_BIN_DIR") or REPOSITORY / "target" / "debug"
    return Path(folder).resolve()


def wait_for(what: str, probe: Callable[[], Any], seconds: float = 120.0, every_s: float = 0.05) -> Any:
    """Probes until the result is truthy and returns it; fails with the last result at the deadline."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s; last: {found!r}")
        pause.wait(every_s)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, different from each other."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@dataclass(frozen=True)
class Process:
    """A live process that belongs to a plane."""

    pid: int
    program: str
    arguments: tuple[str, ...]

    def option(self, name: str) -> str | None:
        """The value after `--name`."""
        flag = f"--{name}"
        if flag in self.arguments[:-1]:
            return self.arguments[self.arguments.index(flag) + 1]
        return None


class CommandFailed(AssertionError):
    """A command ended otherwise than the test expected."""


class Plane:
    """A control plane with its gateway, its local cloud and their processes."""

    def __init__(self, data_dir: Path, wrapper: tuple[str, ...] = ()) -> None:
        """`wrapper` is a command that every command runs under, as `prlimit --nofile=512`."""
        self.data_dir, self.wrapper = data_dir, wrapper
        self.gateway_port, self.control_port, self.cloud_port = free_ports(3)
        self.key = ""

    # Addresses

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.gateway_port}"

    @property
    def control(self) -> str:
        return f"http://127.0.0.1:{self.control_port}"

    @property
    def cloud(self) -> str:
        return f"http://127.0.0.1:{self.cloud_port}"

    # Commands

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MCP_")}
        return kept | {
            "MCP_DATA_DIR": str(self.data_dir),
            "MCP_GATEWAY_LISTEN": f"127.0.0.1:{self.gateway_port}",
            "MCP_CONTROL_LISTEN": f"127.0.0.1:{self.control_port}",
            "MCP_LOCAL_CLOUD_LISTEN": f"127.0.0.1:{self.cloud_port}",
            "NO_COLOR": "1",
        }

    def spawn(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts `mcp ARGUMENTS` and does not wait."""
        return subprocess.Popen(
            [*self.wrapper, bin_dir() / "mcp", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Runs `mcp ARGUMENTS` to its end, whatever that is."""
        return subprocess.run(
            [*self.wrapper, bin_dir() / "mcp", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def mcp(self, *arguments: str, seconds: float = 120.0) -> str:
        """Runs `mcp ARGUMENTS`, which must succeed; returns what it printed."""
        done = self.run(*arguments, seconds=seconds)
        if done.returncode != 0:
            raise CommandFailed(f"mcp {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """Runs `mcp ARGUMENTS --output json` and parses what it printed."""
        return json.loads(self.mcp(*arguments, "--output", "json"))

    def refuse(self, *arguments: str) -> dict[str, Any]:
        """Runs `mcp ARGUMENTS --output json`, which must fail; returns its problem."""
        done = self.run(*arguments, "--output", "json")
        assert done.returncode not in (0, 101) and done.returncode > 0, f"mcp {arguments}: exit {done.returncode}"
        assert "panicked" not in done.stderr, done.stderr
        printed = done.stdout.strip() or done.stderr.strip()
        problem = json.loads(printed)
        return problem.get("error", problem)

    # Life

    def up(self, *arguments: str, seconds: float = 180.0) -> None:
        """`mcp up --detach`: returns when it serves. Only the first start tells the key."""
        printed = self.mcp("up", "--detach", *arguments, seconds=seconds)
        found = re.search(r"^key: (sk-[A-Za-z0-9_-]{43})$", printed, re.MULTILINE)
        if found:
            self.key = found.group(1)
        # A start that was killed may have made it and told nobody: then it is where the next one says.
        self.key = self.key or self.secret("user.key")
        assert "\nkey: " in printed, f"no key in:\n{printed}"

    def down(self) -> None:
        """`mcp down`, after which nothing may be left."""
        self.mcp("down", seconds=180)
        wait_for("every process is gone after mcp down", lambda: not self.processes(), seconds=60)

    def kill(self, spare: int | None = None) -> None:
        """SIGKILL to `mcp` alone, as the kernel does when memory runs out; `spare` is the pid of a client command."""

        def servers() -> list[Process]:
            return [process for process in self.processes("mcp") if process.pid != spare]

        for process in servers():
            kill(process.pid)
        wait_for("mcp is gone", lambda: not servers(), seconds=60)

    def wipe(self) -> None:
        """Ends every process of this plane, by its id. For the end of a test, however it ended."""
        deadline = time.monotonic() + 60
        while self.processes() and time.monotonic() < deadline:
            for process in self.processes():
                kill(process.pid)

    # What is there

    def processes(self, program: str | None = None) -> list[Process]:
        """Live processes of this plane: its data folder is in their arguments or environment."""
        mark = str(self.data_dir).encode()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                command = (entry / "cmdline").read_bytes()
                zombie = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
                mine = mark in command or mark in (entry / "environ").read_bytes()
            except OSError:
                continue  # It ended while we looked, or is another user's.
            arguments = tuple(part.decode(errors="replace") for part in command.split(b"\0") if part)
            if mine and not zombie and arguments:
                process = Process(int(entry.name), Path(arguments[0]).name, arguments)
                if program is None or process.program == program:
                    found.append(process)
        return sorted(found, key=lambda process: process.pid)

    def services(self) -> list[Process]:
        """Its model services."""
        return self.processes("model-service")

    def secret(self, name: str) -> str:
        """A secret from the data folder, which nobody else may read."""
        path = self.data_dir / name
        assert path.stat().st_mode & 0o077 == 0, f"{path} can be read by others"
        return path.read_text().strip()

    def replica_credential(self) -> str:
        """What the local cloud shows to its replicas. They answer it, the gateway and the control plane alone."""
        return self.secret("clouds/local/credential")

    def cloud_token(self, role: str = "operator", audience: str | None = None) -> str:
        """A token for the local cloud, signed as the control plane signs its own."""
        now = int(time.time())
        claims = {"sub": "end-to-end", "aud": audience or f"{self.cloud}/local/mcp", "roles": [role]}
        return jwt.encode(claims | {"iat": now, "exp": now + 600}, self.secret(SIGNING_KEY), algorithm="EdDSA")

    def get(self, path: str) -> Any:
        """GET on the control plane's REST API, which must succeed."""
        status, body = self.rest("GET", path)
        assert status == 200, f"GET {path}: {status} {body}"
        return body

    def list(self, path: str) -> list[dict[str, Any]]:
        """The items of a list of the REST API."""
        return self.get(path)["items"]

    def deployments(self) -> list[str]:
        """The names of all deployments."""
        return [deployment["name"] for deployment in self.list("/v1/deployments")]

    def rest(self, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
        """One call of the control plane's REST API: status and parsed body."""
        return call(method, self.control + path, body, self.secret(ADMIN_TOKEN) if token is None else token)

    def status(self, deployment: str) -> dict[str, Any]:
        """The status tree of a deployment."""
        return self.get(f"/v1/deployments/{deployment}")

    def replicas(self, deployment: str, phase: str | None = None) -> list[dict[str, Any]]:
        """The replicas that the control plane found, optionally in one phase."""
        sites = self.status(deployment)["sites"]
        replicas = [replica for site in sites for replica in site["replicas"]]
        return [replica for replica in replicas if phase is None or replica["phase"] == phase]

    def wait_ready(self, deployment: str, count: int, seconds: float = 120.0) -> None:
        """Waits until a deployment has exactly `count` replicas, all ready."""

        def settled() -> bool:
            replicas = self.replicas(deployment)
            return len(replicas) == count and all(replica["phase"] == "ready" for replica in replicas)

        wait_for(f"{deployment} has {count} ready replicas", settled, seconds)


ADMIN_TOKEN = "admin.token"
SIGNING_KEY = "signing.pem"


def kill(pid: int) -> None:
    """SIGKILL, when the process is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def call(
    method: str, url: str, body: Any = None, token: str = "", seconds: float = 60.0, accept: str = "*/*"
) -> tuple[int, Any]:
    """One HTTP call with a JSON or raw body: status, and the body parsed when it is JSON."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    request.add_header("Content-Type", "application/json")
    request.add_header("Accept", accept)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return answer.status, parse(answer.read())
    except urllib.error.HTTPError as refused:
        return refused.code, parse(refused.read())


def parse(body: bytes) -> Any:
    """JSON, or text when it is something else."""
    text = body.decode(errors="replace")
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
