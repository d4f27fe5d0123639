"""Which models a server on this machine offers, with their context and abilities, as its own API reports them.

A reader is a generator: it yields the requests that it needs, is sent each answer, and returns the models. A request that
the server refuses raises `RefusedError` inside the reader. Never does I/O, and asks only for what loads no model and keeps
none loaded.

Sources, 2026-11: the API documentation of Ollama (`/api/ps`, `/api/tags`, `/api/show`), LM Studio (`/api/v1/models` since
0.4, `/api/v0/models`) and SGLang (`/model_info`, `/server_info`), the README of llama.cpp's server (`/props`, which does not
wake a sleeping model), vLLM's `GET /v1/models`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from addons.core.json_values import JsonObject, as_int, as_object, as_str


@dataclass(frozen=True, slots=True)
class ListRequest:
    """One request to a server: a POST if it has a body, else a GET."""

    path: str
    body: JsonObject | None = None


class RefusedError(Exception):
    """The server answered a request with another status than 200."""


@dataclass(frozen=True, slots=True)
class LocalModel:
    """One model of a server. None stands for what the server does not say."""

    name: str
    context: int | None = None
    """The tokens that the server gives the model, as it is loaded or set."""
    limit: int | None = None
    """The most tokens that the model can take. The server may give it less."""
    images: bool | None = None
    tools: bool | None = None
    is_loaded: bool | None = None
    is_for_chat: bool = True
    """False for a model that makes embeddings, which no turn can use."""
    version: str = ""
    """Changes when another model gets the same name."""


Reader = Generator[ListRequest, JsonObject, list[LocalModel]]


@dataclass(frozen=True, slots=True)
class Interest:
    """What a reader need not ask: models that no row names, and those that are known."""

    names: Collection[str] | None = None
    """The models whose details are asked for; None for those of all."""
    known: Mapping[str, LocalModel] = field(default_factory=dict)

    def wants(self, name: str) -> bool:
        """Return whether the details of a model are asked for."""
        return self.names is None or any(is_same_model(name, other) for other in self.names)


EVERYTHING = Interest()
MAX_TOKENS = 1_000_000_000
"""No model takes more."""
LATEST = ":latest"
_CHAT = "completion"
_NUM_CTX = re.compile(r"^num_ctx\s+(\d{1,12})\s*$", re.MULTILINE)
_NOT_FOR_CHAT = frozenset({"embedding", "embeddings"})


def is_same_model(one: str, other: str) -> bool:
    """Return whether Ollama takes two names for the same model: in any case, and with or without `:latest`."""
    first, second = (name.lower().removesuffix(LATEST) for name in (one, other))
    return first == second


def read_ollama(interest: Interest) -> Reader:
    """Read Ollama's models. `/api/show` is asked once for each version of a model."""
    running = {as_str(row.get("name")): row for row in _rows((yield ListRequest("/api/ps")))}
    found = []
    for row in list(_rows((yield ListRequest("/api/tags")))):
        name, version = as_str(row.get("name")), as_str(row.get("digest"))
        if not name:
            continue
        if not interest.wants(name):
            found.append(LocalModel(name, version=version))
            continue
        known = interest.known.get(name)
        if known is None or not version or known.version != version or known.limit is None:
            try:
                shown = yield ListRequest("/api/show", {"model": name})
            except RefusedError:
                continue  # removed since it was listed
            known = _ollama_model(LocalModel(name, version=version), shown)
        found.append(_running(known, running.get(name)))
    return found


def _ollama_model(model: LocalModel, shown: JsonObject) -> LocalModel:
    """Return the model with its context and abilities."""
    capabilities = shown.get("capabilities")
    if isinstance(capabilities, list):
        has = {ability: ability in capabilities for ability in (_CHAT, "vision", "tools")}
        model = replace(model, is_for_chat=has[_CHAT], images=has["vision"], tools=has["tools"])
    configured = _NUM_CTX.search(as_str(shown.get("parameters")))
    info = as_object(shown.get("model_info"))
    limit = _tokens(info, f"{as_str(info.get('general.architecture'))}.context_length")
    context = tokens_or_none(int(configured[1])) if configured else None
    return replace(model, context=context, limit=limit)


def _running(model: LocalModel, row: JsonObject | None) -> LocalModel:
    if row is None:
        return replace(model, is_loaded=False)
    return replace(model, is_loaded=True, context=_tokens(row, "context_length") or model.context)


def read_lmstudio(_interest: Interest) -> Reader:
    """Read LM Studio's models, from the older API if there is no newer one: for an unknown path, it sends a 200."""
    with suppress(RefusedError):
        answer = yield ListRequest("/api/v1/models")
        if "models" in answer:
            return [*_lmstudio_v1(answer)]
    return [*_lmstudio_v0((yield ListRequest("/api/v0/models")))]


