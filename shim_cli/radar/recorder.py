"""A server that answers Codex from a script and records the structure of what it sends, by HTTP and WebSocket.

Never does: listen on an address other than 127.0.0.1, keep a value of a request beyond the scenario. Invariant: every
request gets an answer, also one that no script knows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import orjson
import zstandard

from addons.core.contract.answers import Answer, answer, as_stream, message
from addons.core.contract.structure import SentRequest

API, ACCOUNT = "/v1", "/backend-api"
"""The path prefixes of the base URLs that Codex is given: of the provider, and of ChatGPT."""
_AGENT_HEADER = "x-openai-subagent"
DONE = answer(message("Done."))
_LIMIT_SECONDS = 30.0


@dataclass(slots=True)
class Recorder:
    """The requests of one scenario, and the answers to its turns in order. The last answer is repeated."""

    answers: Sequence[Answer]
    models: bytes
    """The answer to a request for the models."""
    requests: list[SentRequest] = field(default_factory=list)
    _given: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next_answer(self, request: SentRequest) -> Answer:
        """Return the answer to a turn. A sub-agent gets a short one, whatever the script says."""
        if _AGENT_HEADER in (request.headers or {}):
            return DONE
        with self._lock:
            number = min(self._given, len(self.answers) - 1)
            self._given += 1
        return self.answers[number]

    def note(self, request: SentRequest) -> None:
        """Keep a request, unless it goes to the services of the account, in whose way the shim is not."""
        if not request.path.startswith(ACCOUNT):
            with self._lock:
                self.requests.append(request)

    def body_for(self, request: SentRequest) -> tuple[int, str, bytes]:
        """Return status, content type and body of the answer by HTTP."""
        if request.endpoint == "POST /responses":
            return 200, "text/event-stream", as_stream(self.next_answer(request))
        if request.endpoint == "GET /models":
            return 200, "application/json", self.models
        found = _OTHERS.get(request.endpoint)
        if found is not None:
            return 200, "application/json", orjson.dumps(found)
        return 404, "application/json", b'{"error":{"message":"not scripted"}}'


_OTHERS: Mapping[str, object] = {
    "POST /alpha/search": {"output": "1. Example", "encrypted_output": None, "results": []},
    "POST /images/generations": {"data": []},
}


@contextmanager
def serving(recorder: Recorder) -> Iterator[int]:
    """Serve a recorder on a free port of this machine, which is returned."""

    class Handler(_Handler):
        pass

    Handler.recorder = recorder
    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Write nothing: Codex ends a request of its own that it no longer needs."""


class _Handler(BaseHTTPRequestHandler):
    recorder: Recorder
    protocol_version = "HTTP/1.1"
    timeout = _LIMIT_SECONDS

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name of the base class
        """Write nothing: the terminal belongs to the report."""

    def do_GET(self) -> None:
        if self.headers.get("upgrade", "").lower() == "websocket":
            from shim_cli.radar.websocket import serve_websocket  # noqa: PLC0415  a rare import

            request = self._request(b"")
            self.recorder.note(request)
            self.close_connection = True
            serve_websocket(self.connection, self.headers.items(), self.path, self._message)
            return
        self._answer(b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("content-encoding") == "zstd":
            body = zstandard.ZstdDecompressor().stream_reader(body).read()
        self._answer(body)

    def _answer(self, body: bytes) -> None:
        request = self._request(body)
        self.recorder.note(request)
        status, content_type, content = self.recorder.body_for(request)
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _message(self, text: str) -> Answer:
        """Record a message of the WebSocket, and return its answer."""
        path = self._request(b"").path
        request = SentRequest("WS", path, body=text.encode())
        self.recorder.note(request)
        is_warm_up = b'"generate":false' in request.body.replace(b" ", b"")
        return answer() if is_warm_up else self.recorder.next_answer(request)

    def _request(self, body: bytes) -> SentRequest:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = tuple(sorted({name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}))
        return SentRequest(self.command, parts.path.removeprefix(API), query, headers, body)
