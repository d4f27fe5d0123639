"""A background shim, and a program that borrows its port."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shim_cli.state.health import is_listening, probe
from tests.shim_cli.daemons import User, user_with_daemons
from tests.shim_cli.forks.client import started
from tests.shim_cli.health_server import answering
from tests.shim_cli.run import START, environment
from tests.support.waiting import until

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="signals"), pytest.mark.timeout(120)]
SECONDS = 60.0


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    with user_with_daemons(tmp_path) as someone:
        yield someone


@contextmanager
def borrowing(user: User, *command: str) -> Iterator[subprocess.Popen[str]]:
    port = {"CODEX_SHIM_PORT": str(user.port), "PYTHONUNBUFFERED": "1"}
    with started(
        [*START, *command],
        env=environment(user.home, port),
        cwd=user.home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def answered_by(user: User) -> object:
    return probe(user.port).report.get("pid")


def wait_for(user: User, condition: str) -> None:
    """Wait until the port is answered by `daemon`, the recorded background shim, or by a `borrower`."""

    def holds() -> bool:
        pid = answered_by(user)
        is_recorded = user.record.exists() and user.pid == pid
        return pid is not None and is_recorded == (condition == "daemon")

    asyncio.run(until(holds, SECONDS))


WEB = ("web", "--", "--web-port", "0", "--no-web-open-browser")


@pytest.mark.parametrize(
    ("command", "end"),
    [(("mitmdump",), signal.SIGINT), (("mitmdump",), signal.SIGKILL), (WEB, signal.SIGTERM)],
    ids=lambda value: value[0] if isinstance(value, tuple) else value.name,
)
def test_port_is_taken_over_and_given_back(
    user: User, command: tuple[str, ...], end: signal.Signals
) -> None:
    settings = user.home / "mine.json"
    settings.write_text('{"models": [{"model": "m", "slug": "of-mine", "provider": "ollama"}]}')
    user.run("start", "--settings", str(settings))
    before = user.pid

    with borrowing(user, *command) as process:
        assert process.stderr is not None
        notice = process.stderr.readline()
        wait_for(user, "borrower")
        assert answered_by(user) == process.pid
        process.send_signal(end)
        process.wait(SECONDS)
    wait_for(user, "daemon")

    assert f"The background shim on port {user.port} was stopped." in notice
    assert user.pid not in {before, process.pid}
    record = json.loads(user.record.read_text())
    assert record["detached"] is True
    assert record["settings"] == str(settings)


def test_nothing_starts_after_a_program_that_borrowed_nothing(user: User) -> None:
    with borrowing(user, "mitmdump") as process:
        asyncio.run(until(lambda: answered_by(user) == process.pid, SECONDS))
        process.send_signal(signal.SIGINT)
        process.wait(SECONDS)

    assert not is_listening(user.port)
    assert not user.record.exists()


def test_shim_in_the_foreground_is_not_stopped(user: User) -> None:
    with borrowing(user, "serve") as served:
        wait_for(user, "daemon")  # it has a record, too

        refused = user.run("mitmdump")

        assert refused.returncode == 1
        assert f"in use by a codex-shim in the foreground (pid {served.pid})" in refused.stderr
        assert f"codex-shim stop --port {user.port}" in refused.stderr
        assert served.poll() is None


@pytest.mark.parametrize("command", ["mitmdump", "web"])
def test_port_of_another_program_is_one_sentence(tmp_path: Path, command: str) -> None:
    with answering(404, b"no shim") as port:
        refused = User(tmp_path, port).run(command)

    assert refused.returncode == 1
    first, advice = refused.stderr.splitlines()
    assert first.startswith(f"codex-shim: port {port} is in use")
    assert first.endswith("which is no codex-shim")
    assert advice == "Use another one: --port PORT"


def test_help_of_the_tool_borrows_nothing(user: User) -> None:
    user.run("start")
    before = user.pid

    assert user.run("mitmdump", "--", "--version").returncode == 0
    assert user.pid == before
