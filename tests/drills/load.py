"""Clients that ask without pause, and the account of what they got."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import openai

QUESTIONS = ["Tell me a story.", "Tell me about the Heron.", "Where is Dusk Quay?", "Who lights the lamps?"]
MAX_TOKENS = 32


@dataclass
class Account:
    """What all clients together saw."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, outcome: str, detail: str = "") -> None:
        with self.lock:
            self.counts["requests"] += 1
            self.counts[outcome] += 1
            if detail:
                self.failures.append(detail)


def ask_whole(client: openai.OpenAI, question: str) -> tuple[str, str]:
    """One unary request: `answered` or `failed`."""
    try:
        answer = client.chat.completions.create(
            model="demo", messages=[{"role": "user", "content": question}], max_tokens=MAX_TOKENS
        )
    except openai.OpenAIError as error:
        return "failed", f"unary: {error!r}"
    if not answer.choices or answer.choices[0].finish_reason not in ("stop", "length"):
        return "failed", f"unary: no whole answer: {answer!r}"
    return "answered", ""


def ask_stream(client: openai.OpenAI, question: str) -> tuple[str, str]:
    """One stream: `answered`, `failed_before_first_byte`, or `cut_midstream` once content had come."""
    began = finished = False
    try:
        stream = client.chat.completions.create(
            model="demo", messages=[{"role": "user", "content": question}], max_tokens=MAX_TOKENS, stream=True
        )
        for chunk in stream:
            for choice in chunk.choices:
                began = began or bool(choice.delta.content)
                finished = finished or choice.finish_reason is not None
        problem = "the stream ended without a finish reason"
    except openai.OpenAIError as error:
        problem = repr(error)
    except Exception as error:
        problem = repr(error)
    if finished:
        return "answered", ""
    return ("cut_midstream" if began else "failed_before_first_byte"), f"stream: {problem}"


class Load:
    """`clients` threads, each with a client of its own; every second one streams."""

    def __init__(self, base_url: str, key: str, clients: int) -> None:
        self.account = Account()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(base_url, key, number), name=f"client-{number}")
            for number in range(clients)
        ]

    def _work(self, base_url: str, key: str, number: int) -> None:
        ask = ask_stream if number % 2 else ask_whole
        turn = number
        with openai.OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=60) as client:
            while not self._stop.is_set():
                started = time.monotonic()
                outcome, detail = ask(client, QUESTIONS[turn % len(QUESTIONS)])
                self.account.add(outcome, detail and f"{time.monotonic() - started:.2f} s, {detail}")
                turn += 1

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> Account:
        """Lets the requests under way end, and returns the account."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.account
