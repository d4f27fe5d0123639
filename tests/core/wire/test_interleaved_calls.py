"""Calls side by side. Invariant: however their fragments interleave, each call keeps its own name, id and arguments."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from addons.core.translate.conversation import Conversation
from addons.core.translate.emitter import Emitter
from addons.core.translate.endings import Client
from addons.core.translate.events import CallKind, Event
from tests.conformance import check
from tests.core.wire import chat_streams, messages_streams
from tests.core.wire.test_chat import declared
from tests.quirks.chat_quirks import chunk, stop

ARGUMENTS = st.dictionaries(
    st.text(max_size=3), st.integers() | st.text(max_size=6) | st.just({}), max_size=3
).map(json.dumps)
CALLS = st.lists(st.tuples(st.sampled_from(("read", "list", "apply_patch")), ARGUMENTS), min_size=1, max_size=4)  # fmt: skip
ASKED = declared("apply_patch", CallKind.CUSTOM)


def pieces(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    edges = [0, *cuts, len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


@st.composite
def interleaved(draw: st.DrawFn) -> tuple[list[tuple[str, str]], list[tuple[int, str]]]:
    """Calls, and (which, fragment of its arguments) in some order that keeps each call's own."""
    calls = [
        (name, json.dumps({"input": arguments}) if name == "apply_patch" else arguments)
        for name, arguments in draw(CALLS)
    ]
    left = {place: pieces(draw, arguments) for place, (_, arguments) in enumerate(calls)}
    order = draw(st.permutations([place for place, parts in left.items() for _ in parts]))
    return calls, [(place, left[place].pop(0)) for place in order]


def delivered(events: Iterable[Event]) -> list[tuple[str, str, str]]:
    """(id, name, arguments) of each call that a client was given."""
    emitter = Emitter("resp_1", 1, "m", {}, Client.CODEX)
    check(emitter.emit(events))
    output: Any = emitter.response["output"]
    return [
        (item["call_id"], item["name"], item["arguments"])
        if item["type"] == "function_call"
        else (item["call_id"], item["name"], json.dumps({"input": item["input"]}))
        for item in output
    ]


def expected(calls: list[tuple[str, str]]) -> list[tuple[str, str, str]]:
    return [(f"c{place}", name, arguments) for place, (name, arguments) in enumerate(calls)]


def chat_of(place: int, **fields: Any) -> bytes:
    return chunk({"tool_calls": [{"index": place, **fields}]})


@given(interleaved(), st.booleans(), st.booleans())
def test_chat(
    script: tuple[list[tuple[str, str]], list[tuple[int, str]]], ids_stay: bool, names_stay: bool
) -> None:
    """The id alone, or id and name, may stand on every fragment."""
    calls, fragments = script
    sent = b"".join(
        chat_of(place, id=f"c{place}", type="function", function={"name": name, "arguments": ""})
        for place, (name, _) in enumerate(calls)
    )
    for place, piece in fragments:
        name = {"name": calls[place][0]} if ids_stay and names_stay else {}
        known = {"id": f"c{place}"} if ids_stay else {}
        sent += chat_of(place, **known, function={**name, "arguments": piece})
    events = chat_streams.read(sent + stop("tool_calls"), conversation=ASKED)
    assert sorted(delivered(events)) == expected(calls)


@given(interleaved())
def test_messages(script: tuple[list[tuple[str, str]], list[tuple[int, str]]]) -> None:
    calls, fragments = script
    begun = b"".join(
        messages_streams.opened(place, "tool_use", id=f"c{place}", name=name, input={})
        for place, (name, _) in enumerate(calls)
    )
    said = b"".join(
        messages_streams.delta(place, "input_json_delta", partial_json=piece)
        for place, piece in fragments
    )
    ended = b"".join(messages_streams.closed(place) for place in range(len(calls)))
    sent = messages_streams.start() + begun + said + ended + messages_streams.end("tool_use")
    asked = Conversation((), ASKED.tools)
    assert sorted(delivered(messages_streams.read(sent, asked=asked))) == expected(calls)
