"""A backend on loopback that serves an account's models, and a login for it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson

from addons.adapters.codex.account_routes import AccountCatalog
from addons.core.codex.login import Login
from addons.core.secrets import Secret
from tests.adapters.fake_codex import FakeCodex

TOKEN, ACCOUNT = "token-that-is-secret", "account-that-is-secret"
LOGIN = Login(Secret(TOKEN), Secret(ACCOUNT))
MODELS = [{"slug": "gpt-6-sol", "use_responses_lite": True}, {"slug": "gpt-5.5", "priority": 13}]


def listing(*slugs: str) -> bytes:
    return orjson.dumps({"models": [{"slug": slug} for slug in slugs]})


@dataclass
class Backend:
    """Answers every GET with `status`, `body` and `headers`, and records the requests."""

    status: int = 200
    body: bytes = field(default_factory=lambda: orjson.dumps({"models": MODELS}))
    headers: dict[str, str] = field(default_factory=lambda: {"etag": '"one"'})
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""


@contextmanager
def running_backend() -> Iterator[Backend]:
    backend = Backend()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            backend.requests.append((self.path, headers))
            self.send_response(backend.status)
            for name, value in backend.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(backend.body)))
            self.end_headers()
            self.wfile.write(backend.body)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    backend.url = f"http://127.0.0.1:{server.server_port}/backend-api/codex"
    yield backend
    server.shutdown()
    thread.join()
    server.server_close()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def slugs(catalog: AccountCatalog) -> list[object]:
    return [entry["slug"] for entry in catalog.entries]


def with_codex(env: dict[str, str], folder: Path, **kinds: str) -> FakeCodex:
    folder.mkdir(exist_ok=True)
    fake = FakeCodex(folder, **kinds)
    env |= {"CODEX_BIN": str(fake.binary), "PATH": os.defpath}
    return fake
