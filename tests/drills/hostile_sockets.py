"""Connections that do harm: idle, half-sent, never read, dripping, and heads that no client sends.

Each function opens its connections, holds them for a while, and closes them. They go to 127.0.0.1 alone, and their
number and time are bounded.
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
from collections.abc import Iterable

HELD = threading.Event()
"""Never set: waiting on it is a pause that needs no sleep."""


def connect(port: int, receive_bytes: int | None = None) -> socket.socket | None:
    """A connection, or nothing when it was refused, which is an answer too."""
    one = socket.socket()
    if receive_bytes is not None:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    one.settimeout(5)
    try:
        one.connect(("127.0.0.1", port))
    except OSError:
        one.close()
        return None
    return one


def send(one: socket.socket, data: bytes) -> bool:
    """Whether it could be sent; a closed connection is an answer too."""
    with contextlib.suppress(OSError):
        one.sendall(data)
        return True
    return False


def close(all_of_them: Iterable[socket.socket]) -> None:
    for one in all_of_them:
        one.close()


def hold(port: int, count: int, first: bytes, seconds: float, receive_bytes: int | None = None) -> int:
    """Opens `count` connections, sends `first` on each, and holds them. Returns how many were accepted."""
    opened = [one for one in (connect(port, receive_bytes) for _ in range(count)) if one is not None]
    for one in opened:
        send(one, first)
    HELD.wait(seconds)
    close(opened)
    return len(opened)


def drip(port: int, count: int, first: bytes, seconds: float) -> int:
    """Like `hold`, with a byte more on each connection every second."""
    opened = [one for one in (connect(port) for _ in range(count)) if one is not None]
    for one in opened:
        send(one, first)
    for _ in range(int(seconds)):
        HELD.wait(1)
        for one in opened:
            send(one, b"a")
    close(opened)
    return len(opened)


def post(path: str, key: str, length: int, extra: str = "") -> bytes:
    """The head of a POST."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    )
    return f"{head}Content-Length: {length}\r\n{extra}\r\n".encode()


def bomb(path: str, key: str) -> bytes:
    """A small body that unpacks to a gigabyte."""
    packed = gzip.compress(b" " * 2**24, 9) * 64
    return post(path, key, len(packed), "Content-Encoding: gzip\r\n") + packed


ODD_HEADS = {
    "no-host": b"GET /health HTTP/1.1\r\n\r\n",
    "two-hosts": b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
    "foreign-host": b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "bare-lf": b"GET /health HTTP/1.1\nHost: 127.0.0.1\n\n",
    "length-and-chunks": b"POST /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two-lengths": b"POST /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\n"
    b"Content-Length: 5\r\n\r\nabcde",
    "chunk-size-huge": b"POST /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"fffffffffffffffff\r\n",
    "header-1mb": b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 2**20 + b"\r\n\r\n",
    "headers-10000": b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
    "path-1mb": b"GET /" + b"x" * 2**20 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "tls-hello": bytes.fromhex("16030100c8010000c40303") + b"\0" * 190,
    "http2-preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "nul": b"GET /\0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "expect": b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n"
    b"Expect: 100-continue\r\n\r\n",
    "connect": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
    "upgrade": b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
}


def odd_head(port: int, head: bytes) -> bytes:
    """Sends a head, half-closes, and returns the first bytes of what comes back."""
    one = connect(port)
    if one is None:
        return b""
    send(one, head)
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_WR)
    answer = b""
    with contextlib.suppress(OSError):
        answer = one.recv(64)
    one.close()
    return answer
