"""What turns had and no contract has: names alone, each once, within bounds."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from addons.core.contract.contract import Names, Section, merged
from addons.core.contract.seen import (
    MAX_SEEN,
    Unknown,
    dumps_seen,
    is_name,
    loads_seen,
    unknown,
    with_new,
)
from addons.core.contract.structure import SentRequest, structure_of
from tests.core.contract.requests import turn

KNOWN = merged("1", [structure_of(turn()), {"event": {"response.completed": frozenset()}}])


def found(request: SentRequest, *events: str) -> list[tuple[str, str, str]]:
    parts: list[Mapping[Section, Names]] = [structure_of(request)]
    parts.append({"event": dict.fromkeys(events, frozenset[str]())})
    return [one.key for one in unknown(KNOWN, parts, "codex_exec/0.172.0", 5.0)]


def test_known_turn_has_nothing_new() -> None:
    assert found(turn()) == []


def test_each_planted_name_is_found_once() -> None:
    planted = turn(
        new_key={"inner": 1},
        input=[{"type": "brand_new_item", "text": "x"}, {"type": "message", "role": "user", "content": [], "planted": 1}],
        tools=[{"type": "function", "name": "new_tool"}],
    )  # fmt: skip
    assert found(planted, "response.planted", "response.completed") == [
        ("body key", "POST /responses", "new_key"),
        ("body key", "POST /responses", "new_key.inner"),
        ("item", "brand_new_item", ""),
        ("item", "message user", "planted"),
        ("tool", "function new_tool", ""),
        ("event", "response.planted", ""),
    ]
    assert found(SentRequest("POST", "/new/endpoint")) == [("endpoint", "POST /new/endpoint", "")]


def test_text_is_never_taken_for_a_name() -> None:
    for text in ("a" * 81, "Fix the bug, please!", "user@example.com", "line\nbreak", ""):
        assert not is_name(text)
        assert found(turn(**{text: 1})) == []
        assert found(turn(input=[{"type": text or "?!", "role": "user"}])) == []


def test_words_and_keys_are_never_taken_for_names() -> None:
    for text in ("two words", "sk-" + "fabricated0" * 3):
        assert found(turn(metadata={text: 1})) == [("body key", "POST /responses", "metadata")]
        assert found(turn(input=[{"type": text, "role": "user"}])) == []
    assert found(SentRequest("GET", "/models", ("sk-" + "fabricated0" * 3,))) == [
        ("endpoint", "GET /models", "")
    ]


def test_client_that_is_no_name_is_left_out() -> None:
    for client in ("codex\x1b]0;title\x07", "codex" * 100):
        (entry,) = unknown(KNOWN, [{"tool": {"t": frozenset()}}], client, 5.0)
        assert entry.client == ""


def test_list_that_another_program_wrote_can_be_shown() -> None:
    rows = [
        {"section": "tool", "name": "a", "member": "\x1b[31m", "client": "c"},
        {"section": "tool", "name": "b", "client": "\x1b]0;title\x07", "since": 1e300},
        {"section": "tool", "name": "c", "client": "c", "since": -1e300},
    ]
    entries = loads_seen(orjson.dumps({"seen": rows}))
    assert entries == [Unknown("tool", "b"), Unknown("tool", "c", "", "c")]


def test_list_is_bounded_and_keeps_the_first() -> None:
    first = Unknown("tool", "t0", "", "one", 1.0)
    seen = with_new({}, [first])
    many = [Unknown("tool", f"t{number}", "", "two", 2.0) for number in range(MAX_SEEN + 5)]
    seen = with_new(seen, many)
    assert len(seen) == MAX_SEEN
    assert seen[first.key] == first


def test_list_that_is_read_again_is_the_same_and_a_damaged_one_is_empty() -> None:
    entries = [Unknown("tool", "t", "m", "codex_exec/1", 1.5), Unknown("event", "response.x", "", "c", 2.0)]  # fmt: skip
    assert loads_seen(dumps_seen(entries)) == entries
    for data in (None, b"", b"{", b"[]", b'{"seen": 1}', b'{"seen": [1, {}, {"section": "tool"}]}'):
        assert loads_seen(data) == []
