"""`codex-shim har`: whose turns an archive has, what it is made from, and what is said without a file."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import http

from addons.core.telemetry.record import METADATA_KEY
from shim_cli.console.errors import CliError
from shim_cli.report.har import write_har
from tests.adapters.codex.codex_threads import CodexThreads
from tests.core.cassette.turns import file_of, turn
from tests.proxy.test_flow_file import saved, turn_flow
from tests.strict.har import objections

PLANTED = "planted-key-of-this-machine-12345"


def written(path: Path) -> list[Any]:
    """Return the entries of an archive, which is valid and private."""
    har = json.loads(path.read_bytes())
    assert list(objections(har)) == []
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    entries: list[Any] = har["log"]["entries"]
    return entries


def test_turns_of_a_named_thread_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    codex = CodexThreads(tmp_path)
    first, second = codex.begin(1, title="Fix the login page"), codex.begin(2, title="Write docs")
    quoting = replace(turn("two", thread=second), started=1_796_000_000.5)
    source = tmp_path / "turns.jsonl"
    source.write_bytes(file_of(turn("one", thread=first), turn(PLANTED, thread=first), quoting))
    env = codex.env | {"SOME_API_KEY": PLANTED}
    for number, name in enumerate((first, first[-12:], "fix the LOGIN page", "login p")):
        assert write_har(env, name, source, Path(f"{number}.har")) == 0
        one, two = written(Path(f"{number}.har"))
        assert "one" in one["request"]["postData"]["text"]
        assert "<secret>" in two["request"]["postData"]["text"]
        assert PLANTED not in Path(f"{number}.har").read_text()
        assert one["startedDateTime"] == "2026-11-30T12:00:00.000Z"
    assert write_har(env, "last", source, None) == 0
    [entry] = written(Path(f"thread-{second}.har"))
    assert entry["startedDateTime"] == "2026-11-30T00:53:20.500Z"
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"0.har: 2 turns of the thread {first} Fix the login page"
    assert printed[-2] == f"thread-{second}.har: 1 turn of the thread {second} Write docs"
    assert printed[-1].startswith("It has the text of the conversation.")


def test_file_of_flows_has_the_attempts_too(tmp_path: Path) -> None:
    flow = turn_flow()
    flow.request.headers["x-note"] = "\udcff"
    assert flow.response is not None
    flow.response.headers["x-note"] = "\udcff"
    source, output = saved(tmp_path / "turns.flow", flow), tmp_path / "turns.har"
    env = {"HOME": str(tmp_path)}
    assert write_har(env, "last", source, output) == 0
    upstream, client = sorted(written(output), key=lambda entry: str(entry["comment"]))
    assert client["comment"].startswith(f"turn {flow.id}")
    assert upstream["comment"].startswith("attempt 1 of turn")
    assert (
        flow.metadata[METADATA_KEY]["thread"]
        in json.loads(output.read_bytes())["log"]["pages"][0]["title"]
    )


def test_value_that_is_spread_over_events_is_in_none(tmp_path: Path) -> None:
    parts = (PLANTED[:11], PLANTED[11:22], PLANTED[22:])
    events = "".join(f"data: {json.dumps({'type': 't', 'delta': part})}\n\n" for part in parts)
    source, output = tmp_path / "turns.jsonl", tmp_path / "turns.har"
    source.write_bytes(file_of(turn("one", events)))
    env = {"HOME": str(tmp_path), "SOME_API_KEY": PLANTED}
    assert write_har(env, "last", source, output) == 0
    [entry] = written(output)
    assert len(entry["_eventSourceMessages"]) == 3
    assert not [part for part in parts if part in output.read_text()]


def test_name_of_a_thread_cannot_control_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "turns.jsonl"
    source.write_bytes(file_of(turn(thread="\x9b31mone"), turn(thread="\x9b31m\u202etwo")))
    env = {"HOME": str(tmp_path)}
    assert write_har(env, "last", source, tmp_path / "a.har") == 0
    assert "of the thread ?31m?two\n" in capsys.readouterr().out
    with pytest.raises(CliError, match=r"it has \?31mone, \?31m\?two$"):
        write_har(env, "another", source, tmp_path / "b.har")


def test_what_cannot_be_written_is_said_with_the_next_command(tmp_path: Path) -> None:
    two = [turn(thread="thread-of-one"), turn(thread="thread-of-two")]
    source = tmp_path / "turns.jsonl"
    source.write_bytes(file_of(*two))
    empty, damaged = tmp_path / "empty.jsonl", tmp_path / "damaged.jsonl"
    empty.write_bytes(file_of())
    damaged.write_bytes(file_of(*two)[:-9])
    bare = turn_flow()
    assert bare.response is not None
    bare.response = http.Response.make(200, b"")
    flows = saved(tmp_path / "bare.flow", bare)
    garbage = tmp_path / "garbage"
    garbage.write_text("no flows")
    record = "codex-shim record turns.jsonl. Use Codex, then type: codex-shim har last --from turns.jsonl"
    other = "codex-shim har last --from FILE"
    for name, file, problem, advice in (
        ("t1", None, "a running shim keeps no text of turns", record),
        ("t1", tmp_path / "none", "cannot be read: No such file", record),
        ("t1", empty, "holds no turn", record),
        ("t1", damaged, "damaged.jsonl, line 3", record),
        ("t1", garbage, "is not a file of flows", record),
        (
            "last",
            flows,
            "bare.flow has no bodies of the answers of last: codex_shim_capture was 0",
            "codex-shim mitmdump -- -w turns.flow",
        ),
        ("thread-of", source, "'thread-of' names 2 threads", other),
        ("thread-of-onw", source, "Did you mean 'thread-of-one'?", other),
        ("zzz", source, "it has thread-of-one, thread-of-two", other),
    ):
        with pytest.raises(CliError) as error:
            write_har({"HOME": str(tmp_path)}, name, file, tmp_path / "x.har")
        assert problem in error.value.message
        assert advice in error.value.advice
    assert not (tmp_path / "x.har").exists()
    for path, problem in (
        (source, "already exists"),
        (tmp_path / "no" / "x.har", "cannot be written"),
    ):
        with pytest.raises(CliError, match=problem):
            write_har({"HOME": str(tmp_path)}, "last", source, path)
