"""`codex-shim serve`, and the addon in stock mitmdump, as child processes."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from addons.adapters.route_sources import RouteSources
from addons.core.routes import Route, RouteTable
from addons.core.settings.privacy import Privacy
from addons.core.turn import ClientRequest, Plan
from shim_cli.commands.serve import announce, announcement
from tests.fakes.account import Account
from tests.shim_cli.run import OWN_PROCESS, START, environment, finished, shim
from tests.shim_cli.served import DEMO, SERVE, served
from tests.support.ports import free_port

ENTRY = Path(sys.executable).with_name("mitmdump")
posix = pytest.mark.skipif(os.name != "posix", reason="signals")


def test_announcement_has_address_models_and_a_command_that_works(tmp_path: Path) -> None:
    with served(tmp_path, *SERVE) as running:
        assert running.printed[0] == f"codex-shim listens on http://127.0.0.1:{running.port}/v1\n"
        assert running.printed[1] == "  demo      shim-demo\n"
        assert running.printed[2].startswith("  chatgpt   not live: There is no ChatGPT login in ")
        assert running.printed[3] == "Try it:\n"
        command = shlex.split(running.printed[4])
        url, body = command[4], command[command.index("-d") + 1]
        assert url == f"http://127.0.0.1:{running.port}/v1/responses"
        answer = running.ask("POST", "/v1/responses", body)
        assert answer.status == 200
        assert b"response.output_text.delta" in answer.read()


@posix
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_it_silently_with_exit_code_0(tmp_path: Path, how: int) -> None:
    with served(tmp_path, *SERVE) as running:
        assert running.stop(how) == 0
        assert running.process.stdout
        assert running.process.stdout.read() == ""


@posix
def test_one_that_ends_with_its_stdin_can_be_stopped_before(tmp_path: Path) -> None:
    command = (*SERVE, "--until-eof")
    with served(tmp_path, *command, env=OWN_PROCESS, stdin=subprocess.PIPE) as running:
        assert running.stop() == 0
        assert running.process.stdout
        assert running.process.stdout.read() == ""


@posix
@pytest.mark.parametrize(
    ("drain", "ending"),
    [("9", b"event: response.completed\n"), ("0.01", b"event: response.failed\n")],
)
def test_running_turn_ends_with_a_terminal_event(tmp_path: Path, drain: str, ending: bytes) -> None:
    env = {"CODEX_SHIM_DRAIN_SECONDS": drain}
    with served(tmp_path, *SERVE, env=env) as running:
        answer = running.ask("POST", "/v1/responses", DEMO)
        begun = answer.read(100)
        running.process.send_signal(signal.SIGTERM)
        body = begun + answer.read()
        assert running.process.wait(20) == 0
    assert body.endswith(b"\n\n")
    assert ending in body


@posix
def test_shim_answers_while_the_installed_codex_hangs(tmp_path: Path) -> None:
    codex, started, ended = (tmp_path / name for name in ("codex", "started", "ended"))
    codex.write_text(
        f"#!{sys.executable}\nimport pathlib, time\npathlib.Path({str(started)!r}).touch()\n"
        f"time.sleep(2)\npathlib.Path({str(ended)!r}).touch()\n"
    )
    codex.chmod(0o755)
    with served(tmp_path, *SERVE, env={"CODEX_BIN": str(codex)}) as running:
        while not started.exists():
            assert running.ask("GET", "/health").status == 200
        assert running.ask("GET", "/health").status == 200
        assert not ended.exists()
        assert running.stop() == 0


STOCK = (str(ENTRY), "-s", "ADDON", "--mode", "reverse:http://127.0.0.1:9@127.0.0.1:PORT")
READY = "listening at 127.0.0.1:"


def stock(home: Path, *more: str) -> list[str]:
    addon = shim(home, "addon-path").stdout.strip()
    return [part.replace("ADDON", addon) for part in (*STOCK, *more)]


@posix
def test_stock_mitmdump_with_the_documented_arguments_serves_turns(tmp_path: Path) -> None:
    with served(tmp_path, *stock(tmp_path), env=OWN_PROCESS, ready=READY) as running:
        health = json.loads(running.ask("GET", "/health").read())
        assert (health["ok"], health["models"], health["pid"]) == (True, 1, running.process.pid)
        answer = running.ask("POST", "/v1/responses", DEMO)
        assert b"event: response.completed\n" in answer.read()
        unknown = running.ask("POST", "/v1/responses", '{"model":"x"}')
        assert (unknown.status, json.loads(unknown.read())["error"]["code"]) == (
            404,
            "model_not_found",
        )
        assert running.stop() == 0


@pytest.mark.parametrize(
    ("more", "env", "expected"),
    [
        (["--mode", "regular@127.0.0.1:0"], {}, "codex-shim runs in reverse mode"),
        (["--ssl-insecure"], {}, "without verifying its certificate"),
        ([], {"CODEX_SHIM_CHATGPT_BASE_URL": "http://x.example"}, "must be https"),
    ],
)
def test_stock_mitmdump_that_cannot_start_exits_with_1(
    tmp_path: Path, more: list[str], env: dict[str, str], expected: str
) -> None:
    command = [part.replace("PORT", str(free_port())) for part in stock(tmp_path, *more)]
    ran = finished(command, environment(tmp_path, env), tmp_path)
    assert ran.returncode == 1
    assert expected in ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr


OTHER_MITMPROXY = "from mitmproxy import version; version.VERSION = '13.1.0'"


@pytest.mark.parametrize("command", [(str(ENTRY), "-s", "ADDON"), (*START, "serve")])
def test_unsupported_mitmproxy_is_rejected(tmp_path: Path, command: tuple[str, ...]) -> None:
    addon = shim(tmp_path, "addon-path").stdout.strip()
    words = [part.replace("ADDON", addon) for part in command]
    ran = finished(words, environment(tmp_path), tmp_path, before=OTHER_MITMPROXY)
    assert ran.returncode == 1
    assert "codex-shim needs mitmproxy >=12.2,<12.4 and found 13.1.0" in ran.stderr
    advice = r"`(?:uv pip install --python \S+|\S+ -m pip install) 'mitmproxy>=12\.2,<12\.4'`"
    assert re.search(advice, ran.stderr)
    assert "Traceback" not in ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("args", "env", "code", "expected"),
    [
        (["--bogus"], {}, 2, "No such option '--bogus'"),
        (["--host", "300.1.1.1"], {}, 1, "Choose another address with --host and --port."),
        (["--settings", "nowhere.json"], {}, 1, "nowhere.json does not exist or is not a file"),
        ([], {"CODEX_SHIM_CHATGPT_BASE_URL": "http://x.example"}, 1, "must be https"),
    ],
)
def test_failed_start_is_explained(
    tmp_path: Path, args: list[str], env: dict[str, str], code: int, expected: str
) -> None:
    ran = shim(tmp_path, "serve", *args, env=env)
    assert ran.returncode == code
    assert expected in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


def test_port_in_use_suggests_another_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = shim(tmp_path, "serve", "--port", str(port))
    assert ran.returncode == 1
    assert ran.stderr.startswith(
        f"codex-shim: cannot listen on 127.0.0.1:{port}: the port is in use."
    )
    assert "codex-shim serve --port " in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_serve_imports_no_unused_stock_addon() -> None:
    code = (
        "import sys; from addons.proxy.engine.mitmproxy_patches.lazy_addons import skip_stock_addons; skip_stock_addons()\n"
        "import addons.proxy.master\n"
        "print([m for m in ('flask', 'ldap3', 'mitmproxy.addons.view') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_serve_imports_no_package_that_it_never_uses() -> None:
    code = (
        "import sys; from shim_cli.commands import serve; serve._load_mitmproxy()\n"
        "names = ('aioquic', 'bcrypt', 'mitmproxy_rs', 'pyparsing', 'ruamel')\n"
        "print('addons.proxy.master' in sys.modules, [name for name in names if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr) == ("True []\n", "")


# Announcement ---------------------------------------------------------------------------------------------


def no_plan(request: ClientRequest, route: Route) -> Plan:
    raise AssertionError(request, route)


class FakeMaster:
    address = "127.0.0.1:8765"

    def __init__(self, sources: RouteSources) -> None:
        self.shim = self.parts = self
        self.sources = sources
        self.privacy = Privacy()


def sources_with(
    home: Path, monkeypatch: pytest.MonkeyPatch, slugs: list[str], settings: str = "{}"
) -> RouteSources:
    (home / ".codex").mkdir()
    Account().write(home / ".codex")
    (home / "models.json").write_text(settings)
    sources = RouteSources(environment(home), home / "models.json")
    routes = [Route(slug, slug, "chatgpt", slug, {}, no_plan) for slug in slugs]
    monkeypatch.setattr(sources, "table", lambda: RouteTable.of(routes))
    return sources


def test_sample_command_sends_the_token_without_showing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "to ken"
    token.write_text("s3cret\n")
    sources = sources_with(tmp_path, monkeypatch, ["m"])
    [line] = announcement("127.0.0.1:1", sources, token)[-1:]
    assert "s3cret" not in line
    assert line.endswith(" -H @-")
    header, curl = line.strip().split(" | ")
    assert curl.startswith("curl -N --noproxy '*' ")
    if os.name == "posix":
        ran = subprocess.run(["sh", "-c", header], capture_output=True, text=True, check=True)
        assert ran.stdout == "x-codex-shim-token: s3cret\n"


def test_many_models_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = sources_with(tmp_path, monkeypatch, [f"m{number}" for number in range(11)])
    lines = announcement("[::1]:1", sources)
    assert lines[0] == "codex-shim listens on http://[::1]:1/v1"
    assert lines[1] == "  chatgpt   m0, m1, m2, m3, m4, m5, m6, m7 and 3 more"
    assert lines[2] == "Try it:"


def test_settings_problems_are_announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = sources_with(tmp_path, monkeypatch, ["m"], '{"aliases": 3}')
    [line] = [line for line in announcement("x:1", sources) if line.startswith("  settings")]
    assert line.endswith("models.json: aliases: not an object (line 1)")


def test_model_name_cannot_control_the_terminal_or_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "m\x1b[2J'$(touch x)'\r\n"
    announce(FakeMaster(sources_with(tmp_path, monkeypatch, [evil])))  # type: ignore[arg-type]
    output = capsys.readouterr().out
    assert output.replace("\n", "").isprintable()
    assert len(output.splitlines()) == 4
    assert json.loads(shlex.split(output.splitlines()[-1])[-1])["model"] == evil


def test_each_turn_is_a_line_without_a_level(tmp_path: Path) -> None:
    with served(tmp_path, *SERVE) as running:
        with running.ask("POST", "/v1/responses", DEMO) as answer:
            answer.read()
        running.read_until("shim-demo → ")
    assert re.match(r"\d\d:\d\d:\d\d shim-demo → shim-demo · 200 · ", running.printed[-1])


def test_listener_on_every_address_is_announced_as_one(tmp_path: Path) -> None:
    with served(tmp_path, *SERVE, "--host", "0.0.0.0") as running:  # noqa: S104
        pass
    lines = "".join(running.printed)
    assert "on every other address of this machine (0.0.0.0); clients elsewhere need --allow-remote" in lines  # fmt: skip


def test_hook_file_is_loaded_and_a_bad_one_ends_the_start(tmp_path: Path) -> None:
    hook = tmp_path / "codex_shim_hooks.py"
    hook.write_text(
        "from addons.hooks import Refuse\ndef on_turn(turn): return Refuse(turn.model)\n"
    )
    with served(tmp_path, *SERVE, "--hook", str(hook), ready="passes the hooks") as running:
        assert running.printed[-1] == f"Each turn passes the hooks of {hook}.\n"
        answer = running.ask("POST", "/v1/responses", DEMO)
        assert answer.status == 403
        assert b"The hook codex_shim_hooks.py refused this turn: shim-demo" in answer.read()
    hook.write_text("def on_turns(turn): return turn\n")
    done = shim(tmp_path, "serve", "--port", "0", "--hook", "codex_shim_hooks.py")
    assert done.returncode == 1
    assert "has on_turns, which nothing calls. Did you mean on_turn? Rename it" in done.stderr
    assert "Traceback" not in done.stderr
