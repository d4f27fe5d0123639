"""`codex-shim statusline`: one line for a prompt, whatever is missing or damaged."""

from __future__ import annotations

import io
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from addons.adapters.ledger.turn_log import TurnLogWriter
from addons.core.telemetry.record import TurnRecord
from addons.core.usage import Usage
from shim_cli.usage.statusline import named_thread
from tests.adapters.records import turn
from tests.shim_cli.run import environment, shim
from tests.shim_cli.usage.quotas import write_quota_turns


def record(home: Path, *turns: TurnRecord) -> None:
    writer = TurnLogWriter(home / "state" / "access.jsonl", home / "state" / "usage.sqlite")
    for one in turns:
        writer.note(one)
    writer.close()


def line(home: Path, *args: str, stdin: str = "") -> str:
    done = shim(home, "statusline", *args, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\n")
    return done.stdout[:-1]


def test_line_is_about_the_last_turn(tmp_path: Path) -> None:
    write_quota_turns(tmp_path / "state", time.time())
    assert line(tmp_path) == "gpt-5.5 · chatgpt · 5 h 42.5 % · plan"


@pytest.mark.parametrize(
    ("args", "stdin"),
    [
        (["--thread", "t1"], ""),
        (["--thread=t1"], ""),
        (["--thread", "-"], '{"thread_id": "t1"}'),
        (["--thread", "-"], '{"thread_id": "", "session_id": "t1"}'),
    ],
)
def test_thread_is_named_by_an_option_or_on_stdin(
    tmp_path: Path, args: list[str], stdin: str
) -> None:
    write_quota_turns(tmp_path / "state", time.time())
    assert (
        line(tmp_path, *args, stdin=stdin) == "gpt-5.5 · chatgpt · 5 h 42.5 % (thread 8 %) · plan"
    )


@pytest.mark.parametrize("text", ["{}", "[]", '"t1"', "1", '{"thread_id": 5}', '{"other": "t1"}'])
def test_json_without_a_thread_names_none(text: str) -> None:
    assert named_thread(io.StringIO(text)) == ""


def test_cost_is_that_of_all_turns_of_the_thread(tmp_path: Path) -> None:
    record(tmp_path, turn(), turn(id="f2"), turn(id="f3", thread="t2"))
    assert line(tmp_path) == "row · openai · $0.0007"
    assert line(tmp_path, "--thread", "t1") == "row · openai · $0.0015"


def test_cost_names_what_is_unknown(tmp_path: Path) -> None:
    unknown = turn(model="nobody-knows")
    record(tmp_path, unknown)
    assert line(tmp_path) == "row · openai · cost unknown"
    record(tmp_path, turn(), turn(usage=None), turn(route="chatgpt"), turn(thread=""))
    assert line(tmp_path, "--thread", "t1") == "row · chatgpt · > $0.0007"
    assert line(tmp_path) == "row · openai"


def test_turn_without_usage_makes_the_cost_a_lower_bound(tmp_path: Path) -> None:
    record(tmp_path, turn(), turn(usage=None))
    assert line(tmp_path) == "row · openai · > $0.0007"


def test_price_and_label_of_a_row_are_used(tmp_path: Path) -> None:
    record(tmp_path, turn(slug="my-own", model="x", usage=Usage(10, 0, 5, 0, 15)))
    settings = tmp_path / ".codex-shim" / "models.json"
    settings.parent.mkdir()
    row = {"model": "My Own", "base_url": "https://h.example/v1", "price": {"input": 1e5, "output": 1e5}}  # fmt: skip
    settings.write_text(json.dumps({"models": [7, row]}))
    listing = {"models": [{"slug": "my-own", "provider": "openai", "label": "the cellar\n"}]}
    (tmp_path / "state" / "listing.json").write_text(json.dumps({"listing": listing}))
    assert line(tmp_path) == "my-own · the cellar? · $1.50"
    settings.write_text("{")
    assert line(tmp_path) == "my-own · the cellar? · cost unknown"


def test_window_that_was_reset_since_is_left_out(tmp_path: Path) -> None:
    write_quota_turns(tmp_path / "state", time.time() - 9000)
    assert line(tmp_path) == "gpt-5.5 · chatgpt · plan"


def empty(home: Path) -> None:
    assert not list(home.iterdir())


def without_turns(home: Path) -> None:
    record(home, turn(route=""))


def damaged(home: Path) -> None:
    (home / "state").mkdir()
    (home / "state" / "usage.sqlite").write_bytes(b"nonsense" * 200)


def of_another_program(home: Path) -> None:
    (home / "state").mkdir()
    with sqlite3.connect(home / "state" / "usage.sqlite") as db:
        db.execute("CREATE TABLE turns (a)")
    db.close()


@pytest.mark.parametrize("prepare", [empty, without_turns, damaged, of_another_program])
def test_line_is_empty_if_nothing_is_known(tmp_path: Path, prepare: Callable[[Path], None]) -> None:
    prepare(tmp_path)
    assert line(tmp_path) == ""


@pytest.mark.parametrize("stdin", ["", "no JSON", '{"thread_id": "unknown"}', "[" * 5000])
def test_line_is_empty_if_stdin_names_no_known_thread(tmp_path: Path, stdin: str) -> None:
    write_quota_turns(tmp_path / "state", time.time())
    assert line(tmp_path, "--thread", "-", stdin=stdin) == ""


def test_ledger_of_an_earlier_version_has_no_window(tmp_path: Path) -> None:
    write_quota_turns(tmp_path / "state", time.time())
    with sqlite3.connect(tmp_path / "state" / "usage.sqlite") as db:
        db.execute("DROP TABLE readings")
    db.close()
    assert line(tmp_path) == "gpt-5.5 · chatgpt · plan"


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full, and passwd entries")
@pytest.mark.parametrize("broken", ["closed", "ascii", "no home"])
def test_terminal_or_home_that_is_missing_is_no_failure(tmp_path: Path, broken: str) -> None:
    write_quota_turns(tmp_path / "state", time.time())
    env = environment(tmp_path, {"PYTHONIOENCODING": "ascii"} if broken == "ascii" else {})
    start = "from shim_cli.start import main; main()"
    if broken == "closed":
        start = f"import os; os.dup2(os.open('/dev/full', os.O_WRONLY), 1); {start}"
    if broken == "no home":
        start = f"import pwd, pathlib\ndef unknown(uid): raise KeyError(uid)\npwd.getpwuid = unknown; {start}"
        for name in ("HOME", "USERPROFILE", "CODEX_SHIM_STATE_DIR"):
            del env[name]
    done = subprocess.run([sys.executable, "-P", "-c", start, "statusline"], env=env, capture_output=True, text=True, check=False)  # fmt: skip
    expected = {"closed": "", "no home": "\n", "ascii": "gpt-5.5 ? chatgpt ? 5 h 42.5 % ? plan\n"}
    assert (done.returncode, done.stderr, done.stdout) == (0, "", expected[broken])
