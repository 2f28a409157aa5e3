"""Send what does harm, with ordinary clients beside, and see that nobody else notices.

Three replicas of the demo model serve ordinary clients (the official OpenAI SDK, no retries) the whole time. Meanwhile
come, one after the other: requests whose work is huge, model files and chat templates that would run for hours,
connections that say nothing or never read, malformed calls of the cloud's tools, and a pause of `mcp` that is longer
than a replica may be silent. `mcp` runs with 512 file descriptors.

Prints what went wrong, and as its last line `hostile cases=… outages=… wrongly_killed=… ordinary_failed=…
ordinary_p99_ratio=…`:

- cases: what was sent, a request, a file, a group of connections or a call each;
- outages: times that `/health` of the gateway or the control plane was not answered within five seconds;
- wrongly_killed: replicas of the demo model that are no longer there at the end, though none was faulty;
- ordinary_failed: ordinary requests without a whole answer;
- ordinary_p99_ratio: the 99th percentile of their time beside hostile cases, to that without.

Exits with 1 when any of these is not zero, when the ratio is above 3, or when a case was answered with a fault of the
server (5xx other than 503) or not within 30 seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import hostile_models
import hostile_requests
import hostile_sockets as sockets
from ordinary import HEALTH_LIMIT_S, Ordinary, Watch
from plane import Plane, call, demo_model

DEPLOYMENT = "demo-local"
DESCRIPTORS = 512
ANSWER_LIMIT_S = 30.0
RATIO_LIMIT = 3.0


@dataclass
class Drill:
    """The cases, and what was wrong with their answers."""

    plane: Plane
    folder: Path
    draw: random.Random
    watch: Watch
    ordinary: Ordinary
    cases: int = 0
    wrong: list[str] = field(default_factory=list)

    def case(self, name: str, work: Callable[[], str]) -> None:
        """Runs one case; `work` returns what is wrong, or nothing."""
        began = time.monotonic()
        wrong = work()
        took_s = time.monotonic() - began
        self.cases += 1
        if wrong:
            self.wrong.append(f"{name}: {wrong}")
        print(f"{took_s:6.2f} s  {name}{'  WRONG: ' + wrong if wrong else ''}", flush=True)

    def request(self, one: hostile_requests.Request) -> None:
        self.case(one.name, lambda: self.ask(one.path, one.body))

    def ask(self, path: str, body: bytes) -> str:
        try:
            url, limit_s = f"{self.plane.gateway}{path}", ANSWER_LIMIT_S
            status, answer = call("POST", url, body, self.plane.key, limit_s)
        except OSError as error:
            # The server may close while a body that it will not take is still being sent.
            closed = isinstance(error, urllib.error.URLError) and isinstance(error.reason, ConnectionError)
            return "" if closed or isinstance(error, ConnectionError) else f"no answer: {error}"
        return "" if status < 500 or status == 503 else f"{status} {str(answer)[:200]}"

    def requests(self, more: str) -> None:
        for one in hostile_requests.all_of(self.draw.randrange(2**32)) + hostile_requests.from_file(more):
            self.request(one)

    def files(self) -> None:
        """Files that must be refused, then models that load and have harmful templates, each asked and removed."""
        for name, path in hostile_models.unloadable(demo_model(), self.folder).items():
            self.case(f"file-{name}", lambda path=path: self.register(path, refused=True))
        for name, path in hostile_models.harmful_templates(demo_model(), self.folder).items():
            self.case(f"file-{name}", lambda name=name, path=path: self.template(name, path))

    def register(self, path: Path, refused: bool, name: str = "odd") -> str:
        body = {"name": name, "version": "1.0", "path": str(path)}
        try:
            status, answer = self.plane.rest("POST", "/v1/models", body)
        except OSError as error:
            return f"no answer: {error}"
        if refused:
            return "" if 400 <= status < 500 else f"{status} {str(answer)[:200]}"
        return "" if status < 300 or 400 <= status < 500 else f"{status} {str(answer)[:200]}"

    def template(self, name: str, path: Path) -> str:
        wrong = self.register(path, refused=False, name=name)
        body = {"name": name, "model": f"{name}:1.0", "environment": "local", "replicas": 1}
        status, answer = self.plane.rest("POST", "/v1/deployments", body)
        if wrong or 400 <= status < 500:
            return wrong
        if status >= 300:
            return f"{status} {str(answer)[:200]}"
        wrong = ""
        deadline = time.monotonic() + ANSWER_LIMIT_S
        while time.monotonic() < deadline and not self.plane.replicas(name, "ready"):
            sockets.HELD.wait(0.1)
        for _ in range(2):
            asked = {"model": name, "messages": hostile_requests.QUESTION, "max_tokens": 4}
            wrong = wrong or self.ask(hostile_requests.CHAT, json.dumps(asked).encode())
        self.plane.rest("DELETE", f"/v1/deployments/{name}")
        return wrong

    def connections(self) -> None:
        plane, key = self.plane, self.plane.key
        ports = {"gateway": plane.gateway_port, "control": plane.control_port, "cloud": plane.cloud_port}
        replica = urllib.parse.urlparse(plane.replicas(DEPLOYMENT)[0]["url"]).port
        body = json.dumps({"model": "demo", "messages": hostile_requests.QUESTION, "max_tokens": 2_000, "stream": True})
        chat = hostile_requests.CHAT
        stream = sockets.post(chat, key, len(body)) + body.encode()

        def group(name: str, work: Callable[[], int]) -> None:
            def opened() -> str:
                work()
                return ""

            self.case(name, opened)

        for name, port in (ports | {"replica": replica}).items():
            group(f"idle-300-{name}", lambda port=port: sockets.hold(port, 300, b"", 4))
            group(f"half-heads-300-{name}", lambda port=port: sockets.hold(port, 300, b"POST /v1/ch", 4))
            for odd, head in sockets.ODD_HEADS.items():
                self.case(f"head-{odd}-{name}", lambda port=port, head=head: odd_answer(sockets.odd_head(port, head)))
        half = sockets.post(chat, key, 1_000) + b"{"
        group("half-bodies-2060", lambda: sockets.hold(plane.gateway_port, 2_060, half, 6))
        large = sockets.post(chat, key, 30_000_000) + b"{" * 65_536
        group("half-large-bodies-100", lambda: sockets.hold(plane.gateway_port, 100, large, 4))
        group("drip-100", lambda: sockets.drip(plane.gateway_port, 100, half, 5))
        group("unread-streams-100", lambda: sockets.hold(plane.gateway_port, 100, stream, 8, receive_bytes=1_024))
        bomb = sockets.bomb(chat, key)
        self.case("gzip-bomb", lambda: odd_answer(sockets.odd_head(plane.gateway_port, bomb)))

    def tool_calls(self) -> None:
        token, url = self.plane.cloud_token(), f"{self.plane.cloud}/local/mcp"
        deep = b"[" * 100_000 + b"]" * 100_000
        params: list[object] = [
            None,
            [],
            7,
            {},
            {"name": 3},
            {"name": "x" * 10**6},
            {"name": "get_quotas", "arguments": "{}"},
        ]
        params += [
            {"name": "deploy_model", "arguments": []},
            {"name": "get_quotas", "arguments": {"region": "\x1b[2J"}},
        ]
        bodies = [
            json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": one}).encode() for one in params
        ]
        bodies += [deep, b"{", b"", b"null", b'{"jsonrpc":"1.0"}', b'{"jsonrpc":"2.0","id":{},"method":"tools/list"}']
        bodies += [b"\xff" * 1_000, b'{"jsonrpc":"2.0","id":1,"method":"' + b"m" * 10**6 + b'"}', b" " * 10_000_000]
        for at, body in enumerate(bodies):
            for secret in (token, ""):
                self.case(
                    f"tool-call-{at}{'' if secret else '-anonymous'}", lambda b=body, s=secret: server_fault(url, b, s)
                )

    def pause(self, seconds: float) -> None:
        """Stops `mcp` for longer than a replica may be silent. Ordinary requests wait, and are answered after it."""
        pids = [process.pid for process in self.plane.processes("mcp")]

        def stopped() -> str:
            self.watch.paused.set()
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            sockets.HELD.wait(seconds)
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            sockets.HELD.wait(HEALTH_LIMIT_S)
            self.watch.paused.clear()
            return ""

        self.ordinary.phase = "paused"
        self.case(f"pause-{seconds:.0f}-s", stopped)


def odd_answer(answer: bytes) -> str:
    """A closed connection and any refusal will do; a fault of the server will not."""
    status = answer[9:12].decode(errors="replace") if answer.startswith(b"HTTP/") else ""
    return f"answered {answer[:40]!r}" if status.startswith("5") and status not in ("501", "503", "505") else ""


def server_fault(url: str, body: bytes, token: str) -> str:
    try:
        status, answer = call("POST", url, body, token, ANSWER_LIMIT_S)
    except ConnectionError:
        return ""
    except OSError as error:
        closed = isinstance(error, urllib.error.URLError) and isinstance(error.reason, ConnectionError)
        return "" if closed else f"no answer: {error}"
    return "" if status < 500 or status == 503 else f"{status} {str(answer)[:200]}"


def instances(plane: Plane) -> set[str]:
    """The demo model's instances, by id."""
    found = (service.option("instance-id") for service in plane.services() if service.option("alias") == "demo:1.0")
    return {instance for instance in found if instance}


