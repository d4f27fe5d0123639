"""`start`, `stop` and `restart` with a real shim."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from addons.core.version import VERSION
from shim_cli.console.errors import CliError
from shim_cli.state import daemon
from shim_cli.state.health import Health
from shim_cli.state.processes import is_alive
from shim_cli.state.run_state import RunState, write_state
from tests.shim_cli.daemons import User, user_with_daemons
from tests.shim_cli.run import OWN_PROCESS, START
from tests.shim_cli.served import DEMO, SERVE, served
from tests.support.ports import free_port

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    with user_with_daemons(tmp_path) as someone:
        yield someone


def ask(port: int, method: str, path: str, body: str = "", token: str = "") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"content-type": "application/json"}
    headers |= {"x-codex-shim-token": token} if token else {}
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def is_up(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_start_status_and_stop(user: User) -> None:
    started = user.run("start", **OWN_PROCESS)
    assert (started.returncode, started.stderr) == (0, "")
    pid = user.pid
    assert started.stdout.splitlines() == [
        f"running at http://127.0.0.1:{user.port} (pid {pid})",
        f"  log   {user.state}/run/{user.port}.log",
        f"Stop it: codex-shim stop --port {user.port}",
    ]
    assert os.getsid(pid) == pid
    status, body = ask(user.port, "GET", "/health")
    assert (status, json.loads(body)["pid"]) == (200, pid)
    assert user.run("status").returncode == 0

    again = user.run("start")
    assert again.returncode == 0
    assert again.stdout.startswith(f"already running at http://127.0.0.1:{user.port} (pid {pid})")

    stopped = user.run("stop")
    assert (stopped.returncode, stopped.stdout) == (0, f"stopped (pid {pid})\n")
    assert not is_up(user.port)
    assert not user.record.exists()
    twice = user.run("stop")
    assert twice.returncode == 0
    assert twice.stdout.startswith("not running")


def test_state_files_are_private_and_the_token_is_required(user: User) -> None:
    user.run("start", **OWN_PROCESS)
    token = (user.state / "token").read_text().strip()
    for path in user.state.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert ask(user.port, "POST", "/v1/responses", DEMO)[0] == 401
    assert ask(user.port, "POST", "/v1/responses", DEMO, token)[0] == 200
    logged = "".join(path.read_text() for path in (user.state / "run").iterdir() if path.is_file())
    assert token not in logged
    with open(f"/proc/{user.pid}/cmdline", "rb") as file:  # noqa: PTH123
        command = file.read()
    assert b"\0serve\0" in command
    assert token.encode() not in command


def test_restart_replaces_the_process(user: User) -> None:
    user.run("start")
    before = user.pid
    restarted = user.run("restart")
    assert restarted.stdout.startswith(f"stopped (pid {before})\nrunning at ")
    assert user.pid != before
    assert is_up(user.port)


def test_concurrent_starts_start_one_shim(user: User) -> None:
    with ThreadPoolExecutor(3) as pool:
        ran = list(pool.map(lambda _: user.run("start"), range(3)))
    assert [each.returncode for each in ran] == [0, 0, 0]
    expected = sorted(each.stdout.split(" at ")[0] for each in ran)
    assert expected == ["already running", "already running", "running"]


def test_stop_lets_a_running_turn_finish(user: User) -> None:
    user.run("start")
    token = (user.state / "token").read_text().strip()
    connection = http.client.HTTPConnection("127.0.0.1", user.port, timeout=20)
    headers = {"content-type": "application/json", "x-codex-shim-token": token}
    connection.request("POST", "/v1/responses", DEMO, headers)
    answer = connection.getresponse()
    begun = answer.read(50)
    with ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(user.run, "stop")
        body = begun + answer.read()
        assert stopping.result().returncode == 0
    connection.close()
    assert b"event: response.completed\n" in body


@pytest.mark.parametrize("left", ["dead", "another's"])
def test_stale_record_is_removed_and_stops_no_process(user: User, left: str) -> None:
    user.run("start")
    pid = user.pid
    record = json.loads(user.record.read_text())
    os.kill(pid, signal.SIGKILL)
    while is_alive(pid):
        time.sleep(0.01)
    bystander = subprocess.Popen(["sleep", "60"])
    if left == "another's":
        user.record.write_text(json.dumps({**record, "pid": bystander.pid}))
    try:
        stopped = user.run("stop")
        assert stopped.returncode == 0
        assert "removed the record" in stopped.stdout
        assert not user.record.exists()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    user.record.write_text(json.dumps(record))
    assert user.run("start").stdout.startswith("running at ")


def test_port_in_use_names_its_owner(user: User) -> None:
    with socket.create_server(("127.0.0.1", user.port)):
        started = user.run("start")
    assert started.returncode == 1
    assert started.stderr.startswith(f"codex-shim: port {user.port} is in use by ")
    assert f"(pid {os.getpid()})" in started.stderr
    assert f"codex-shim start --port {user.port + 1}" in started.stderr
    assert not user.record.exists()


@pytest.mark.parametrize(
    ("args", "env", "expected"),
    [
        (["--settings", "nowhere.json"], {}, "nowhere.json does not exist"),
        ([], {"CODEX_SHIM_CHATGPT_BASE_URL": "http://x.example"}, "must be https"),
        ([], {"CODEX_SHIM_STATE_DIR": "/dev/null/x"}, "/dev/null/x"),
    ],
)
def test_failed_start_shows_the_message_of_the_shim(
    user: User, args: list[str], env: dict[str, str], expected: str
) -> None:
    started = user.run("start", *args, **env)
    assert (started.returncode, started.stdout) == (1, "")
    assert expected in started.stderr
    assert "Traceback" not in started.stderr
    assert not is_up(user.port)


def test_foreground_shim_has_a_record(tmp_path: Path) -> None:
    with served(tmp_path, *SERVE) as running:
        user = User(tmp_path, running.port)
        assert user.pid == running.process.pid
        assert user.run("start").stdout.startswith("already running at ")
        assert user.run("stop").stdout == f"stopped (pid {running.process.pid})\n"
        assert running.process.wait(20) == 0
        assert not user.record.exists()


def test_unrecorded_shim_is_not_stopped(tmp_path: Path) -> None:
    with served(tmp_path, *SERVE) as running:
        user = User(tmp_path, running.port, {"CODEX_SHIM_STATE_DIR": str(tmp_path / "other")})
        stopped = user.run("stop")
        assert stopped.returncode == 1
        assert f"kill {running.process.pid}" in stopped.stderr
        assert running.process.poll() is None


def test_relative_path_in_the_environment_is_resolved(user: User) -> None:
    (user.home / "mine.json").write_text('{"aliases": {"fast": "shim-demo"}}')
    user.run("start", CODEX_SHIM_SETTINGS="mine.json", CODEX_SHIM_STATE_DIR="state")
    token = (user.state / "token").read_text().strip()
    fast = DEMO.replace("shim-demo", "fast")
    assert ask(user.port, "POST", "/v1/responses", fast, token)[0] == 200


def test_child_ignores_modules_in_the_working_folder(user: User) -> None:
    (user.home / "addons").mkdir()
    (user.home / "addons" / "__init__.py").write_text("raise SystemExit('not ours')")
    (user.home / "orjson.py").write_text("raise SystemExit('not ours')")
    assert user.run("start").returncode == 0


# Conditions that a real shim rarely has --------------------------------------------------------------------------


def test_shim_of_another_user_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = Health("http://127.0.0.1:1", "running", "", {"pid": 1, "models": 1})
    monkeypatch.setattr(daemon, "probe", lambda _: healthy)
    monkeypatch.setattr(daemon, "belongs_to_other_user", lambda _: True)
    with pytest.raises(CliError, match="another user"):
        daemon.ensure_started({"CODEX_SHIM_STATE_DIR": str(tmp_path)}, 1, None)


def test_version_mismatch_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report: dict[str, object] = {"pid": 1, "models": 1, "version": "0.0.1"}
    monkeypatch.setattr(daemon, "probe", lambda _: Health("http://x", "running", "", report))
    monkeypatch.setattr(daemon, "belongs_to_other_user", lambda _: False)
    daemon.start({"CODEX_SHIM_STATE_DIR": str(tmp_path)}, 8765, None)
    assert (
        f"It is version 0.0.1; this command is {VERSION}. Update it: codex-shim restart"
        in capsys.readouterr().out
    )


def test_shim_that_does_not_answer_is_terminated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "START_TIMEOUT", 0.3)
    children: list[subprocess.Popen[bytes]] = []

    def hang(*_: object) -> subprocess.Popen[bytes]:
        children.append(subprocess.Popen(["sleep", "60"]))
        return children[0]

    monkeypatch.setattr(daemon, "_spawn", hang)
    with pytest.raises(CliError, match="did not answer"):
        daemon.ensure_started({"CODEX_SHIM_STATE_DIR": str(tmp_path)}, free_port(), None)
    assert children[0].wait(10) != 0


def test_shim_that_does_not_exit_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "STOP_TIMEOUT", 0.1)
    monkeypatch.setattr(daemon, "terminate", lambda _: None)
    with served(
        tmp_path, *START, "serve", "--port", "PORT", env={"CODEX_SHIM_DRAIN_SECONDS": "0.1"}
    ) as shim:
        env = {"CODEX_SHIM_STATE_DIR": str(tmp_path / "state")}
        with pytest.raises(CliError, match="has not exited within") as caught:
            daemon.stop_daemon(env, shim.port)
        assert caught.value.advice == f"Kill it: kill -9 {shim.process.pid}"


def test_without_start_mark_only_an_answering_shim_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(daemon, "terminate", ended.append)
    monkeypatch.setattr(daemon, "_wait_for_exit", lambda _: None)
    env = {"CODEX_SHIM_STATE_DIR": str(tmp_path)}
    state = RunState(os.getpid(), free_port(), "", 0, VERSION, detached=True)
    write_state(env, state)
    assert "removed the record" in daemon.stop_daemon(env, state.port)
    assert ended == []
    healthy = Health("http://x", "running", "", {"pid": os.getpid(), "models": 1})
    monkeypatch.setattr(daemon, "probe", lambda _: healthy)
    write_state(env, state)
    assert daemon.stop_daemon(env, state.port) == f"stopped (pid {os.getpid()})"
    assert ended == [os.getpid()]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_forced_restart_replaces_a_shim_that_hangs(user: User) -> None:
    user.run("start")
    hung = user.pid
    os.kill(hung, signal.SIGSTOP)

    status = user.run("status")
    restarted = user.run("restart", "--force")

    assert status.returncode == 1
    assert f"The shim (pid {hung}) hangs. End it: codex-shim restart --force --port {user.port}" in status.stdout  # fmt: skip
    assert (restarted.returncode, restarted.stdout.splitlines()[0]) == (0, f"killed (pid {hung})")
    assert user.pid != hung
    assert user.run("status").returncode == 0


def test_forced_restart_of_a_stopped_shim_starts_it(user: User) -> None:
    assert user.run("restart", "--force").returncode == 0
    assert user.run("status").returncode == 0


def test_start_switches_the_privacy_gate_on(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str | None] = []

    def ensure(env: Mapping[str, str], *_: object) -> daemon.Started:
        given.append(env.get("CODEX_SHIM_PRIVACY"))
        return daemon.Started("http://127.0.0.1:1", 1, was_running=False, version=VERSION)

    monkeypatch.setattr("shim_cli.state.daemon.ensure_started", ensure)
    daemon.start({}, 1, None, privacy=True)
    daemon.start({}, 1, None)
    assert given == ["1", None]
