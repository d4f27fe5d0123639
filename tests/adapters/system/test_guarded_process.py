"""A guarded child: no process of it remains after its end, its guard's end, or the shim's end."""

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

from addons.adapters.system import guarded_process as guarded
from addons.adapters.system.guarded_process import Child, Command, output_of
from addons.proxy.engine.mitmproxy_patches.event_loop import EagerLoop
from tests.fakes.cursor import is_alive
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Cursor models need WSL there")

SPREADS = """
import os, signal, subprocess, sys, time
stubborn = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(3600)"]
family = [subprocess.Popen(stubborn).pid, subprocess.Popen(stubborn, start_new_session=True).pid, os.getpid()]
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


async def read_all(child: Child) -> bytes:
    output = b""
    while data := await child.read():
        output += data
    return output


async def test_stdin_stdout_and_exit_code() -> None:
    copy = "import sys; data = sys.stdin.buffer.read(); sys.stdout.buffer.write(data[::-1]); sys.exit(7)"
    data = os.urandom(3 * 1024 * 1024)
    child = await Child.start(python(copy, stdin=data))
    assert await read_all(child) == data[::-1]
    assert await child.exit_code(20) == 7
    await child.end_and_wait()


async def test_exit_code_of_a_killed_child_is_negative() -> None:
    child = await Child.start(python("import os; os.kill(os.getpid(), 11)"))
    assert await child.exit_code(20) == -signal.SIGSEGV
    await child.end_and_wait()


async def test_child_that_does_not_read_stdin_does_not_block() -> None:
    child = await Child.start(python("print('hi')", stdin=b"x" * 5_000_000))
    assert await read_all(child) == b"hi\n"
    await child.end_and_wait()


async def test_program_that_cannot_run_reports_on_stderr(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    nothing.write_bytes(b"\x7fnot a program")
    nothing.chmod(0o755)
    child = await Child.start(Command([str(nothing)], "/", {}))
    assert await child.exit_code(20) == 127
    assert b"cannot be run" in await child.stderr.read()
    await child.end_and_wait()


async def test_missing_working_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await Child.start(Command([sys.executable], str(tmp_path / "gone"), {}))


@pytest.mark.parametrize("leaves", [False, True])
async def test_failed_pipes_leave_no_child(
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


async def test_output_kept_open_by_a_grandchild_is_not_waited_for(tmp_path: Path) -> None:
    child = await Child.start(python(SPREADS, str(tmp_path / "family"), "goes"))
    assert await child.read() == b""
    assert not child.gone.done(), "the grandchildren ignore SIGTERM and are still running"
    assert await child.exit_code(0) == 0
    await child.end_and_wait()
    await all_gone(await family_of(tmp_path / "family"))


@pytest.mark.parametrize("stays", ["stays", "goes"])
async def test_end_reaches_every_descendant(tmp_path: Path, stays: str) -> None:
    child = await Child.start(python(SPREADS, str(tmp_path / "family"), stays))
    family = await family_of(tmp_path / "family")
    if stays == "stays":
        child.end()
        child.end()
    await asyncio.wait({child.gone})
    await all_gone(family if sys.platform == "linux" else [family[0], family[2]])
    child.end()


async def test_killed_guard_takes_its_program_and_group_with_it(
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
async def test_killed_guard_and_shim_take_the_program_with_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "family"
    command = [sys.executable, "-c", DIES, SPREADS, str(path)]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, cwd=root) as shim:  # noqa: ASYNC220  as a user's shell would
        family = await family_of(path)
        guards = Path(f"/proc/{shim.pid}/task/{shim.pid}/children").read_text().split()  # noqa: ASYNC240
        for pid in (shim.pid, *map(int, guards)):
            os.kill(pid, signal.SIGKILL)
    assert guards
    await all_gone(family[2:])
    for pid in family[:2]:
        os.kill(pid, signal.SIGKILL)


async def test_end_of_the_loop_ends_the_child_and_leaves_nothing_open(tmp_path: Path) -> None:
    child = await Child.start(python(SPREADS, str(tmp_path / "family"), "stays"))
    family = await family_of(tmp_path / "family")
    # what the end of a loop does to each of its tasks
    child.gone.cancel()
    await asyncio.wait({child.gone})
    assert all(transport.is_closing() for transport in child._transports)
    await all_gone(family)
    await asyncio.to_thread(child._guard.wait)


async def test_terminated_guard_ends_the_group(tmp_path: Path) -> None:
    child = await Child.start(python(SPREADS, str(tmp_path / "family"), "stays"))
    family = await family_of(tmp_path / "family")
    os.kill(child.pid, signal.SIGTERM)
    await asyncio.wait({child.gone})
    await all_gone([family[0], family[2]])
    await child.end_and_wait()


async def test_hanging_guard_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
async def test_cancelled_start_leaves_no_process(tmp_path: Path, steps: int) -> None:
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


async def test_child_may_end_by_itself_before_the_deadline() -> None:
    child = await Child.start(python("import time; time.sleep(0.2)"))
    child.end_after(20)
    await asyncio.wait({child.gone})
    assert await child.exit_code(0) == 0


async def test_child_is_ended_at_the_deadline() -> None:
    child = await Child.start(python("import time; time.sleep(3600)"))
    child.end_after(0.1)
    await asyncio.wait({child.gone})
    assert await child.exit_code(0) is None


async def test_output_is_read_to_its_end_or_limit() -> None:
    assert await output_of(python("print('x' * 10)")) == b"x" * 10 + b"\n"
    long = await output_of(python("print('x' * 3_000_000)"))
    assert len(long) == guarded.READ_BYTES
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await output_of(python("import time; time.sleep(3600)"))


async def test_child_gets_the_umask_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "users_umask", lambda: 0o027)
    mask = "import os; print(oct(os.umask(0)))"
    assert await output_of(python(mask)) == b"0o27\n"


def test_children_work_on_the_serving_event_loop() -> None:
    """The serving loop is uvloop, whose pipes and sockets differ."""

    async def main() -> None:
        for test in ON_EACH_LOOP:
            await test()

    with asyncio.Runner(loop_factory=EagerLoop) as runner:
        runner.run(main())


ON_EACH_LOOP: tuple[Callable[[], Coroutine[object, object, None]], ...] = (
    test_stdin_stdout_and_exit_code,
    test_child_that_does_not_read_stdin_does_not_block,
    test_child_is_ended_at_the_deadline,
    test_child_may_end_by_itself_before_the_deadline,
    test_output_is_read_to_its_end_or_limit,
)

DIES = """
import asyncio, os, sys
from addons.adapters.system.guarded_process import Child, Command
async def main():
    await Child.start(Command([sys.executable, "-c", sys.argv[1], sys.argv[2], "stays"], "/", dict(os.environ)))
    await asyncio.sleep(3600)
asyncio.run(main())
"""


async def test_death_of_the_shim_ends_every_descendant(tmp_path: Path) -> None:
    path = tmp_path / "family"
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", DIES, SPREADS, str(path)]
    with subprocess.Popen(command, cwd=root) as shim:  # noqa: ASYNC220  as a user's shell would
        family = await family_of(path)
        shim.kill()
    await all_gone(family if sys.platform == "linux" else [family[0], family[2]])
