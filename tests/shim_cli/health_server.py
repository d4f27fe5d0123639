"""A stand-in for a shim: an HTTP server that answers /health."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HEALTHY = {
    "ok": True,
    "version": "0.1.0",
    "models": 3,
    "chatgpt_passthrough": True,
    "cursor_passthrough": False,
    "pid": 4711,
    "uptime_seconds": 3725.4,
    "reasons": {},
}
Respond = Callable[[str, str | None], tuple[int, bytes]]
"""Path and local token of a request → status and body of the response."""


@contextmanager
def answering(status: int, body: bytes) -> Iterator[int]:
    """Run a server whose /health gives this response. Yields its port."""
    with serving(lambda path, _: (status if path == "/health" else 404, body)) as port:
        yield port


@contextmanager
def answering_with_token(token: str) -> Iterator[int]:
    """Run a healthy server that rejects every path but /health without this token. Yields its port."""
    body = json.dumps(HEALTHY).encode()
    with serving(
        lambda path, sent: (200 if path == "/health" or sent == token else 403, body)
    ) as port:
        yield port


@contextmanager
def serving(respond: Respond) -> Iterator[int]:
    """Run a server that answers GET requests. Yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = respond(self.path, self.headers.get("x-codex-shim-token"))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
