from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from mitmproxy import flowfilter

from addons.adapters.system.umask import users_umask
from shim_cli.commands.mitmproxy_tools import Tool, addon_file, run_tool, tool_command
from shim_cli.console.errors import CliError
from shim_cli.doctor.finding import DoctorContext
from shim_cli.doctor.sections import run_sections
from shim_cli.state.health import probe
from tests.fakes.cursor import FakeCursor
from tests.shim_cli.run import START, environment, shim
from tests.shim_cli.served import ForkedShim, served
from tests.support.codex_client import Posted, request
from tests.support.ports import free_port

ADDON = Path("/somewhere/addons/codex_shim.py")
SHIM = [
    "-s", str(ADDON),
    "--mode", "reverse:http://127.0.0.1:9@127.0.0.1:8765",
    "--listen-host", "127.0.0.1",
    "--set", "connection_strategy=lazy",
    "--set", "keep_host_header=true",
    "--set", "store_streamed_bodies=true",
]  # fmt: skip
DESKTOP = {"DISPLAY": ":0"}


def options_of(tool: Tool, *args: str, env: dict[str, str] | None = None) -> list[str]:
    command = tool_command(tool, ADDON, 8765, args, env or DESKTOP)
    assert command[:3] == [sys.executable, "-P", "-c"]
    return command[4:]


def test_mitmdump_listens_on_loopback_and_user_arguments_come_last() -> None:
    assert options_of("mitmdump", "-v", "--set", "x=y") == [*SHIM, "-v", "--set", "x=y"]


def test_mitmweb_page_is_on_loopback() -> None:
    options = options_of("mitmweb", "--web-port", "9999")

    assert options[: len(SHIM)] == SHIM
    assert options[len(SHIM) : len(SHIM) + 2] == ["--web-host", "127.0.0.1"]
    assert options[-2:] == ["--web-port", "9999"]
    columns = [option for option in options if option.startswith("web_columns=")]
    assert columns == ["web_columns=comment", "web_columns=time"]
    assert not any("web_password" in option for option in options)


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("command", ["mitmdump", "web"])
def test_mode_of_the_user_adds_a_listener_on_loopback(tmp_path: Path, command: str) -> None:
    more = free_port()
    flags = ("--web-port", "0", "--no-web-open-browser") if command == "web" else ()
    tool = (*START, command, "--port", "PORT", "--", *flags)
    mode = ("--mode", f"reverse:http://127.0.0.1:9@{more}")

    with served(tmp_path, *tool, *mode, ready=f"listening at 127.0.0.1:{more}") as running:
        pass

    assert not any(f"*:{more}" in line for line in running.printed)


@pytest.mark.parametrize(
    ("args", "drops"),
    [
        ((), True),
        (("-v",), True),
        (("-w", "flows"), True),
        (("-rnotes",), True),
        (("-n", "-r", "flows"), False),
        (("-nr", "flows"), False),
        (("-qnr", "flows"), False),
        (("--no-server",), False),
        (("--options",), False),
        (("--version",), False),
    ],
)
def test_only_a_tool_that_serves_drops_unread_output(args: tuple[str, ...], *, drops: bool) -> None:
    """A reader of printed flows, such as a pager, may be slow."""
    command = tool_command("mitmdump", ADDON, 8765, args, DESKTOP)

    assert ("drop_lost_output()" in command[3]) is drops


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
def test_no_browser_is_opened_on_a_headless_machine(env: dict[str, str], headless: bool) -> None:
    options = tool_command("mitmweb", ADDON, 8765, [], env)

    assert ("--no-web-open-browser" in options) is headless


def test_addon_path_is_an_absolute_file(tmp_path: Path) -> None:
    ran = shim(tmp_path, "addon-path")

    assert ran.stdout == f"{addon_file()}\n"
    assert addon_file().is_absolute()
    assert addon_file().name == "codex_shim.py"


@pytest.mark.parametrize("command", ["mitmdump", "web"])
def test_mitmproxy_of_this_environment_runs(tmp_path: Path, command: str) -> None:
    ran = shim(tmp_path, command, "--", "--version")

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("Mitmproxy: 12.")


def test_exit_code_of_the_tool_is_returned(tmp_path: Path) -> None:
    ran = shim(tmp_path, "mitmdump", "--", "--bogus")

    assert ran.returncode not in (0, 130)
    assert "mitmdump: error: unrecognized arguments: --bogus" in ran.stderr


def test_working_folder_cannot_run_code_in_the_tool(tmp_path: Path) -> None:
    trap = "raise SystemExit('the trap was imported')"
    for name in ("mitmproxy.py", "orjson.py", "asyncio.py", "addons.py"):
        (tmp_path / name).write_text(trap)

    ran = shim(tmp_path, "mitmdump", "--", "--version", cwd=tmp_path)

    assert ran.returncode == 0, ran.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_mitmdump_serves_until_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
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
        doctor = [each.message for each in run_sections(DoctorContext(environment(tmp_path), port))]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)

    assert (found.state, found.report["pid"]) == ("running", process.pid)
    assert f"running at http://127.0.0.1:{port}, 1 model" in doctor
    assert process.returncode == 0


