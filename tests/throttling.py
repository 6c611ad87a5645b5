"""A proxy in front of an S3 server that treats its clients as a busy store does: it throttles, fails, and hangs up.

Requests go through as they are, except that of every six one is told to slow down (503), and one in eleven loses its connection
before it is answered. `away` refuses them all, like a store that is down.
"""

from __future__ import annotations

import itertools
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

THROTTLED, DROPPED = 6, 11
SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length"}


class Throttled(ThreadingHTTPServer):
    """`endpoint` is what clients are given."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = urlsplit(behind).netloc
        self.endpoint = f"http://127.0.0.1:{self.server_port}"
        self.away = False
        self.number = itertools.count(1)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Throttled

    def answer(self) -> None:
        body = self._body()
        number = next(self.server.number)
        if self.server.away or number % THROTTLED == 0:
            self._send(503, {"Content-Type": "application/xml"}, SLOW_DOWN)
        elif number % DROPPED == 0:
            self.close_connection = True
        else:
            upstream = HTTPConnection(self.server.behind, timeout=60)
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            self._send(answer.status, dict(answer.getheaders()), answer.read())
            upstream.close()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        del self.headers["Transfer-Encoding"]
        self.headers["Content-Length"] = str(sum(map(len, parts)))
        return b"".join(parts)

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        length = next((v for k, v in headers.items() if k.lower() == "content-length"), None)
        self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""
