"""`codex-shim report`: the contents of the zip, and what it must not contain."""

from __future__ import annotations

import io
import json
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mitmproxy import http
from mitmproxy import io as mitmproxy_io
from mitmproxy.test import tflow

from addons.core.telemetry.record import METADATA_KEY
from shim_cli.console.errors import CliError
from shim_cli.report.command import refuse_leaks
from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.model_upstream import KEY as ROW_KEY
from tests.fakes.model_upstream import Call, ScriptedAnswer
from tests.shim_cli.run import environment, shim
from tests.shim_cli.served import ForkedShim
from tests.support.codex_client import CLIENT_SECRETS, HEADERS, Posted
from tests.views.samples import attempt, metadata
from tests.views.secrets import ALL, UNRECOGNIZABLE, leaked, request_with_secrets

ALWAYS = ["README.txt", "doctor.txt", "versions.json"]


def files_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@contextmanager
def served(home: Path) -> Iterator[tuple[ForkedShim, ChatUpstream]]:
    """Run a shim with one model."""
    with ChatUpstream() as upstream:
        row = {"model": "fake-chat", "slug": "fast", "base_url": upstream.base_url, "api_key": ROW_KEY}  # fmt: skip
        settings = home / ".codex-shim" / "models.json"
        settings.parent.mkdir()
        settings.write_text(json.dumps({"models": [row], "aliases": {"quick": "fast"}}))
        with ForkedShim(environment(home), home / "serve.log") as running:
            yield running, upstream


def test_turn_full_of_secrets_leaves_none_in_the_report(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "access.jsonl").write_text('{"slug": "fast", "status": 200}\n')
    with served(tmp_path) as (running, upstream):
        answer = ScriptedAnswer(
            text=ALL, thought=ALL, calls=(Call("exec_command", json.dumps({"cmd": ALL})),)
        )
        upstream.play(answer)
        posted = Posted(running.port, request_with_secrets("fast"), {**HEADERS, "x-note": ALL.split("\n")[0]})  # fmt: skip
        assert b"response." in posted.ended()
        ran = shim(tmp_path, "report", "--port", str(running.port), "--output", "report.zip")

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("report.zip\n")
    files = files_of(tmp_path / "report.zip")
    assert [*ALWAYS, "settings.json", "access.jsonl", "turn.json"] == list(files)
    everything = b"\n".join(files.values())
    assert leaked(everything) == []
    for secret in (*CLIENT_SECRETS.values(), ROW_KEY, str(tmp_path)):
        assert secret.encode() not in everything
    turn = json.loads(files["turn.json"])
    assert turn["request"]["body"]["model"] == "fast"
    assert [item["type"] for item in turn["request"]["body"]["input"]][-1] == "function_call_output"
    assert json.loads(files["settings.json"])["models"][0]["base_url"].startswith("http://127.0.0.1:")  # fmt: skip
    assert json.loads(files["versions.json"])["mitmproxy"].startswith("12.")
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "report.zip").stat().st_mode) == 0o600


def test_report_of_a_turn_by_id(tmp_path: Path) -> None:
    with served(tmp_path) as (running, upstream):
        upstream.play(ScriptedAnswer(text="one"), ScriptedAnswer(text="two"))
        for _ in range(2):
            Posted(running.port, {"model": "fast", "input": "hello", "stream": True}).ended()
        port = str(running.port)
        assert shim(tmp_path, "report", "--port", port, "--output", "a.zip").returncode == 0
        newest = json.loads(files_of(tmp_path / "a.zip")["turn.json"])["id"]
        unknown = shim(tmp_path, "report", "--port", port, "--flow", "nope", "--output", "b.zip")
        known = shim(tmp_path, "report", "--port", port, "--flow", newest[:8], "--output", "c.zip")

    assert unknown.returncode == 1
    assert f"No such turn among the last ones: {newest[:4]}" in unknown.stderr or newest in unknown.stderr  # fmt: skip
    assert not (tmp_path / "b.zip").exists()
    assert known.returncode == 0
    assert json.loads(files_of(tmp_path / "c.zip")["turn.json"])["id"] == newest


def test_long_ids_do_not_count_as_secrets(tmp_path: Path) -> None:
    """API ids look like keys: responses contain them, and Codex sends those of earlier turns back."""
    long = "msg_0a16618a68ff03eb0069e2e3a9be20819386fc13a2a3ad9cf0"
    earlier_answer = {"type": "message", "role": "assistant", "id": long, "content": "one"}
    question = {"type": "message", "role": "user", "content": "two"}
    with served(tmp_path) as (running, upstream):
        upstream.play(ScriptedAnswer(text="two"))
        body = {"model": "fast", "input": [earlier_answer, question], "stream": False}
        response = json.loads(Posted(running.port, body).ended())
        ran = shim(tmp_path, "report", "--port", str(running.port), "--output", "a.zip")

    assert ran.returncode == 0, ran.stderr
    turn = files_of(tmp_path / "a.zip")["turn.json"]
    assert long.encode() not in turn
    assert response["id"].encode() not in turn
    assert json.loads(turn)["request"]["body"]["input"][0]["id"].startswith("<id 54 chars #")