def phases(drill: Drill, options: argparse.Namespace) -> Iterator[tuple[str, Callable[[], None]]]:
    more = options.cases.read_text() if options.cases else ""
    yield "hostile", lambda: drill.requests(more)
    yield "hostile", drill.connections
    yield "hostile", drill.tool_calls
    yield "hostile", drill.files
    yield "paused", lambda: drill.pause(options.pause_seconds)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=4, help="ordinary clients")
    parser.add_argument("--quiet-seconds", type=float, default=12, help="ordinary traffic alone, between the phases")
    parser.add_argument("--pause-seconds", type=float, default=40)
    parser.add_argument("--cases", type=Path, help="more requests: JSON lines with id, path and body")
    parser.add_argument("--seed", type=int, default=None)
    return parser.parse_args()


def run(plane: Plane, folder: Path, options: argparse.Namespace, seed: int) -> int:
    plane.wait_ready(DEPLOYMENT, 3)
    before = instances(plane)
    assert len(before) == 3, f"three instances are meant to run: {before}"
    watch = Watch(plane)
    # A key of their own: what one key does is that key's affair.
    key = plane.json("key", "create", "--name", "ordinary")["secret"]
    ordinary = Ordinary(f"{plane.gateway}/v1", key, options.clients)
    drill = Drill(plane, folder, random.Random(seed), watch, ordinary)
    watcher = threading.Thread(target=watch.run)
    ordinary.start()
    watcher.start()
    try:
        for phase, work in phases(drill, options):
            ordinary.phase = "quiet"
            sockets.HELD.wait(options.quiet_seconds)
            ordinary.phase = phase
            work()
        ordinary.phase = "after"
        sockets.HELD.wait(options.quiet_seconds)
    finally:
        watch.over.set()
        ordinary.end()
        watcher.join()
    return report(drill, before - instances(plane))


