"""The format of a cassette: what is written is read, and what is wrong is named."""

from __future__ import annotations

import orjson
import pytest

from addons.core.cassette.format import CassetteError, loads
from tests.core.cassette.turns import file_of, turn


def test_written_turns_are_read() -> None:
    turns = (turn("one"), turn("two", "data: {}\n\n"))
    assert loads(file_of(*turns)).turns == turns


def changed(path: str, value: object) -> bytes:
    """Return a cassette with one turn, in which one field has another value."""
    head, line, _ = file_of(turn()).split(b"\n")
    document = inner = orjson.loads(line)
    *names, last = path.split(".")
    for name in names:
        inner = inner[name]
    inner[last] = value
    return head + b"\n" + orjson.dumps(document)


DAMAGED = {
    b"": "line 1, column 1: ",
    b"[]": "line 1: it is no JSON object",
    b"{}": "line 1, field codex_shim_cassette: it is missing",
    b'{"codex_shim_cassette":2}': "line 1, field codex_shim_cassette: version 2 is not known, this codex-shim reads version 1",
    file_of(turn())[:-40]: "line 2, column ",
    changed("request", []): "line 2, field request: it is missing or no object",
    changed("request.body", 1): "line 2, field request.body: it is missing or no string",
    changed("request.headers", [["a"]]): "line 2, field request.headers: an entry is no pair",
    changed("answer.status", True): "line 2, field answer.status: it is missing or no status",
    changed("answer.status", 101): "line 2, field answer.status: it is missing or no status",
    changed("answer.parts", {}): "line 2, field answer.parts: it is missing or no list",
    changed("answer.parts", [[0.1]]): "line 2, field answer.parts[0]: it is no pair",
    changed("answer.parts", [["x", "y"]]): "line 2, field answer.parts[0][0]: it is no number",
    changed("answer.parts", [[-1, "y"]]): "line 2, field answer.parts[0][0]: it is negative",
    changed("answer.ended", "later"): "line 2, field answer.ended: 'later' is neither",
    changed("model", 3): "line 2, field model: it is missing or no object",
}  # fmt: skip


def test_damage_is_named_by_line_field_and_reason() -> None:
    for data, message in DAMAGED.items():
        with pytest.raises(CassetteError) as caught:
            loads(data)
        assert str(caught.value).startswith(message), data


def test_unknown_field_is_ignored() -> None:
    assert loads(changed("request.later", 1)).turns == (turn(),)
