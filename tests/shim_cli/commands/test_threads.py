"""`codex-shim threads`: what it moves and refuses. The transcripts show its whole output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from addons.adapters.codex.thread_lock import writer_lock
from tests.adapters.codex.codex_threads import CodexThreads, thread_id
from tests.shim_cli.run import shim

OPENAI, SHIM = "openai", "codex_shim"


@pytest.fixture
def codex(tmp_path: Path) -> CodexThreads:
    return CodexThreads(tmp_path)


def test_named_thread_takes_its_sub_agents_along(codex: CodexThreads) -> None:
    named, other = codex.begin(1), codex.begin(2)
    child = codex.begin_sub_agent(3, named)
    grandchild = codex.begin_sub_agent(4, child)
    ran = shim(codex.home, "threads", "move", "--to", "shim", named)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Moved 1 thread and 2 threads of sub-agents to codex-shim." in ran.stdout
    assert [codex.row(each) for each in (named, child, grandchild)] == [SHIM] * 3
    assert codex.row(other) == OPENAI


def test_open_thread_is_refused_and_the_others_are_moved(codex: CodexThreads) -> None:
    opened, closed = codex.begin(1), codex.begin(2)
    (codex.codex / "thread-writer-locks").mkdir()
    before = codex.path(opened).read_bytes()
    with writer_lock(codex.env, opened):
        refused = shim(codex.home, "threads", "move", "--to", "shim", opened)
        assert refused.returncode == 1
        assert f"{opened} was not moved: Codex has it open" in refused.stderr
        assert "Close it in Codex, then run the command again." in refused.stderr
        partly = shim(codex.home, "threads", "move", "--to", "shim", "--all")
        assert partly.returncode == 1
        assert f"{opened} was not moved: Codex has it open" in partly.stdout
    assert (codex.path(opened).read_bytes(), codex.row(opened)) == (before, OPENAI)
    assert codex.row(closed) == SHIM


def test_disable_moves_back_and_names_what_is_open(codex: CodexThreads) -> None:
    opened, closed = codex.begin(1), codex.begin(2)
    before = codex.path(closed).read_bytes()
    (codex.codex / "thread-writer-locks").mkdir()
    moved = shim(codex.home, "threads", "move", "--to", "shim", "--all")
    assert moved.returncode == 0
    journal = codex.home / "state" / "thread-moves.json"
    # as if `enable` had moved them: that needs a running shim
    journal.write_text(journal.read_text().replace('"command"', '"enable"'))
    with writer_lock(codex.env, opened):
        ran = shim(codex.home, "disable")
    assert ran.returncode == 0
    assert "Moved 1 thread back to Codex's own provider." in ran.stdout
    assert f"{opened} was not moved back: Codex has it open" in ran.stdout
    assert codex.path(closed).read_bytes() == before
    assert "Moved 1 thread back" in shim(codex.home, "disable").stdout
    assert codex.row(opened) == OPENAI


def test_interrupted_move_is_told_and_can_be_undone(codex: CodexThreads) -> None:
    thread = codex.begin(1)
    before = codex.path(thread).read_bytes()
    shim(codex.home, "threads", "move", "--to", "shim", "--all")
    journal = codex.home / "state" / "thread-moves.json"
    journal.write_text(journal.read_text().replace('"done"', '"moving"'))
    assert "A move was interrupted." in shim(codex.home, "threads").stdout
    assert json.loads(shim(codex.home, "threads", "list", "--json").stdout)["interrupted"]
    assert shim(codex.home, "threads", "undo").returncode == 0
    assert codex.path(thread).read_bytes() == before


def test_long_list_is_cut_and_json_is_not(codex: CodexThreads) -> None:
    for number in range(1, 26):
        codex.begin(number)
    listed = shim(codex.home, "threads").stdout
    assert "openai (Codex's own provider): 25 threads" in listed
    assert "and 5 more: codex-shim threads list --json" in listed
    assert thread_id(20) in listed
    assert thread_id(21) not in listed
    assert len(json.loads(shim(codex.home, "threads", "list", "--json").stdout)["threads"]) == 25


def test_damaged_database_is_an_error_with_advice(codex: CodexThreads) -> None:
    codex.begin(1)
    codex.database.write_bytes(b"no database" * 100)
    ran = shim(codex.home, "threads")
    assert ran.returncode == 1
    assert str(codex.database) in ran.stderr
    assert "Close Codex" in ran.stderr
    disabled = shim(codex.home, "disable")
    assert disabled.returncode == 0
    assert "Threads were not counted: " in disabled.stdout


def test_sub_agent_of_another_provider_is_left(codex: CodexThreads) -> None:
    named = codex.begin(1)
    child = codex.begin_sub_agent(2, named, "ollama")
    ran = shim(codex.home, "threads", "move", "--to", "shim", named)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (codex.row(named), codex.row(child)) == (SHIM, "ollama")


def test_disable_says_how_to_open_a_compressed_thread(codex: CodexThreads) -> None:
    thread = codex.begin(1)
    shim(codex.home, "threads", "move", "--to", "shim", "--all")
    journal = codex.home / "state" / "thread-moves.json"
    # as if `enable` had moved it: that needs a running shim
    journal.write_text(journal.read_text().replace('"command"', '"enable"'))
    path = codex.path(thread)
    compressed = path.rename(path.with_name(f"{path.name}.zst"))
    advice = (
        f"Open and close it: codex-shim codex -- resume {thread}\nThen type: codex-shim disable"
    )
    assert advice in shim(codex.home, "disable").stdout
    refused = shim(codex.home, "threads", "undo")
    assert f"again: codex-shim codex -- resume {thread}" in refused.stderr
    compressed.rename(path)
    assert "Moved 1 thread back" in shim(codex.home, "disable").stdout
    assert codex.row(thread) == OPENAI


def test_disable_says_what_to_do_about_a_read_only_rollout(codex: CodexThreads) -> None:
    thread = codex.begin(1)
    shim(codex.home, "threads", "move", "--to", "shim", "--all")
    journal = codex.home / "state" / "thread-moves.json"
    journal.write_text(journal.read_text().replace('"command"', '"enable"'))
    codex.path(thread).chmod(0o400)
    told = shim(codex.home, "disable").stdout
    assert "its rollout is read-only\nCorrect that, then type: codex-shim disable" in told
