"""A command that serves, with an output that takes nothing: it serves, and its exit code is the usual one."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.shim_cli.forks.client import started
from tests.shim_cli.run import START, environment
from tests.shim_cli.served import DEMO, Served
from tests.support.ports import free_port
from tests.support.waiting import LONGEST

pytestmark = [
    pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full"),
    pytest.mark.timeout(90),
]


def full() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def broken_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def file_on_nothing() -> int:
    """A descriptor that can only be read."""
    return os.open("/dev/null", os.O_RDONLY)


NOBODY = DEMO.replace("shim-demo", "nobody")
AFTERWARDS = (
    ("POST", "/v1/responses", NOBODY, 404),
    ("GET", "/v1/models", "", 200),
    ("GET", "/health", "", 200),
)

QUICK_DEMO = "from addons.adapters import demo; demo.paced.__defaults__ = (0.001,)"
OUTPUTS = {"full": full, "broken pipe": broken_pipe, "not writable": file_on_nothing}


@contextmanager
def serving(
    home: Path,
    stdout: int,
    stderr: int,
    *flags: str,
    command: str = "serve",
    close: tuple[int, ...] = (),
) -> Iterator[Served]:
    """Run a command with these outputs. Descriptors in `close` are closed in the child."""
    port = free_port()
    process = started(
        [*START, command, "--port", str(port), *flags],
        env=environment(home, {}),
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        before=f"{QUICK_DEMO}\nimport os\nfor number in {close}: os.close(number)",
    )
    running = Served(process, port)
    with process:
        try:
            answers(running)
            yield running
        finally:
            process.kill()
            for connection in running.connections:
                connection.close()


def answers(running: Served) -> None:
    """Wait until it answers."""
    for _ in range(int(LONGEST / 0.05)):
        assert running.process.poll() is None, "it has ended"
        try:
            assert running.ask("GET", "/health").status == 200
        except OSError:
            with pytest.raises(subprocess.TimeoutExpired):
                running.process.wait(0.05)
        else:
            return
    raise AssertionError


def check(running: Served) -> None:
    """Assert that turns are served, and others after them, and that the end is the usual one."""
    for answer in [running.ask("POST", "/v1/responses", DEMO) for _ in range(3)]:
        assert answer.status == 200
        assert b"event: response.completed\n" in answer.read()
    for method, path, body, status in AFTERWARDS:
        assert running.ask(method, path, body).status == status
    assert running.process.poll() is None
    assert running.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize("flags", [(), ("-v",)])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("output", OUTPUTS)
def test_output_that_takes_nothing_ends_nothing(
    output: str, flags: tuple[str, ...], tmp_path: Path, *, both: bool
) -> None:
    make: Callable[[], int] = OUTPUTS[output]
    descriptor, other = make(), make() if both else os.open(os.devnull, os.O_WRONLY)
    try:
        with serving(tmp_path, descriptor, other, *flags) as running:
            check(running)
    finally:
        os.close(descriptor)
        os.close(other)


@pytest.mark.parametrize("flags", [(), ("-v",)])
@pytest.mark.parametrize("closed", [(1,), (2,), (1, 2)])
def test_closed_output_ends_nothing(
    closed: tuple[int, ...], flags: tuple[str, ...], tmp_path: Path
) -> None:
    with serving(tmp_path, subprocess.DEVNULL, subprocess.DEVNULL, *flags, close=closed) as running:
        check(running)


def test_reader_that_leaves_while_it_serves_ends_nothing(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    try:
        with serving(tmp_path, writing, writing, "-v") as running:
            os.close(writing)
            os.close(reading)
            check(running)
    finally:
        for number in (reading, writing):
            with suppress(OSError):
                os.close(number)


def full_pipe() -> tuple[int, int]:
    """Return both ends of a pipe that is full: whoever writes to it waits for its reader."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 512)
    os.set_blocking(writing, True)
    return reading, writing


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        ("serve", ("-v",)),
        ("mitmdump", ()),
        ("mitmdump", ("--", "--flow-detail", "3")),
        ("web", ("--", "--no-web-open-browser", "--web-port", "0")),
    ],
)
def test_reader_that_stops_reading_stops_nothing(
    command: str, flags: tuple[str, ...], tmp_path: Path
) -> None:
    """A pipe holds 64 KB. Each line about a turn would wait for its reader from then on."""
    reading, writing = full_pipe()
    try:
        with serving(tmp_path, writing, writing, *flags, command=command) as running:
            check(running)
    finally:
        os.close(reading)
        os.close(writing)
