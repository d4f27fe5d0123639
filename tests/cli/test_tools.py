from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from mitmproxy import flowfilter

from addons.origins.umask import users_umask
from shim_cli.doctor.finding import Subject
from shim_cli.doctor.sections import findings_of
from shim_cli.errors import CliError
from shim_cli.health import probe
from shim_cli.tools import Tool, addon_file, command_of, run_tool
from tests.cli.run import START, environment, shim
from tests.e2e.shim import Shim
from tests.fakes.cursor import FakeCursor
from tests.support.codex_client import Posted, request

ADDON = Path("/somewhere/addons/codex_shim.py")
SHIM = [
    "-s", str(ADDON),
    "--mode", "reverse:http://127.0.0.1:9@127.0.0.1:8765",
    "--set", "connection_strategy=lazy",
    "--set", "keep_host_header=true",
    "--set", "store_streamed_bodies=true",
]  # fmt: skip
DESKTOP = {"DISPLAY": ":0"}


def options_of(tool: Tool, *args: str, env: dict[str, str] | None = None) -> list[str]:
    command = command_of(tool, ADDON, 8765, args, env or DESKTOP)
    assert command[:3] == [sys.executable, "-P", "-c"]
    return command[4:]


def test_mitmdump_is_bound_to_loopback_and_the_users_words_come_last() -> None:
    assert options_of("mitmdump", "-v", "--set", "x=y") == [*SHIM, "-v", "--set", "x=y"]


def test_mitmweb_shows_its_page_on_loopback_only() -> None:
    options = options_of("mitmweb", "--web-port", "9999")

    assert options[: len(SHIM)] == SHIM
    assert options[len(SHIM) : len(SHIM) + 2] == ["--web-host", "127.0.0.1"]
    assert options[-2:] == ["--web-port", "9999"]
    assert "web_columns=comment" in options
    assert not any("web_password" in option for option in options)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display")
@pytest.mark.parametrize(
    ("env", "headless"),
    [
        ({"DISPLAY": ":0"}, False),
        ({"WAYLAND_DISPLAY": "wayland-0"}, False),
        ({}, True),
        ({"DISPLAY": ""}, True),
        ({"DISPLAY": ":0", "CI": "true"}, True),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "a b c d"}, True),
        ({"DISPLAY": ":0", "SSH_TTY": "/dev/pts/1"}, True),
    ],
)
def test_no_browser_is_opened_where_nobody_would_see_it(
    env: dict[str, str], headless: bool
) -> None:
    options = command_of("mitmweb", ADDON, 8765, [], env)

    assert ("--no-web-open-browser" in options) is headless


def test_the_addon_is_a_file_that_mitmproxy_can_load(tmp_path: Path) -> None:
    ran = shim(tmp_path, "addon-path")

    assert ran.stdout == f"{addon_file()}\n"
    assert addon_file().is_absolute()
    assert addon_file().name == "codex_shim.py"


@pytest.mark.parametrize("command", ["mitmdump", "web"])
def test_this_environments_own_mitmproxy_runs(tmp_path: Path, command: str) -> None:
    ran = shim(tmp_path, command, "--", "--version")

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("Mitmproxy: 12.")


def test_the_exit_code_is_the_tools_own(tmp_path: Path) -> None:
    ran = shim(tmp_path, "mitmdump", "--", "--bogus")

    assert ran.returncode not in (0, 130)
    assert "mitmdump: error: unrecognized arguments: --bogus" in ran.stderr


def test_a_folder_that_is_worked_in_cannot_run_code_in_the_tool(tmp_path: Path) -> None:
    trap = "raise SystemExit('the trap was imported')"
    for name in ("mitmproxy.py", "orjson.py", "asyncio.py", "addons.py"):
        (tmp_path / name).write_text(trap)

    ran = shim(tmp_path, "mitmdump", "--", "--version", cwd=tmp_path)

    assert ran.returncode == 0, ran.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_it_serves_until_ctrl_c(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [*START, "mitmdump", "--port", str(port)],
        env=environment(tmp_path, {"PYTHONUNBUFFERED": "1"}),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        assert any(f"listening at 127.0.0.1:{port}" in line for line in process.stdout)
        found = probe(port)
        doctor = [each.message for each in findings_of(Subject(environment(tmp_path), port))]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)

    assert (found.state, found.report["pid"]) == ("running", process.pid)
    assert f"running at http://127.0.0.1:{port}, 1 model" in doctor
    assert process.returncode == 0


def test_mitmdump_prints_turns_as_they_read(tmp_path: Path) -> None:
    with Shim(
        environment(tmp_path), tmp_path / "log", "mitmdump", "--", "--flow-detail", "3"
    ) as running:
        Posted(running.port, request("shim-demo", "what can you do")).ended()
        running.get("/health")

    assert "CODEX ASKED" in running.output
    assert "    USER" in running.output
    assert "CALL exec_command" in running.output.partition("CODEX WAS TOLD")[2]


def test_documented_filters_are_filters() -> None:
    """The filters of the README are filters of mitmproxy."""
    readme = Path(__file__, "../../../README.md").resolve().read_text()
    table = readme.partition("| filter | finds |")[2].partition("\n\n")[0]
    filters = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]

    assert len(filters) > 3
    for each in filters:
        assert callable(flowfilter.parse(each))


@pytest.fixture(autouse=True)
def own_umask() -> Iterator[None]:
    """A tool takes the place of this process, so nobody sets back what it sets."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)
    users_umask.cache_clear()


def test_what_the_tool_writes_is_for_this_user_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Cursor writes into the user's project is not: the tool is told what the user's own mask was."""
    given: dict[str, str] = {}

    def hand_over(_command: object, env: Mapping[str, str]) -> int:
        given.update(env)
        return 0

    monkeypatch.setattr("shim_cli.tools._hand_over", hand_over)
    os.umask(0o027)
    users_umask.cache_clear()
    assert run_tool("mitmdump", 8765, None, []) == 0
    assert os.umask(0o077) == 0o077
    assert given["CODEX_SHIM_CURSOR_UMASK"] == "27"


def test_settings_that_do_not_exist_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shim_cli.tools._hand_over", lambda *_: pytest.fail("it was started"))
    with pytest.raises(CliError, match="does not exist"):
        run_tool("mitmweb", 8765, Path("/nope.json"), [])


@pytest.mark.skipif(sys.platform == "win32", reason="Cursor models need WSL there")
def test_a_turn_of_cursor_shows_its_prompt_and_what_the_child_said(tmp_path: Path) -> None:
    cursor = FakeCursor(tmp_path / "cursor")
    cursor.install()
    cursor.play("echo")
    env = environment(tmp_path, {**cursor.env, "PATH": cursor.path})
    with Shim(env, tmp_path / "log", "mitmdump", "--", "--flow-detail", "3") as running:
        deadline = time.monotonic() + 20
        while "composer-2-5" not in running.slugs():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        Posted(running.port, request("composer-2-5", "what can you do")).ended()

    sent, _, said = running.output.partition("ATTEMPT 1: ANSWERED")
    assert "RUN cursor-agent --model composer-2.5" in sent
    assert "what can you do" in sent.partition("ATTEMPT 1: SENT")[2]
    assert "Noted." in said.partition("CODEX WAS TOLD")[0]
    assert "ENDED: result success" in said


def test_an_installation_without_the_addon_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shim_cli.tools.find_spec", lambda _: None)
    with pytest.raises(CliError, match="the addon is missing") as told:
        addon_file()
    assert "uv tool install --force codex-shim" in told.value.advice
