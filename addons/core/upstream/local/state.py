"""What is known of one model server on this machine, and what follows for a row that uses it.

Values only: no I/O and no clock. Invariant: a server hides its models only if nothing listens at its address, or if it said
itself that it does not have them; one that is slow, busy or refuses to list them hides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from addons.core.json_values import JsonObject, as_object, as_str
from addons.core.secrets import Origin
from addons.core.upstream.local.lists import KINDS, LocalModel, is_same_model, tokens_or_none

LAST_SECONDS = 253_000_000_000.0
"""A date of the year 9987 in Unix seconds. No later one can be shown."""
NO_DATE_SECONDS = 12 * 3600.0
"""A moment that is longer ago is shown with its date."""


class LocalServer(NamedTuple):
    """One server: which program, and where."""

    kind: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class ServerState:
    """What is known of one server."""

    down_since: float | None = None
    """When it was first seen not to listen, in Unix seconds; None while it does."""
    models: Mapping[str, LocalModel] = field(default_factory=dict)
    is_listed: bool = False
    """Whether `models` are all that it has."""

    def listed(self, models: Sequence[LocalModel]) -> ServerState:
        """Return the state after an answer. A model that is not loaded keeps the context that it was last given."""
        found = {model.name: self._with_last_context(model) for model in models}
        return ServerState(None, found, is_listed=True)

    def _with_last_context(self, model: LocalModel) -> LocalModel:
        before = self.models.get(model.name)
        if model.context or before is None or before.version != model.version:
            return model
        return replace(model, context=before.context)

    def unlisted(self) -> ServerState:
        """Return the state after an answer that is no list: the server listens, and nothing more is known."""
        return self if self.down_since is None else replace(self, down_since=None)

    def down(self, now: float) -> ServerState:
        """Return the state after a refused connection."""
        return self if self.down_since is not None else replace(self, down_since=now)

    def find(self, name: str) -> LocalModel | None:
        """Return the model of a name."""
        exact = self.models.get(name)
        same = (model for model in self.models.values() if is_same_model(model.name, name))
        return exact or next(same, None)

    def plain(self) -> dict[str, object]:
        """Return the state as JSON values."""
        models = [asdict(model) for model in self.models.values()]
        return {"down_since": self.down_since, "models": models, "is_listed": self.is_listed}

    @classmethod
    def of_plain(cls, value: JsonObject) -> ServerState:
        """Return the state that `plain` returned. Raises TypeError for fields of another version, and for wrong values."""
        since, models = value.get("down_since"), value.get("models")
        rows = [as_object(row) for row in models] if isinstance(models, list) else []
        found = {as_str(row.get("name")): _model_of_plain(row) for row in rows}
        down_since = since if isinstance(since, float) else None
        if down_since is not None and not 0.0 <= down_since <= LAST_SECONDS:
            raise TypeError(down_since)
        return cls(down_since, found, is_listed=value.get("is_listed") is True)


def _model_of_plain(row: Mapping[str, Any]) -> LocalModel:
    model = LocalModel(**row)
    numbers, flags = (model.context, model.limit), (model.images, model.tools, model.is_loaded)
    is_valid = (
        all(isinstance(text, str) for text in (model.name, model.version))
        and all(one is None or tokens_or_none(one) for one in numbers)
        and all(one is None or isinstance(one, bool) for one in flags)
        and model.is_for_chat in (True, False)
    )
    if not is_valid:
        raise TypeError(row)
    return model


UNKNOWN = ServerState()


class LocalFacts(NamedTuple):
    """What a server means for one row. The route of the row is made again when it changes."""

    reason: str = ""
    """Why the row is not offered; empty if it is."""
    context: int | None = None
    limit: int | None = None
    images: bool | None = None
    tools: bool | None = None
    down_since: float | None = None


NO_FACTS = LocalFacts()


def facts_of(server: LocalServer, state: ServerState, model: str, now: float) -> LocalFacts:
    """Return what a server means for a row with this model."""
    found = state.find(model)
    facts = LocalFacts(down_since=state.down_since)
    if found:
        facts = LocalFacts(
            "", found.context, found.limit, found.images, found.tools, state.down_since
        )
    if state.down_since is not None:
        return facts._replace(reason=down_reason(server, state.down_since, now))
    if found and not found.is_for_chat:
        return facts._replace(reason=f"{model} of {where(server)} makes embeddings and cannot chat")
    if found is None and state.is_listed and KINDS[server.kind].refuses_unknown:
        return facts._replace(reason=missing_reason(server, state, model))
    return facts


def where(server: LocalServer) -> str:
    """Return the name of a server for people: `llama.cpp at 127.0.0.1:8080`."""
    return f"{KINDS[server.kind].name} at {server.origin.authority}"


def down_text(server: LocalServer, since: float, now: float) -> str:
    """Return what is wrong: `llama.cpp at 127.0.0.1:8080 does not answer since 14:02`."""
    form = "%H:%M" if now - since < NO_DATE_SECONDS else "%d %b %H:%M"
    return (
        f"{where(server)} does not answer since {datetime.fromtimestamp(since).astimezone():{form}}"
    )


def down_reason(server: LocalServer, since: float, now: float) -> str:
    """Return why the models of a server are hidden, with the command to type."""
    return f"{down_text(server, since, now)}. Start it: {KINDS[server.kind].start}"


def missing_reason(server: LocalServer, state: ServerState, model: str) -> str:
    """Return why a model that a server does not have is hidden, with the next step."""
    if server.kind == "ollama":
        return f"{where(server)} does not have {model}. Get it: ollama pull {model}"
    names = ", ".join(list(state.models)[:5]) or "no model"
    return f"{where(server)} serves {names}, not {model}. Correct the row in models.json"
