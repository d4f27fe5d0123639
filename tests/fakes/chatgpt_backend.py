"""A fake of https://chatgpt.com/backend-api/codex, as strict as the real backend.

It rejects a wrong login, `store: true`, requests without a stream, unsupported parameters, a lite body without its
header and zstd bytes without `content-encoding`. Every other request gets the next answer of the script. Invariant: a
rejected request consumes no answer, and a request beyond the script is recorded in `unscripted`.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping
from typing import Self
from urllib.parse import parse_qs, urlsplit

import zstandard

from tests.fakes import scenarios
from tests.fakes.account import Account
from tests.fakes.backend_socket import BETA, SWITCHING, BackendSocket
from tests.fakes.http_messages import Answer, Request, Send
from tests.fakes.http_server import HttpServer

BASE = "/backend-api/codex"
TURN_PATHS = (f"{BASE}/responses", f"{BASE}/responses/compact")
ENDPOINTS: Mapping[str, tuple[str, ...]] = {
    f"{BASE}/alpha/search": ("id", "model", "commands", "settings"),
    f"{BASE}/images/generations": ("model", "prompt"),
    f"{BASE}/images/edits": ("model", "prompt", "images"),
}
"""Path of an endpoint other than a turn → the members that Codex 0.171 always sends."""
OAUTH_PATH = "/oauth/token"
MODELS_ETAG = b'W/"models-1"'
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
LITE_HEADER = "x-openai-internal-codex-responses-lite"
UNSUPPORTED = (
    "background", "max_output_tokens", "max_tool_calls", "metadata", "previous_response_id", "safety_identifier",
    "stream_options", "temperature", "top_logprobs", "top_p", "truncation", "user",
)  # fmt: skip


class ChatGptBackend:
    """The backend on a port of 127.0.0.1, for use as a context manager."""

    def __init__(self, account: Account, models: bytes = b'{"models":[]}') -> None:
        self.account = account
        """The account with the valid token. Replace it to let the token expire."""
        self.models = models
        self.speaks_websocket = False
        """Whether turns may come over a WebSocket."""
        self.unscripted: list[Request] = []
        self.refused: list[tuple[Request, Answer]] = []
        self.refreshable: str | None = None
        """The refresh token that the login service accepts once."""
        self._script: deque[Answer] = deque()
        self._lock = threading.Lock()
        self._server = HttpServer(self._respond, self._upgrade)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__(None, None, None)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.port}{BASE}"

    @property
    def oauth_url(self) -> str:
        """The login service's token endpoint, for CODEX_REFRESH_TOKEN_URL_OVERRIDE."""
        return f"http://127.0.0.1:{self._server.port}{OAUTH_PATH}"

    @property
    def requests(self) -> list[Request]:
        """Every request, rejected ones included."""
        return self._server.requests

    @property
    def turns(self) -> list[Request]:
        """The turns among the requests. A refused upgrade is none."""
        return [
            request
            for request in self.requests
            if request.path in TURN_PATHS and request.method == "POST"
        ]

    @property
    def sockets(self) -> list[BackendSocket]:
        """The connections that became WebSockets."""
        return self._server.sockets

    @property
    def endpoint_requests(self) -> list[Request]:
        """The requests to endpoints other than turns."""
        return [request for request in self.requests if request.path in ENDPOINTS]

    @property
    def client_left(self) -> threading.Event:
        """Set when a client disconnected before its answer ended."""
        return self._server.client_left

    def play(self, *answers: Answer) -> None:
        """Append answers to the script, one for each request."""
        self._script.extend(answers)

    def expire_token(self) -> None:
        """Let the access token expire. Only a refresh returns a valid one."""
        self.refreshable = self.account.refresh_token
        self.account = self.account.renewed()

    def _respond(self, request: Request) -> Answer:
        if request.path == OAUTH_PATH:
            return self._refresh(request)
        document = self.account.document(request)
        if document is not None:
            return scenarios.unary(document)
        refusal = self._refusal(request)
        if refusal:
            self.refused.append((request, refusal))
            return refusal
        if request.method == "GET":
            return self._models(request)
        with self._lock:
            if self._script:
                return self._script.popleft()
        self.unscripted.append(request)
        return scenarios.detail(400, "the test's script has no more answers")

    def _refusal(self, request: Request) -> Answer | None:
        expected = "GET" if request.path == f"{BASE}/models" else "POST"
        known = (f"{BASE}/models", *TURN_PATHS, *ENDPOINTS)
        if request.path not in known or request.method != expected:
            return scenarios.detail(404, "Not Found")
        if not self._is_logged_in(request):
            return scenarios.error(
                401,
                "token_expired",
                "Provided authentication token is expired. Please sign in again.",
            )
        return _body_refusal(request) if request.method == "POST" else None

    def _upgrade(self, request: Request) -> Answer:
        if not self.speaks_websocket:
            return self._respond(request)
        if not self._is_logged_in(request):
            return scenarios.error(401, "token_expired", "Please sign in again.")
        if request.header("openai-beta") != BETA:
            return scenarios.detail(400, "openai-beta")
        return Answer(status=SWITCHING)

    def _is_logged_in(self, request: Request) -> bool:
        return all(request.header(name) == value for name, value in self.account.headers.items())

    def _refresh(self, request: Request) -> Answer:
        if json.loads(request.body)["refresh_token"] != self.refreshable:
            return scenarios.error(
                401, "refresh_token_reused", "Your refresh token was already used."
            )
        self.refreshable = None
        tokens = ("id_token", "access_token", "refresh_token")
        return scenarios.unary(
            {name: self.account.secrets[name.replace("_", " ")] for name in tokens}
        )

    def _models(self, request: Request) -> Answer:
        if not parse_qs(urlsplit(request.target).query).get("client_version"):
            return scenarios.detail(422, "client_version: Field required")
        headers = (*scenarios.JSON_HEADERS, (b"etag", MODELS_ETAG))
        if (request.header("if-none-match") or "").encode() == MODELS_ETAG:
            return Answer((), 304, headers, chunked=False)
        return Answer((Send(self.models),), 200, headers, chunked=False)


