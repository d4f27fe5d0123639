"""`codex-shim record` and `replay`, run as a user runs them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from addons.adapters.cassette.replay import read_cassette
from scripts.workbench_pictures import cassette_scenes
from tests.core.cassette.turns import body, file_of, turn
from tests.shim_cli.run import environment, shim
from tests.shim_cli.served import ForkedShim
from tests.support.pictures import check_picture

URL = "http://127.0.0.1:{}/v1/responses"


def post(port: int, text: str) -> str:
    done = subprocess.run(
        ["curl", "-sN", "--noproxy", "*", URL.format(port), "-H", "content-type: application/json", "-d", text],
        capture_output=True, text=True, timeout=20, check=True,
    )  # fmt: skip
    return done.stdout


def test_turn_is_recorded_and_replayed(tmp_path: Path) -> None:
    env, file = environment(tmp_path), tmp_path / "turns.jsonl"
    asked = body("hi").replace('"m"', '"shim-demo"').replace('{"model"', '{"stream":true,"model"')
    with ForkedShim(env, tmp_path / "record.log", "record", str(file)) as recording:
        first = post(recording.port, asked)
        assert f"Turns are recorded to {file}, with their text." in recording.output
    assert "response.completed" in first
    assert len(read_cassette(file).turns) == 1
    with ForkedShim(env, tmp_path / "replay.log", "replay", str(file), "--speed", "0") as replaying:
        assert "Replaying 1 turns of turns.jsonl on http://127.0.0.1:" in replaying.output
        assert "no upstream is asked" in replaying.output
        assert post(replaying.port, asked) == first
        missed = json.loads(post(replaying.port, asked.replace("hi", "ho")))
        assert "turns.jsonl has no turn for this request" in missed["error"]["message"]
        assert replaying.slugs() == ["shim-demo"]
    check_picture(
        "cassette.svg", *cassette_scenes(recording.output, replaying.output, str(tmp_path))
    )


def test_set_option_of_mitmdump_records(tmp_path: Path) -> None:
    env, file = environment(tmp_path), tmp_path / "turns.jsonl"
    flags = ("--", "--set", f"codex_shim_record={file}")
    with ForkedShim(env, tmp_path / "dump.log", "mitmdump", *flags) as dumping:
        post(dumping.port, '{"model":"shim-demo","stream":true,"input":"hi"}')
    assert len(read_cassette(file).turns) == 1


@pytest.mark.parametrize(
    ("args", "message", "advice"),
    [
        (["record", "here"], "here exists, and a cassette is never overwritten", "codex-shim record FILE"),
        (["record", "no/file"], "the folder of no/file does not exist", "codex-shim record FILE"),
        (["replay", "missing"], "missing cannot be read: No such file or directory", "codex-shim record FILE"),
        (["replay", "here"], "here, line 1, field codex_shim_cassette: it is missing", "codex-shim record FILE"),
        (["replay", "empty"], "empty has no turn", "codex-shim record FILE"),
        (["replay", "newer"], "version 9 is not known, this codex-shim reads version 1", "codex-shim record FILE"),
        (["replay", "cut"], "cut, line 3, column", "codex-shim record FILE"),
    ],
)  # fmt: skip
def test_file_that_cannot_be_used_is_named(
    tmp_path: Path, args: list[str], message: str, advice: str
) -> None:
    (tmp_path / "here").write_text("{}")
    (tmp_path / "empty").write_bytes(file_of())
    (tmp_path / "newer").write_text('{"codex_shim_cassette":9}')
    (tmp_path / "cut").write_bytes(file_of(turn(), turn())[:-30])
    done = shim(tmp_path, *args)
    assert done.returncode == 1
    assert message in done.stderr
    assert advice in done.stderr
    assert "Traceback" not in done.stderr