def test_mitmdump_prints_readable_turns(tmp_path: Path) -> None:
    with ForkedShim(
        environment(tmp_path), tmp_path / "log", "mitmdump", "--", "--flow-detail", "3"
    ) as running:
        Posted(running.port, request("shim-demo", "what can you do")).ended()
        running.get("/health")

    assert "REQUEST FROM CODEX" in running.output
    assert "    USER" in running.output
    assert "CALL exec_command" in running.output.partition("RESPONSE TO CODEX")[2]


def test_documented_filters_are_valid() -> None:
    """The filters of docs/observing.md are valid filters of mitmproxy."""
    page = Path(__file__, "../../../../docs/observing.md").resolve().read_text()
    table = page.partition("| filter | finds |")[2].partition("\n\n")[0]
    filters = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]

    assert len(filters) > 3
    for each in filters:
        assert callable(flowfilter.parse(each))


@pytest.fixture(autouse=True)
def own_umask() -> Iterator[None]:
    """Restore the umask: a tool normally replaces the process and does not restore it."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)
    users_umask.cache_clear()


def test_tool_writes_private_files_and_keeps_the_users_umask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Files that Cursor writes into a project use the user's umask, which the tool gets in a variable."""
    given: dict[str, str] = {}

    def hand_over(_command: object, env: Mapping[str, str]) -> int:
        given.update(env)
        return 0

    monkeypatch.setattr("shim_cli.commands.mitmproxy_tools.replace_process", hand_over)
    os.umask(0o027)
    users_umask.cache_clear()
    assert run_tool("mitmdump", 8765, None, []) == 0
    assert os.umask(0o077) == 0o077
    assert given["CODEX_SHIM_CURSOR_UMASK"] == "27"


def test_missing_settings_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "shim_cli.commands.mitmproxy_tools.replace_process",
        lambda *_: pytest.fail("the tool was started"),
    )
    with pytest.raises(CliError, match="does not exist"):
        run_tool("mitmweb", 8765, Path("/nope.json"), [])


@pytest.mark.skipif(sys.platform == "win32", reason="Cursor models need WSL there")
def test_cursor_turn_shows_prompt_and_output(tmp_path: Path) -> None:
    cursor = FakeCursor(tmp_path / "cursor")
    cursor.install()
    cursor.play("echo")
    env = environment(tmp_path, {**cursor.env, "PATH": cursor.path})
    with ForkedShim(env, tmp_path / "log", "mitmdump", "--", "--flow-detail", "3") as running:
        deadline = time.monotonic() + 20
        while "composer-2-5" not in running.slugs():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        Posted(running.port, request("composer-2-5", "what can you do")).ended()

    sent, _, received = running.output.partition("ATTEMPT 1: RESPONSE")
    assert "RUN cursor-agent --model composer-2.5" in sent
    assert "what can you do" in sent.partition("ATTEMPT 1: REQUEST")[2]
    assert "Noted." in received.partition("RESPONSE TO CODEX")[0]
    assert "ENDED: result success" in received


def test_missing_addon_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shim_cli.commands.mitmproxy_tools.find_spec", lambda _: None)
    with pytest.raises(CliError, match="the addon is missing") as caught:
        addon_file()
    assert "uv tool install --force ." in caught.value.advice


@pytest.mark.parametrize("command", ["mitmdump", "web"])
def test_hook_option_reaches_the_addon(tmp_path: Path, command: str) -> None:
    hook = tmp_path / "codex_shim_hooks.py"
    hook.write_text(
        "from addons.hooks import Refuse\ndef on_turn(turn): return Refuse(turn.model)\n"
    )
    more = ["--", "--set", f"web_port={free_port()}"] if command == "web" else []
    with ForkedShim(
        environment(tmp_path), tmp_path / "log", command, "--hook", str(hook), *more
    ) as tool:
        answer = Posted(tool.port, request("shim-demo")).ended()
    assert b"The hook codex_shim_hooks.py refused this turn: shim-demo" in answer


def test_privacy_option_reaches_the_addon(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    def start(words: list[str], _: object) -> int:
        started.append(words)
        return 0

    module = "shim_cli.commands.mitmproxy_tools"
    monkeypatch.setattr(f"{module}.replace_process", start)
    monkeypatch.setattr(f"{module}.lend_port", lambda *_: False)
    run_tool("mitmdump", 1, None, ["-v"], privacy=True)
    run_tool("mitmdump", 1, None, ["-v"])
    assert started[0][-3:] == ["--set", "codex_shim_privacy=true", "-v"]
    assert "codex_shim_privacy=true" not in started[1]
