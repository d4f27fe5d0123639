"""Which models a server offers, and how much context each one has.

Sources of paths and fields: the API documentation of Ollama (`/api/tags`, `/api/ps`, `/api/show`), of LM Studio
(`/api/v0/models`) and of llama.cpp's server (`/props`); vLLM and most providers extend `GET /v1/models` of OpenAI.
Never does: load a model, follow a redirect. Invariant: a server that does not answer, or not with JSON, raises
`ServerError`.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from addons.core.json_values import as_int, as_object, as_str
from shim_cli.console.reasons import reason_of

SECONDS = 5.0
MAX_BYTES = 16 * 1024 * 1024
OK = 200
CONTEXT_FIELDS = (
    "loaded_context_length", "max_model_len", "context_length", "context_window", "max_context_length",
    "max_context_window", "max_input_tokens",
)  # fmt: skip
"""The fields for the context of a model in a list, the most exact one first."""
NO_CHAT = frozenset({"embeddings", "embedding", "rerank", "moderation", "image", "audio"})
"""Values of `type` in LM Studio's and Together's lists: models that cannot answer a turn."""
_NUM_CTX = re.compile(r"^num_ctx\s+(\d+)\s*$", re.MULTILINE)


class ServerError(Exception):
    """A server gave no list. The message holds nothing that the server sent."""


@dataclass(frozen=True, slots=True)
class OfferedModel:
    """One model. `context` is in tokens; None if the server does not say."""

    name: str
    context: int | None = None
    is_limit_of_model: bool = False
    """Whether `context` is what the model can do: the server may be set to less."""


def models_in(answer: object) -> list[OfferedModel]:
    """Return the models of a `GET /v1/models`: an object with `data`, or a list (Together)."""
    rows = answer if isinstance(answer, list) else as_object(answer).get("data")
    found = (as_object(row) for row in (rows if isinstance(rows, list) else []))
    return [
        OfferedModel(as_str(row.get("id")), _context(row))
        for row in found
        if as_str(row.get("id")) and row.get("type") not in NO_CHAT
    ]


def local_models(provider: str, base_url: str) -> list[OfferedModel]:
    """Return the models of a local server. Raises ServerError."""
    parts = urlsplit(base_url)
    server = _Server(parts.hostname or "", parts.port or 80)
    return _READERS.get(provider, _openai_models)(server)


def _context(row: Mapping[str, object]) -> int | None:
    values = (as_int(row.get(name)) for name in CONTEXT_FIELDS)
    return next((value for value in values if value and value > 0), None)


@dataclass(frozen=True, slots=True)
class _Server:
    host: str
    port: int

    def get(self, path: str, body: object = None) -> Mapping[str, object]:
        """Return the JSON object that a path answers. Raises ServerError."""
        where = f"http://{self.host}:{self.port}{path}"
        connection = http.client.HTTPConnection(self.host, self.port, timeout=SECONDS)
        data = None if body is None else json.dumps(body).encode()
        try:
            connection.request(
                "POST" if data else "GET", path, data, {"accept": "application/json"}
            )
            response = connection.getresponse()
            text = response.read(MAX_BYTES)
        except (OSError, http.client.HTTPException) as error:
            msg = f"{where} cannot be reached: {reason_of(error)}"
            raise ServerError(msg) from error
        finally:
            connection.close()
        if response.status != OK:
            msg = f"{where} answered with status {response.status}"
            raise ServerError(msg)
        try:
            return as_object(json.loads(text))
        except ValueError as error:
            msg = f"{where} did not answer with JSON"
            raise ServerError(msg) from error


def _openai_models(server: _Server) -> list[OfferedModel]:
    return models_in(server.get("/v1/models"))


def _lmstudio_models(server: _Server) -> list[OfferedModel]:
    return models_in(server.get("/api/v0/models"))


def _llamacpp_models(server: _Server) -> list[OfferedModel]:
    settings = as_object(server.get("/props").get("default_generation_settings"))
    context = as_int(settings.get("n_ctx"))
    return [OfferedModel(each.name, context) for each in _openai_models(server)]


def _ollama_models(server: _Server) -> list[OfferedModel]:
    loaded = {
        as_str(row.get("name")): as_int(row.get("context_length"))
        for row in _rows(server.get("/api/ps"))
    }
    names = [as_str(row.get("name")) for row in _rows(server.get("/api/tags"))]
    found = (_ollama_model(server, name, loaded.get(name)) for name in names if name)
    return [each for each in found if each]


def _ollama_model(server: _Server, name: str, loaded: int | None) -> OfferedModel | None:
    shown = server.get("/api/show", {"model": name})
    capabilities = shown.get("capabilities")
    if isinstance(capabilities, list) and "completion" not in capabilities:
        return None
    if loaded:
        return OfferedModel(name, loaded)
    if configured := _NUM_CTX.search(as_str(shown.get("parameters"))):
        return OfferedModel(name, int(configured[1]))
    info = as_object(shown.get("model_info"))
    limit = info.get(f"{as_str(info.get('general.architecture'))}.context_length")
    return OfferedModel(name, as_int(limit), is_limit_of_model=True)


def _rows(answer: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    rows = answer.get("models")
    yield from (as_object(row) for row in (rows if isinstance(rows, list) else []))


_READERS: Mapping[str, Callable[[_Server], list[OfferedModel]]] = {
    "ollama": _ollama_models,
    "lmstudio": _lmstudio_models,
    "llamacpp": _llamacpp_models,
}
LOCAL = {
    "ollama": "ollama serve",
    "lmstudio": "lms server start",
    "vllm": "vllm serve MODEL",
    "llamacpp": "llama-server -m MODEL.gguf",
}
"""Provider → the command that starts its server."""
