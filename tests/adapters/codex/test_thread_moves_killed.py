"""`kill -9` at every write of a move and of an undo: no thread is lost, and both ways lead on from there.

The child runs the real code. It counts what it does to the disk (files that it opens, renames, deletes or syncs, and statements
that it executes in a database) and kills itself before step number N; the test does this for every N.
"""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from addons.adapters.codex.thread_moves import ThreadMoves
from tests.adapters.codex.codex_threads import CodexThreads

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="signals"),
    pytest.mark.timeout(240),
]

OPENAI, SHIM = "openai", "codex_shim"
SERVER = """
import os, signal, sqlite3, sys
from addons.adapters.codex.thread_moves import ThreadMoves

def run(home, what, limit):
    count = 0

    def step():
        nonlocal count
        count += 1
        if count == limit:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event, args):
        touches = event in {"os.rename", "os.remove", "os.chmod", "os.utime", "os.mkdir"}
        writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
        if touches or writes:
            step()

    class Connection(sqlite3.Connection):
        def execute(self, *args):
            step()
            result = super().execute(*args)
            step()
            return result

        def commit(self):
            step()
            super().commit()
            step()

        def __exit__(self, kind, error, trace):
            self.commit()

    connect, fsync = sqlite3.connect, os.fsync
    sqlite3.connect = lambda *args, **named: connect(*args, factory=Connection, **named)

    def counted(descriptor):
        step()
        fsync(descriptor)
        step()

    os.fsync = counted
    sys.addaudithook(audit)
    moves = ThreadMoves({"HOME": home, "CODEX_SHIM_STATE_DIR": home + "/state"})
    if what == "move":
        moves.move(moves.threads(), "codex_shim")
    else:
        moves.undo()

for line in sys.stdin:
    home, what, limit = line.split()
    child = os.fork()
    if child == 0:
        run(home, what, int(limit))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def ended() -> Iterator[Callable[[Path, str, int], bool]]:
    """Return a function that runs the move or the undo; False if it was killed at step `limit`."""
    with subprocess.Popen(
        [sys.executable, "-P", "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        stdin, stdout = server.stdin, server.stdout
        assert stdin
        assert stdout

        def run(home: Path, what: str, limit: int) -> bool:
            stdin.write(f"{home} {what} {limit}\n")
            stdin.flush()
            code = int(stdout.readline())
            assert code in {0, -signal.SIGKILL}
            return code == 0

        yield run
        stdin.close()


def prepared(home: Path) -> tuple[CodexThreads, list[str]]:
    codex = CodexThreads(home)
    threads = [codex.begin(1), codex.begin(2)]
    (codex.codex / "thread-writer-locks").mkdir()
    return codex, threads


def contents(codex: CodexThreads, threads: list[str]) -> list[bytes]:
    return [codex.path(thread).read_bytes() for thread in threads]


def assert_whole(codex: CodexThreads, threads: list[str], states: list[list[bytes]]) -> None:
    """Check that each rollout is as before or as after, and the database intact."""
    for place, thread in enumerate(threads):
        assert codex.path(thread).read_bytes() in [state[place] for state in states]
        for line in codex.path(thread).read_bytes().splitlines():
            json.loads(line)
    with closing(sqlite3.connect(codex.database)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("what", ["move", "undo"])
def test_every_interruption_can_be_finished_and_undone(
    tmp_path: Path, what: str, ended: Callable[[Path, str, int], bool]
) -> None:
    codex, threads = prepared(tmp_path / "user")
    before = contents(codex, threads)
    shutil.copytree(codex.home, tmp_path / "before")
    moves = ThreadMoves(codex.env)
    moves.move(moves.threads(), SHIM)
    after = contents(codex, threads)
    shutil.copytree(codex.home, tmp_path / "after")
    start = tmp_path / ("before" if what == "move" else "after")

    limit, is_whole = 0, False
    while not is_whole:
        limit += 1
        shutil.rmtree(codex.home)
        shutil.copytree(start, codex.home)
        is_whole = ended(codex.home, what, limit)
        assert_whole(codex, threads, [before, after])
        moves = ThreadMoves(codex.env)
        # odd steps are followed by the undo, even ones by the same command once more
        if limit % 2:
            moves.undo()
            moves.finish()
            expected, provider = before, OPENAI
        elif what == "move":
            moves.move([one for one in moves.threads() if one.provider == OPENAI], SHIM)
            expected, provider = after, SHIM
        else:
            moves.undo()
            expected, provider = before, OPENAI
        assert contents(codex, threads) == expected
        assert {codex.row(thread) for thread in threads} == {provider}
        assert not moves.interrupted()
        if expected == after:
            while moves.undo():
                pass
            assert contents(codex, threads) == before
        assert list(codex.home.rglob(".rollout*")) == []
    assert limit > 40
