"""Lose a replica every few seconds and a whole site halfway, while clients ask.

Twenty clients with the official OpenAI SDK and no retries, half of them streaming. Prints what was killed, what failed,
and as its last line `site-loss requests=… failed=… failed_before_first_byte=… cut_midstream=… replace_s=…`:

- requests: all that were asked;
- failed: unary requests that were not answered whole;
- failed_before_first_byte: streams that ended before they had brought content;
- cut_midstream: streams that ended after that, before their finish reason;
- replace_s: the longest time from a kill until as many replicas as wanted were ready again.

Exits with 1 when a request failed that the gateway could have moved, or replacing took longer than 10 s.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from load import Load
from plane import Plane, Process, call, kill

DEPLOYMENT = "demo-local"
REPLACE_LIMIT_S = 10.0


@dataclass
class Watch:
    """Measures how long the deployment was short of replicas after each kill."""

    plane: Plane
    wanted: int
    lost: dict[str, float] = field(default_factory=dict)
    times_s: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)

    def strike(self, ids: list[str]) -> None:
        """Notes that these replicas were killed now."""
        with self.lock:
            self.lost.update(dict.fromkeys(ids, time.monotonic()))

    def look(self) -> None:
        """Reads the status tree: whole again means as many ready as wanted, and none of the dead among them."""
        ready = {replica["id"] for replica in self.plane.replicas(DEPLOYMENT, "ready")}
        with self.lock:
            if self.lost and len(ready) >= self.wanted and not ready & self.lost.keys():
                self.times_s.append(time.monotonic() - min(self.lost.values()))
                self.lost.clear()

    def run(self) -> None:
        while not self.over.wait(0.1):
            self.look()

    def worst_s(self) -> float:
        """The longest time, counting one that is not over."""
        with self.lock:
            return max([*self.times_s, *(time.monotonic() - at for at in self.lost.values())], default=0.0)


def identity(service: Process) -> str:
    return service.option("instance-id") or str(service.pid)


def strike_one(plane: Plane, watch: Watch, draw: random.Random, elapsed_s: float) -> None:
    """Kills one model service."""
    victim = draw.choice(plane.services())
    watch.strike([identity(victim)])
    kill(victim.pid)
    print(f"{elapsed_s:5.1f} s: killed replica {identity(victim)} (pid {victim.pid})", flush=True)


def strike_site(plane: Plane, watch: Watch, elapsed_s: float) -> None:
    """Takes the fullest site out: its cloud can start nothing there, and its processes die at once."""
    sites = plane.status(DEPLOYMENT)["sites"]
    site = max(sites, key=lambda site: len(site["replicas"]))
    region = site["site"].split("/")[1]
    ids = {replica["id"] for replica in site["replicas"]}
    body = {"region": region, "outage": True}
    status, answer = call("POST", f"{plane.cloud}/local/faults", body, plane.cloud_token())
    assert status in (200, 204), f"the fault was refused: {status} {answer}"
    watch.strike(sorted(ids))
    for service in plane.services():
        if identity(service) in ids:
            kill(service.pid)
    print(f"{elapsed_s:5.1f} s: lost site {region} with {len(ids)} replicas", flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kill-every-seconds", type=float, default=5)
    parser.add_argument("--replicas", type=int, default=6, help="replicas wanted, over three sites")
    parser.add_argument("--seed", type=int, default=None)
    return parser.parse_args()


def drill(plane: Plane, options: argparse.Namespace, draw: random.Random) -> tuple[Load, Watch]:
    """Runs the load, strikes on time, and waits for the last replacement."""
    load = Load(f"{plane.gateway}/v1", plane.key, options.clients)
    watch = Watch(plane, options.replicas)
    watcher = threading.Thread(target=watch.run, name="watch")
    start = time.monotonic()
    load.start()
    watcher.start()
    pause, site_lost, strikes = threading.Event(), False, 1
    while (elapsed := time.monotonic() - start) < options.seconds:
        if not site_lost and elapsed >= options.seconds / 2:
            strike_site(plane, watch, elapsed)
            site_lost = True
        if elapsed >= strikes * options.kill_every_seconds:
            strike_one(plane, watch, draw, elapsed)
            strikes += 1
        pause.wait(0.02)
    load.stop()
    deadline = time.monotonic() + 2 * REPLACE_LIMIT_S
    while watch.lost and time.monotonic() < deadline:
        pause.wait(0.05)
    watch.over.set()
    watcher.join()
    return load, watch


def main() -> int:
    options = parse_arguments()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed: {seed} (repeat with --seed {seed})")
    with tempfile.TemporaryDirectory(prefix="mcp-drill-") as folder:
        plane = Plane(Path(folder))
        try:
            plane.up()
            plane.mcp("scale", "--deployment", DEPLOYMENT, "--replicas", str(options.replicas))
            plane.wait_ready(DEPLOYMENT, options.replicas)
            load, watch = drill(plane, options, random.Random(seed))
            plane.down()
        finally:
            plane.wipe()
    account, worst_s = load.account, watch.worst_s()
    for failure in account.failures[:20]:
        print(f"  {failure}")
    names = ("requests", "failed", "failed_before_first_byte", "cut_midstream")
    figures = " ".join(f"{name}={account.counts[name]}" for name in names)
    print(f"site-loss {figures} replace_s={worst_s:.1f}")
    lost = account.counts["failed"] + account.counts["failed_before_first_byte"]
    return 0 if lost == 0 and worst_s <= REPLACE_LIMIT_S and account.counts["answered"] > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
