"""Which models a server offers, and how much context each one has.

A server on this machine is asked in its own API (`addons.core.upstream.local.lists`); vLLM and most providers extend
`GET /v1/models` of OpenAI. Never does: load a model, follow a redirect. Invariant: a server that does not answer, or not
with JSON, raises `ServerError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from addons.adapters.local.client import NoListError, UnreachableError, ask_models
from addons.core.json_values import as_int, as_object, as_str
from addons.core.secrets import Origin
from addons.core.upstream.local.lists import LocalModel
from shim_cli.console.reasons import reason_of

SECONDS = 5.0
CONTEXT_FIELDS = (
    "loaded_context_length", "max_model_len", "context_length", "context_window", "max_context_length",
    "max_context_window", "max_input_tokens",
)  # fmt: skip
"""The fields for the context of a model in a list, the most exact one first."""
NO_CHAT = frozenset({"embeddings", "embedding", "rerank", "moderation", "image", "audio"})
"""Values of `type` in LM Studio's and Together's lists: models that cannot answer a turn."""


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
    """Return the models of a server on this machine that can chat. Raises ServerError."""
    try:
        found = ask_models(provider, Origin.of(base_url), SECONDS)
    except UnreachableError as error:
        msg = f"{error.url} cannot be reached: {reason_of(error.error)}"
        raise ServerError(msg) from error
    except NoListError as error:
        raise ServerError(str(error)) from error
    return [_offered(provider, model) for model in found if model.is_for_chat]


def _offered(provider: str, model: LocalModel) -> OfferedModel:
    may_get_less = provider == "ollama" and model.context is None and model.limit is not None
    return OfferedModel(model.name, model.context or model.limit, is_limit_of_model=may_get_less)


def _context(row: Mapping[str, object]) -> int | None:
    values = (as_int(row.get(name)) for name in CONTEXT_FIELDS)
    return next((value for value in values if value and value > 0), None)
