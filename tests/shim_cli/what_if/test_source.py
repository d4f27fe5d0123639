"""Where the turn of a comparison is looked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from addons.core.cassette.format import (
    RecordedAnswer,
    RecordedRequest,
    RecordedTurn,
    head_line,
    turn_line,
)
from shim_cli.console.errors import CliError
from shim_cli.what_if.source import RECORD_ADVICE, turn_of
from tests.core.what_if.samples import answer, body_of, original
from tests.shim_cli.health_server import serving

PATH = "/api/turns/original?id="


@contextmanager
def shim(status: int, body: object) -> Iterator[str]:
    """Run a server that answers a question for a turn. Yields its URL."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with serving(lambda path, _: (status if path.startswith(PATH) else 500, data)) as port:
        yield f"http://127.0.0.1:{port}"


def test_turn_of_the_running_shim_is_read() -> None:
    mine = original(recorded=answer())
    with shim(200, mine.plain()) as url:
        assert turn_of("abc1", url, "t") == mine


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (404, {"error": {"code": "no_turn", "message": "None\x1b."}}, "None?."),
        (404, {"error": {"code": "not_found", "message": "x"}}, "of an earlier version"),
        (500, [], "the running shim answered 500"),
        (500, b"<html>", "the running shim answered 500"),
        (200, {"refused": "it is a compaction"}, "it is a compaction"),
        (200, b"<html>", "did not answer: no valid answer"),
    ],
)
def test_refusal_of_the_running_shim_is_an_error(status: int, body: object, says: str) -> None:
    with shim(status, body) as url, pytest.raises(CliError) as raised:
        turn_of("LAST", url, "")
    assert says in raised.value.message
    assert raised.value.advice == RECORD_ADVICE


def recorded(path: str = "/v1/responses", agent: str = "user") -> bytes:
    request = RecordedRequest("POST", path, "http", "", agent, "row", (), body_of().decode())
    return turn_line(RecordedTurn(request, RecordedAnswer(200, (), ())))


HEAD = head_line("1", "")


def test_turn_of_a_cassette_is_the_last_one_of_the_user_or_the_named_one(tmp_path: Path) -> None:
    file = tmp_path / "turns.jsonl"
    file.write_bytes(HEAD + recorded() + recorded(agent="sub-agent") + recorded(agent="title"))
    assert [turn_of(f"{file}{which}", "", "").id for which in ("", ":1", ":3")] == ["2", "1", "3"]
    file.write_bytes(HEAD + recorded(agent="title"))
    assert turn_of(str(file), "", "").id == "1"


def test_file_without_the_turn_is_an_error(tmp_path: Path) -> None:
    for content, selector, says in (
        (HEAD, "", "has no turn$"),
        (HEAD + recorded(), ":7", "has no turn '7': it has the turns 1 to 1$"),
        (HEAD + b"{}\n", "", "line 2, field request"),
        (HEAD + recorded("/v1/responses/compact"), "", "only turns of /responses can be compared"),
        (b"hello", "", "is not a file of flows"),
    ):
        file = tmp_path / "turns"
        file.write_bytes(content)
        with pytest.raises(CliError, match=says) as raised:
            turn_of(f"{file}{selector}", "", "")
        assert raised.value.advice == RECORD_ADVICE
    with pytest.raises(CliError, match="cannot be read: Is a directory"):
        turn_of(str(tmp_path), "", "")
    with pytest.raises(CliError, match="there is no file /x"):
        turn_of("/" + "x" * 9000, "", "")


def test_name_of_a_file_that_is_not_there_gets_a_suggestion(tmp_path: Path) -> None:
    (tmp_path / "turns.jsonl").write_bytes(HEAD)
    with pytest.raises(
        CliError, match=r"there is no file .*turns\.jsnl\. Did you mean 'turns\.jsonl'\?"
    ):
        turn_of(str(tmp_path / "turns.jsnl"), "", "")
    with pytest.raises(CliError, match=r"there is no file no/such/turns\.jsonl$"):
        turn_of("no/such/turns.jsonl", "", "")


def test_name_with_a_colon_is_a_file_if_there_is_one(tmp_path: Path) -> None:
    file = tmp_path / "a:1"
    file.write_text("x")
    with pytest.raises(CliError, match="a:1 is not a file of flows"):
        turn_of(str(file), "", "")