def _lmstudio_v1(answer: JsonObject) -> Iterator[LocalModel]:
    for row in _rows(answer):
        name = as_str(row.get("key"))
        if not name:
            continue
        abilities = as_object(row.get("capabilities"))
        model = LocalModel(
            name,
            limit=_tokens(row, "max_context_length"),
            images=_flag(abilities, "vision"),
            tools=_flag(abilities, "trained_for_tool_use"),
            is_loaded=False,
            is_for_chat=row.get("type") not in _NOT_FOR_CHAT,
        )
        loaded = {
            as_str(one.get("id")): _tokens(as_object(one.get("config")), "context_length")
            for one in _rows(row, "loaded_instances")
        }
        if loaded:
            context = loaded.get(name) or next(iter(loaded.values()))
            model = replace(model, is_loaded=True, context=context)
        yield model
        for instance, context in loaded.items():
            if instance and instance != name:
                yield replace(model, name=instance, context=context)


def _lmstudio_v0(answer: JsonObject) -> Iterator[LocalModel]:
    for row in _rows(answer, "data"):
        name, kind = as_str(row.get("id")), as_str(row.get("type"))
        if not name:
            continue
        abilities = row.get("capabilities")
        yield LocalModel(
            name,
            context=_tokens(row, "loaded_context_length"),
            limit=_tokens(row, "max_context_length"),
            images=kind == "vlm" if kind in {"llm", "vlm"} else None,
            tools="tool_use" in abilities if isinstance(abilities, list) else None,
            is_loaded=row.get("state") == "loaded" if "state" in row else None,
            is_for_chat=kind not in _NOT_FOR_CHAT,
        )


def read_llamacpp(_interest: Interest) -> Reader:
    """Read the models of llama.cpp's server. While one loads, only their names are there; a router has no context."""
    try:
        props = yield ListRequest("/props")
    except RefusedError:
        props = {}
    names = yield ListRequest("/v1/models")
    context = _tokens(as_object(props.get("default_generation_settings")), "n_ctx")
    images = _flag(as_object(props.get("modalities")), "vision")
    return [
        LocalModel(
            as_str(row.get("id")),
            context=context,
            limit=_tokens(as_object(row.get("meta")), "n_ctx_train"),
            images=images,
            is_loaded=bool(context) or None,
        )
        for row in _rows(names, "data")
        if as_str(row.get("id"))
    ]


def read_vllm(_interest: Interest) -> Reader:
    """Read vLLM's models, adapters included."""
    answer = yield ListRequest("/v1/models")
    return [*_openai_models(answer)]


def read_sglang(_interest: Interest) -> Reader:
    """Read SGLang's model. A server of an older version has the two paths with `get_`."""
    models = [*_openai_models((yield ListRequest("/v1/models")))]
    info = yield from _first_of("/model_info", "/get_model_info")
    images = _flag(info, "has_image_understanding")
    context = None
    if any(model.context is None for model in models):
        server = yield from _first_of("/server_info", "/get_server_info")
        context = _tokens(server, "context_length")
    return [
        replace(
            model,
            images=images,
            context=model.context or context,
            is_for_chat=info.get("is_generation") is not False,
        )
        for model in models
    ]


def _openai_models(answer: JsonObject) -> Iterator[LocalModel]:
    for row in _rows(answer, "data"):
        if name := as_str(row.get("id")):
            yield LocalModel(name, context=_tokens(row, "max_model_len"), is_loaded=True)


def _first_of(*paths: str) -> Generator[ListRequest, JsonObject, JsonObject]:
    """Return the answer of the first path that the server knows; an empty one if it knows none."""
    for path in paths:
        try:
            return (yield ListRequest(path))
        except RefusedError:
            continue
    return {}


def _rows(answer: JsonObject, key: str = "models") -> Iterator[JsonObject]:
    rows = answer.get(key)
    yield from (as_object(row) for row in (rows if isinstance(rows, list) else []))


def tokens_or_none(value: object) -> int | None:
    """Return the value if it is a possible number of tokens."""
    tokens = as_int(value)
    return tokens if tokens and 0 < tokens <= MAX_TOKENS else None


def _tokens(row: JsonObject, key: str) -> int | None:
    return tokens_or_none(row.get(key))


def _flag(row: JsonObject, key: str) -> bool | None:
    value = row.get(key)
    return value if isinstance(value, bool) else None


@dataclass(frozen=True, slots=True)
class ServerKind:
    """One program that serves models on this machine."""

    name: str
    """Its name for people."""
    start: str
    """The command that starts it."""
    read: Callable[[Interest], Reader]
    refuses_unknown: bool = False
    """Whether a model that is not in its list cannot be used. The others take any name, or load what is not listed."""


KINDS: Mapping[str, ServerKind] = {
    "ollama": ServerKind("Ollama", "ollama serve", read_ollama, refuses_unknown=True),
    "lmstudio": ServerKind("LM Studio", "lms server start", read_lmstudio),
    "llamacpp": ServerKind("llama.cpp", "llama-server -m MODEL.gguf", read_llamacpp),
    "vllm": ServerKind("vLLM", "vllm serve MODEL", read_vllm, refuses_unknown=True),
    "sglang": ServerKind(
        "SGLang", "python -m sglang.launch_server --model-path MODEL", read_sglang
    ),
}
"""Preset of a provider → the program."""
