"""A client's request as a `Turn`, and the request that an edited `Turn` stands for.

Never does: show a header but the client's name and what Codex says about the turn. Invariant: a turn without an edit gives
the same request object; an edit changes the members of the body that it names and no other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import orjson

from addons.core.codex.threads import agent_of, metadata_of, thread_id_for
from addons.core.errors import Problem
from addons.core.hooks.frozen_json import JsonList, JsonMap, plain
from addons.core.hooks.values import EDITABLE, Turn
from addons.core.json_values import JsonDict, as_object, as_str, loads_exactly
from addons.core.protocols.request_body import parse_body
from addons.core.turn import ClientRequest, printable, shim_path

_CWD = re.compile(r"<environment_context>.*?<cwd>((?:(?!<cwd>).)*?)</cwd>", re.DOTALL)
_COMPACTION_ITEM = "compaction_trigger"
_FIXED_FIELDS = ("stream",)
"""Members of the body whose change would give the client an answer of another form."""
_LISTS, _TEXTS = ("input", "tools"), ("model", "instructions")
_SHOWN_ITEMS = 3


class EditError(ValueError):
    """An edit that cannot be sent. The text says which."""


@dataclass(slots=True)
class ReadTurn:
    """The turn of a request, with what is needed to write it again."""

    request: ClientRequest
    turn: Turn
    payload: JsonDict

    def edited(self, turn: Turn) -> ClientRequest:
        """Return the request with the edits of this turn. Raises EditError."""
        names = changed_fields(self.turn, turn)
        if not names:
            return self.request
        payload = dict(self.payload)
        for name in names:
            if name == "fields":
                _set_fields(payload, turn.fields)
            else:
                payload[name] = plain(getattr(turn, name))
        try:
            body = orjson.dumps(payload)
        except TypeError as error:
            msg = f"it holds what JSON cannot: {error}"
            raise EditError(msg) from None
        headers = tuple(
            one for one in self.request.headers if one[0].lower() != b"content-encoding"
        )
        return replace(self.request, headers=headers, body=body, model=turn.model, frame=None)


def read_turn(request: ClientRequest, max_bytes: int, flow_id: str) -> ReadTurn | Problem:
    """Read the turn of a request."""
    parsed = parse_body(request.body, request.header(b"content-encoding"), max_bytes)
    if isinstance(parsed, Problem):
        return parsed
    payload = as_object(loads_exactly(parsed.decoded))
    items = _items(payload.get("input"))
    turn = Turn(
        model=parsed.model,
        instructions=as_str(payload.get("instructions")),
        input=JsonList(items),
        tools=JsonList(_list(payload.get("tools"))),
        fields=JsonMap({k: v for k, v in payload.items() if k not in EDITABLE}),
        id=flow_id,
        thread=printable((thread_id_for(request) or b"").decode("latin-1")),
        agent=agent_of(request, parsed.model),
        folder=_folder(items, request),
        client=printable((request.header(b"originator") or b"").decode("latin-1")),
        transport=str(request.transport),
        is_compaction=_is_compaction(request, items),
        is_replay=request.is_replay,
    )
    return ReadTurn(request, turn, dict(payload))


def frozen_turn(turn: Turn) -> Turn:
    """Return a turn that a hook has made, so that the next one can read its lists and not change them."""
    return replace(
        turn,
        input=turn.input if isinstance(turn.input, JsonList) else JsonList(turn.input),
        tools=turn.tools if isinstance(turn.tools, JsonList) else JsonList(turn.tools),
        fields=turn.fields if isinstance(turn.fields, JsonMap) else JsonMap(turn.fields),
    )


def changed_fields(before: Turn, after: Turn) -> list[str]:
    """Return the names of the fields that a hook has changed. Raises EditError for a field that it may not."""
    if after is before:
        return []
    _require_types(after)
    names = []
    for one in fields(Turn):
        old, new = getattr(before, one.name), getattr(after, one.name)
        if not one.compare or new is old or new == old:
            continue
        if one.name not in EDITABLE:
            msg = f"`{one.name}` of a turn cannot be changed. What can is {', '.join(EDITABLE)}"
            raise EditError(msg)
        names.append(one.name)
    for fixed in _FIXED_FIELDS if "fields" in names else ():
        if before.fields.get(fixed) != after.fields.get(fixed):
            msg = f"`{fixed}` cannot be changed: the client expects an answer of the other form"
            raise EditError(msg)
    return names


def _require_types(turn: Turn) -> None:
    for text in _TEXTS:
        if not isinstance(getattr(turn, text), str) or not turn.model:
            msg = f"`{text}` has to be a text"
            raise EditError(msg)
    for name in _LISTS:
        if not isinstance(getattr(turn, name), JsonList | list | tuple):
            msg = f"`{name}` has to be a list"
            raise EditError(msg)
    members: object = turn.fields
    if not isinstance(members, Mapping) or not all(isinstance(name, str) for name in members):
        msg = "`fields` has to be a mapping with texts as keys"
        raise EditError(msg)


def edit_note(before: Turn, after: Turn) -> str:
    """Return which fields a hook has changed, without their values; empty if none. Raises EditError."""
    parts = []
    for name in changed_fields(before, after):
        if name == "input":
            parts.append(_changed_items(before.input, after.input))
        elif name == "fields":
            parts += _changed_members(before.fields, after.fields)
        else:
            parts.append(name)
    return ", ".join(parts)


def _changed_items(before: Sequence[object], after: Sequence[object]) -> str:
    places = [f"{n}" for n, (old, new) in enumerate(zip(before, after, strict=False)) if old != new]
    more = len(after) - len(before)
    shown = ", ".join(places[:_SHOWN_ITEMS])
    shown += f" and {len(places) - _SHOWN_ITEMS} more" if len(places) > _SHOWN_ITEMS else ""
    return "input" + (f"[{shown}]" if shown else "") + (f" ({more:+d})" if more else "")


def _changed_members(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    names = dict.fromkeys((*before, *after))
    return [printable(name) for name in names if before.get(name) != after.get(name)]


def _set_fields(payload: JsonDict, wanted: Mapping[str, object]) -> None:
    for name in [name for name in payload if name not in EDITABLE and name not in wanted]:
        del payload[name]
    payload.update({name: plain(wanted[name]) for name in wanted if name not in EDITABLE})


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _items(value: object) -> list[object]:
    if isinstance(value, str):
        part = {"type": "input_text", "text": value}
        return [{"type": "message", "role": "user", "content": [part]}]
    return _list(value)


def _folder(items: Sequence[object], request: ClientRequest) -> str:
    for item in reversed(items):
        message = as_object(item)
        if message.get("role") != "user":
            continue
        for part in _list(message.get("content")):
            if found := _CWD.match(as_str(as_object(part).get("text"))):
                return found[1].strip()
    workspaces = as_object(metadata_of(request).get("workspaces"))
    return next(iter(workspaces)) if len(workspaces) == 1 else ""


def _is_compaction(request: ClientRequest, items: Sequence[object]) -> bool:
    if shim_path(request.path) == "/responses/compact":
        return True
    last = as_object(items[-1]).get("type") if items else None
    return last == _COMPACTION_ITEM or metadata_of(request).get("request_kind") == "compaction"
