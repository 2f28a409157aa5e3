"""Ordinary clients beside a drill, and a watch over the health of the planes."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field

from load import ask_stream, ask_whole
from openai import OpenAI
from plane import Plane

HEALTH_LIMIT_S = 5.0
QUESTIONS = ["Where is Dusk Quay?", "Who lights the lamps?", "Tell me about the Heron."]


@dataclass
class Ordinary:
    """Clients that ask at their own pace, and how long each answer took, by the phase in which it was asked."""

    base_url: str
    key: str
    clients: int
    phase: str = "quiet"
    times_s: dict[str, list[float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        self.threads = [threading.Thread(target=self._work, args=(number,)) for number in range(self.clients)]
        for thread in self.threads:
            thread.start()

    def end(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _work(self, number: int) -> None:
        ask = ask_stream if number % 2 else ask_whole
        with OpenAI(base_url=self.base_url, api_key=self.key, max_retries=0, timeout=90) as client:
            turn = number
            while not self.stop.wait(0.05):
                phase, began = self.phase, time.monotonic()
                outcome, detail = ask(client, QUESTIONS[turn % len(QUESTIONS)])
                took_s = time.monotonic() - began
                with self.lock:
                    # What ran into another phase belongs to neither.
                    if phase == self.phase:
                        self.times_s.setdefault(phase, []).append(took_s)
                    if outcome != "answered":
                        self.failures.append(f"{phase}, {took_s:.2f} s, {outcome}: {detail}")
                turn += 1

    def p99_s(self, phase: str) -> float:
        times = sorted(self.times_s.get(phase, []))
        return times[min(len(times) - 1, int(len(times) * 0.99))] if times else float("nan")


@dataclass
class Watch:
    """Asks for the health of both planes without pause; `mcp` being stopped on purpose is no outage."""

    plane: Plane
    outages: list[str] = field(default_factory=list)
    paused: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.over.wait(0.25):
            for name, url in (("gateway", self.plane.gateway), ("control", self.plane.control)):
                if self.paused.is_set() or self.over.is_set():
                    continue
                began = time.monotonic()
                try:
                    with urllib.request.urlopen(f"{url}/health", timeout=HEALTH_LIMIT_S) as answer:
                        answer.read()
                except urllib.error.HTTPError:
                    pass  # An answer, whatever it says.
                except OSError as error:
                    if not self.paused.is_set():
                        self.outages.append(f"{name}: {error} after {time.monotonic() - began:.1f} s")