def test_report_does_not_contain_the_local_token(tmp_path: Path) -> None:
    token = "the-local-token-of-this-test-0123456789"
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "token").write_text(f"{token}\n")
    with served(tmp_path) as (running, upstream):
        upstream.play(ScriptedAnswer(text="one"))
        body = {"model": "fast", "input": "hello", "stream": True}
        Posted(running.port, body, {**HEADERS, "x-codex-shim-token": token}).ended()
        assert running.get("/api/turns")[0] == 401
        ran = shim(tmp_path, "report", "--port", str(running.port), "--output", "a.zip")

    assert ran.returncode == 0, ran.stderr
    files = files_of(tmp_path / "a.zip")
    assert json.loads(files["turn.json"])["kept"]["slug"] == "fast"
    assert token.encode() not in b"".join(files.values())


def test_report_without_a_running_shim_has_no_turn(tmp_path: Path) -> None:
    ran = shim(tmp_path, "report", "--output", "report.zip")

    assert ran.returncode == 0, ran.stderr
    assert "No turn included: no turn available from a shim on port 9" in ran.stdout
    assert list(files_of(tmp_path / "report.zip")) == ALWAYS


def flow_file(path: Path) -> str:
    """Write a flow file like mitmdump -w: a turn, and another flow after it."""
    flow = tflow.tflow(resp=True)
    body = json.dumps(request_with_secrets("fast")).encode()
    flow.request = http.Request.make("POST", "http://127.0.0.1:9/v1/responses", body)
    assert flow.response
    flow.response.content = b'data: {"type": "response.output_text.delta", "delta": "apricot"}\n\n'
    flow.metadata[METADATA_KEY] = metadata(attempt(body, b"{}"))
    with path.open("wb") as file:
        writer = mitmproxy_io.FlowWriter(file)
        writer.add(flow)
        writer.add(tflow.tflow(resp=True))
    return flow.id


def test_report_of_a_flow_file(tmp_path: Path) -> None:
    flow_id = flow_file(tmp_path / "saved")

    ran = shim(tmp_path, "report", "--flow-file", "saved", "--output", "report.zip")

    assert ran.returncode == 0, ran.stderr
    files = files_of(tmp_path / "report.zip")
    turn = json.loads(files["turn.json"])
    assert turn["id"] == flow_id
    assert turn["kept"]["attempts"][0]["answer"]["status"] == 200
    assert leaked(b"".join(files.values())) == []
    assert b"apricot" not in b"".join(files.values())


def test_text_is_written_only_after_confirmation(tmp_path: Path) -> None:
    flow_file(tmp_path / "saved")
    command = ("report", "--flow-file", "saved", "--with-text", "--output", "report.zip")

    refused = shim(tmp_path, *command)
    assert refused.returncode == 1
    assert "Continue?" in refused.stderr
    assert "nothing was written" in refused.stderr
    assert not (tmp_path / "report.zip").exists()

    agreed = shim(tmp_path, *command, stdin="y\n")
    assert agreed.returncode == 0, agreed.stderr
    assert "text/turn.txt" in agreed.stdout
    files = files_of(tmp_path / "report.zip")
    assert b"apricot" in files["text/turn.txt"]
    assert set(leaked(b"".join(files.values()))) <= UNRECOGNIZABLE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--with-text",), "a running shim never returns the text of a turn"),
        (("--flow-file", "nothing"), "nothing: No such file or directory"),
        (("--flow-file", "saved", "--flow", "zz"), "saved holds no turn whose id begins with 'zz'"),
        (("--flow-file", "garbage"), "garbage is not a file of flows"),
        (("--last", "--flow", "a"), "--last and --flow exclude each other"),
        (("--flow", "a"), "no turn available from a shim"),
    ],
)
def test_impossible_requests_are_errors(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    flow_file(tmp_path / "saved")
    (tmp_path / "garbage").write_bytes(b"\x00garbage")

    ran = shim(tmp_path, "report", "--output", "report.zip", *arguments)

    assert ran.returncode == 1
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "report.zip").exists()


def test_report_does_not_overwrite_a_file(tmp_path: Path) -> None:
    (tmp_path / "report.zip").write_text("mine")

    ran = shim(tmp_path, "report", "--output", "report.zip")

    assert ran.returncode == 1
    assert "report.zip already exists" in ran.stderr
    assert (tmp_path / "report.zip").read_text() == "mine"


def test_file_with_a_secret_is_not_written() -> None:
    with pytest.raises(
        CliError, match=r"doctor\.txt would have contained e-mail: nothing was written"
    ):
        refuse_leaks({"doctor.txt": b"ada@example.org"}, [])
    with pytest.raises(CliError, match="a secret of this machine") as caught:
        refuse_leaks({"a.json": b"hunter2pass"}, ["hunter2pass"])
    assert "hunter2pass" not in caught.value.message
