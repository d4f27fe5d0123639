"""A guarded child: whatever becomes of it, of its guard or of us, nothing of it is left."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from addons.origins import guarded
from addons.origins.guarded import Child, Command, output_of
from addons.proxy.loop import EagerLoop
from tests.fakes.cursor import is_alive
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Cursor models need WSL there")

SPREADS = """
import os, signal, subprocess, sys, time
kept = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(3600)"]
family = [subprocess.Popen(kept).pid, subprocess.Popen(kept, start_new_session=True).pid, os.getpid()]
open(sys.argv[1] + ".new", "w").write(" ".join(map(str, family)))
os.rename(sys.argv[1] + ".new", sys.argv[1])
if sys.argv[2] == "stays":
    signal.signal(15, signal.SIG_IGN)
    time.sleep(3600)
"""
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")


def python(code: str, *arguments: str, stdin: bytes = b"") -> Command:
    return Command([sys.executable, "-c", code, *arguments], "/", dict(os.environ), stdin)


async def family_of(path: Path) -> list[int]:
    await until(path.exists)
    return [int(pid) for pid in path.read_text().split()]  # noqa: ASYNC240  a few bytes


async def all_gone(pids: list[int]) -> None:
    await until(lambda: not [pid for pid in pids if is_alive(pid)], 10)


async def whole(child: Child) -> bytes:
    said = b""
    while data := await child.read():
        said += data
    return said


async def test_what_it_is_told_and_what_it_says() -> None:
    copy = "import sys; data = sys.stdin.buffer.read(); sys.stdout.buffer.write(data[::-1]); sys.exit(7)"
    told = os.urandom(3 * 1024 * 1024)
    child = await Child.start(python(copy, stdin=told))
    assert await whole(child) == told[::-1]
    assert await child.exit_code(20) == 7
    await child.end_and_wait()


async def test_the_end_of_one_that_was_killed_is_a_negative_number() -> None:
    child = await Child.start(python("import os; os.kill(os.getpid(), 11)"))
    assert await child.exit_code(20) == -signal.SIGSEGV
    await child.end_and_wait()


async def test_one_that_does_not_listen_does_not_hold_us_up() -> None:
    child = await Child.start(python("print('hi')", stdin=b"x" * 5_000_000))
    assert await whole(child) == b"hi\n"
    await child.end_and_wait()


async def test_a_program_that_cannot_run_says_so(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    nothing.write_bytes(b"\x7fnot a program")
    nothing.chmod(0o755)
    child = await Child.start(Command([str(nothing)], "/", {}))
    assert await child.exit_code(20) == 127
    assert b"cannot be run" in await child.stderr.read()
    await child.end_and_wait()


async def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await Child.start(Command([sys.executable], str(tmp_path / "gone"), {}))


@pytest.mark.parametrize("leaves", [False, True])
async def test_pipes_that_cannot_be_opened_leave_no_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leaves: bool
) -> None:
    opening = asyncio.Event()

    async def fail(*_: object) -> asyncio.StreamReader:
        opening.set()
        await asyncio.sleep(0)
        raise OSError(errno.EMFILE, "Too many open files")

    guards: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def noted(*given: Any, **more: Any) -> subprocess.Popen[bytes]:
        guards.append(popen(*given, **more))
        return guards[-1]

    monkeypatch.setattr(Child, "_reader_of", fail)
    monkeypatch.setattr(subprocess, "Popen", noted)
    starting = asyncio.ensure_future(Child.start(python(SPREADS, str(tmp_path / "f"), "goes")))
    await opening.wait()
    if leaves:
        starting.cancel()
    with pytest.raises(asyncio.CancelledError if leaves else OSError):
        await starting
    [guard] = guards
    assert guard.returncode is not None
    for pipe in (guard.stdin, guard.stdout, guard.stderr):
        assert pipe
        pipe.close()


async def test_an_output_that_a_grandchild_keeps_open_is_not_waited_for(tmp_path: Path) -> None:
    child = await Child.start(python(SPREADS, str(tmp_path / "family"), "goes"))
    assert await child.read() == b""
    assert not child.gone.done(), "what it has left behind does not listen, and is still there"
    assert await child.exit_code(0) == 0
    await child.end_and_wait()
    await all_gone(await family_of(tmp_path / "family"))


@pytest.mark.parametrize("stays", ["stays", "goes"])
async def test_ending_it_ends_all_that_it_has_started(tmp_path: Path, stays: str) -> None:
    child = await Child.start(python(SPREADS, str(tmp_path / "family"), stays))
    family = await family_of(tmp_path / "family")
    if stays == "stays":
        child.end()
        child.end()
    await asyncio.wait({child.gone})
    await all_gone(family if sys.platform == "linux" else [family[0], family[2]])
    child.end()


async def test_a_guard_that_is_killed_takes_its_program_and_its_group_with_it(
    tmp_path: Path,
) -> None:
    child = await Child.start(python(SPREADS, str(tmp_path / "family"), "stays"))
    in_group, elsewhere, program = await family_of(tmp_path / "family")
    os.kill(child.pid, signal.SIGKILL)
    await asyncio.wait({child.gone})
    assert await child.exit_code(0) is None
    await all_gone([in_group, program])
    os.kill(elsewhere, signal.SIGKILL)
    await child.end_and_wait()


@on_linux
async def test_a_guard_and_a_shim_that_are_killed_take_the_program_with_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "family"
    command = [sys.executable, "-c", DIES, SPREADS, str(path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root) as ours:  # noqa: ASYNC220  as a user's shell would
        family = await family_of(path)
        guards = Path(f"/proc/{ours.pid}/task/{ours.pid}/children").read_text().split()  # noqa: ASYNC240
        for pid in (ours.pid, *map(int, guards)):
            os.kill(pid, signal.SIGKILL)
    assert guards
    await all_gone(family[2:])
    for pid in family[:2]:
        os.kill(pid, signal.SIGKILL)


async def test_a_guard_that_is_asked_to_end_ends_all(tmp_path: Path) -> None:
    child = await Child.start(python(SPREADS, str(tmp_path / "family"), "stays"))
    family = await family_of(tmp_path / "family")
    os.kill(child.pid, signal.SIGTERM)
    await asyncio.wait({child.gone})
    await all_gone([family[0], family[2]])
    await child.end_and_wait()


async def test_a_guard_that_hangs_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "GUARD_SECONDS", 0.1)
    child = await Child.start(python(SPREADS, str(tmp_path / "family"), "stays"))
    family = await family_of(tmp_path / "family")
    os.kill(child.pid, signal.SIGSTOP)
    await child.end_and_wait()
    assert child.gone.done()
    for pid in family:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("steps", range(6))
async def test_a_start_that_is_cancelled_leaves_nothing(tmp_path: Path, steps: int) -> None:
    async def start() -> None:
        await (await Child.start(python(SPREADS, str(tmp_path / "family"), "goes"))).end_and_wait()

    starting = asyncio.ensure_future(start())
    for _ in range(steps):
        await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    if (tmp_path / "family").exists():
        await all_gone((await family_of(tmp_path / "family"))[2:])


async def test_it_is_given_time_and_uses_it() -> None:
    child = await Child.start(python("import time; time.sleep(0.2)"))
    child.end_after(20)
    await asyncio.wait({child.gone})
    assert await child.exit_code(0) == 0


async def test_it_is_given_time_and_that_passes() -> None:
    child = await Child.start(python("import time; time.sleep(3600)"))
    child.end_after(0.1)
    await asyncio.wait({child.gone})
    assert await child.exit_code(0) is None


async def test_an_output_is_read_to_its_end_and_no_further() -> None:
    assert await output_of(python("print('x' * 10)")) == b"x" * 10 + b"\n"
    long = await output_of(python("print('x' * 3_000_000)"))
    assert len(long) == guarded.READ_BYTES
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await output_of(python("import time; time.sleep(3600)"))


async def test_files_get_the_users_own_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "users_umask", lambda: 0o027)
    mask = "import os; print(oct(os.umask(0)))"
    assert await output_of(python(mask)) == b"0o27\n"


def test_the_loop_that_serves_knows_them_too() -> None:
    """Uvloop has pipes and sockets of its own."""

    async def main() -> None:
        for test in ON_EACH_LOOP:
            await test()

    with asyncio.Runner(loop_factory=EagerLoop) as runner:
        runner.run(main())


ON_EACH_LOOP: tuple[Callable[[], Coroutine[object, object, None]], ...] = (
    test_what_it_is_told_and_what_it_says,
    test_one_that_does_not_listen_does_not_hold_us_up,
    test_it_is_given_time_and_that_passes,
    test_it_is_given_time_and_uses_it,
    test_an_output_is_read_to_its_end_and_no_further,
)

DIES = """
import asyncio, os, sys
from addons.origins.guarded import Child, Command
async def main():
    await Child.start(Command([sys.executable, "-c", sys.argv[1], sys.argv[2], "stays"], "/", dict(os.environ)))
    await asyncio.sleep(3600)
asyncio.run(main())
"""


async def test_our_own_death_ends_all_that_it_has_started(tmp_path: Path) -> None:
    path = tmp_path / "family"
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", DIES, SPREADS, str(path)]
    with subprocess.Popen(command, cwd=root) as ours:  # noqa: ASYNC220  as a user's shell would
        family = await family_of(path)
        ours.kill()
    await all_gone(family if sys.platform == "linux" else [family[0], family[2]])
