"""The drill's account is right: a server that fails in each way is counted in that way."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator

import openai
import pytest
from load import Load, ask_stream, ask_whole
from plane import wait_for

CHUNK = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "demo"}


def event(delta: dict, reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: " + json.dumps(CHUNK | {"choices": [choice]}).encode() + b"\n\n"


ROLE, WORD, END = event({"role": "assistant"}), event({"content": "meow"}), event({}, "stop") + b"data: [DONE]\n\n"
ERROR = b'data: {"error": {"message": "the replica was lost", "type": "server_error", "code": "replica_lost"}}\n\n'
WHOLE = {"index": 0, "message": {"role": "assistant", "content": "meow"}, "finish_reason": "stop"}


class Server(http.server.ThreadingHTTPServer):
    """Answers with `status` and `parts`, and then closes; with `short`, before all that it had announced."""

    status = 200
    parts: tuple[bytes, ...] = ()
    short = False


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = b"".join(self.server.parts)
        self.send_response(self.server.status)
        self.send_header("Content-Type", "text/event-stream" if asked.get("stream") else "application/json")
        self.send_header("Content-Length", str(len(body) + self.server.short))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=address(server), api_key="sk-x", max_retries=0) as client:
        yield client


def address(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/v1"


@pytest.mark.parametrize(
    ("parts", "short", "outcome"),
    [
        ((ROLE, WORD, END), False, "answered"),
        ((), False, "failed_before_first_byte"),
        ((ROLE,), False, "failed_before_first_byte"),
        ((ROLE, ERROR), False, "failed_before_first_byte"),
        ((ROLE, WORD), False, "cut_midstream"),
        ((ROLE, WORD, ERROR), False, "cut_midstream"),
        ((ROLE, WORD), True, "cut_midstream"),
    ],
)
def test_streams_are_counted_by_what_had_come(
    server: Server, client: openai.OpenAI, parts: tuple[bytes, ...], short: bool, outcome: str
) -> None:
    server.parts, server.short = parts, short
    assert ask_stream(client, "?")[0] == outcome


def test_a_refused_stream_failed_before_its_first_byte(server: Server, client: openai.OpenAI) -> None:
    server.status, server.parts = 503, (b"{}",)
    assert ask_stream(client, "?")[0] == "failed_before_first_byte"


@pytest.mark.parametrize(
    ("status", "body", "short", "outcome"),
    [
        (200, {"choices": [WHOLE]}, False, "answered"),
        (200, {"choices": []}, False, "failed"),
        (200, {"choices": [WHOLE | {"finish_reason": None}]}, False, "failed"),
        (200, {"choices": [WHOLE]}, True, "failed"),
        (503, {}, False, "failed"),
    ],
)
def test_unary_requests_are_answered_whole_or_failed(
    server: Server, client: openai.OpenAI, status: int, body: dict, short: bool, outcome: str
) -> None:
    server.status, server.parts, server.short = status, (json.dumps(body).encode(),), short
    assert ask_whole(client, "?")[0] == outcome


def test_every_client_asks_and_half_of_them_stream(server: Server) -> None:
    server.parts = (json.dumps({"choices": [WHOLE]}).encode(),)  # No stream: those clients see nothing.
    load = Load(address(server), "sk-x", clients=4)
    load.start()
    account = load.account
    wait_for("both kinds ask", lambda: min(account.counts["answered"], account.counts["failed_before_first_byte"]) > 3)
    counts = load.stop().counts
    assert counts["requests"] == counts["answered"] + counts["failed_before_first_byte"]