def decoded_body(request: Request) -> dict[str, object]:
    """Return the JSON object of a request. Raises ValueError when bytes and `content-encoding` disagree."""
    data = request.body
    compressed = data.startswith(ZSTD_MAGIC)
    if compressed != (request.header("content-encoding") == "zstd"):
        msg = "content-encoding does not match the bytes"
        raise ValueError(msg)
    if compressed:
        data = zstandard.ZstdDecompressor().stream_reader(data).read()
    document = json.loads(data)
    if not isinstance(document, dict):
        msg = "the body is not an object"
        raise TypeError(msg)
    return document


def _body_refusal(request: Request) -> Answer | None:
    try:
        body = decoded_body(request)
    except (ValueError, TypeError):
        return scenarios.detail(400, "Could not parse request body")
    members = ENDPOINTS.get(request.path)
    objection = _objection(request, body) if members is None else _missing(members, body)
    return scenarios.detail(400, objection) if objection else None


def _missing(members: tuple[str, ...], body: dict[str, object]) -> str | None:
    absent = next((name for name in members if name not in body), None)
    return f"{absent}: Field required" if absent else None


def _objection(request: Request, body: dict[str, object]) -> str | None:
    items = body.get("input")
    if not isinstance(items, list):
        return "Input must be a list"
    unary = request.path.endswith("/compact")
    if not unary and body.get("store") is not False:
        return "Store must be set to false"
    if not unary and body.get("stream") is not True:
        return "Stream must be set to true"
    if unsupported := next((name for name in UNSUPPORTED if name in body), None):
        return f"Unsupported parameter: {unsupported}"
    return _reasoning_objection(items) or _lite_objection(request, body, items)


def _reasoning_objection(items: list[object]) -> str | None:
    """Reject reasoning items that the backend did not produce."""
    for item in items:
        if not isinstance(item, dict) or item.get("type") != "reasoning":
            continue
        if not str(item.get("encrypted_content")).startswith("gAAAA"):
            return f"Item with id '{item.get('id')}' not found."
    return None


def _lite_objection(request: Request, body: dict[str, object], items: list[object]) -> str | None:
    first = items[0] if items else None
    is_lite = isinstance(first, dict) and first.get("type") == "additional_tools"
    if is_lite and "tools" in body:
        return "Unsupported parameter: tools"
    if is_lite and request.header(LITE_HEADER) != "true":
        return "Invalid value: 'additional_tools'"
    return None
