"""Stands before a server that wants a token, for tools that cannot send one."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Server(ThreadingHTTPServer):
    """Says nothing when a client hangs up, as the tool's do."""

    def handle_error(self, *_: object) -> None:
        pass


def start(target: str, token: str) -> tuple[ThreadingHTTPServer, str]:
    """Serves `target` on a port of its own, with the token added; returns the server and its URL."""
    there = urlsplit(target)

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            connection = http.client.HTTPConnection(there.hostname, there.port, timeout=60)
            # Host and Origin go on as they came: the server judges them.
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            connection.request(self.command, self.path, body, headers | {"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            connection.close()

        do_GET = do_POST = do_DELETE = do_OPTIONS = forward

        def log_message(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}{there.path}"