def report(drill: Drill, killed: set[str]) -> int:
    ordinary, watch = drill.ordinary, drill.watch
    for title, lines in (("wrong", drill.wrong), ("outage", watch.outages), ("ordinary failed", ordinary.failures)):
        for line in lines[:40]:
            print(f"{title}: {line}")
    for instance in sorted(killed):
        print(f"wrongly killed: {instance}")
    quiet_s, hostile_s = ordinary.p99_s("quiet"), ordinary.p99_s("hostile")
    counts = {phase: len(times) for phase, times in ordinary.times_s.items()}
    print(f"ordinary requests {counts}; p99 {quiet_s:.3f} s quiet, {hostile_s:.3f} s beside hostile cases")
    ratio = hostile_s / quiet_s
    print(
        f"hostile cases={drill.cases} outages={len(watch.outages)} wrongly_killed={len(killed)} "
        f"ordinary_failed={len(ordinary.failures)} ordinary_p99_ratio={ratio:.2f}"
    )
    good = not (drill.wrong or watch.outages or killed or ordinary.failures) and ratio <= RATIO_LIMIT
    return 0 if good else 1


def main() -> int:
    options = parse_arguments()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed: {seed} (repeat with --seed {seed})")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="mcp-drill-") as folder:
        data, files = Path(folder) / "data", Path(folder) / "files"
        files.mkdir()
        plane = Plane(data, ("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}"))
        try:
            plane.up()
            status = run(plane, files, options, seed)
            plane.down()
        finally:
            plane.wipe()
    return status


if __name__ == "__main__":
    sys.exit(main())
