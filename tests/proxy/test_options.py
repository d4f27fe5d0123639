"""Options, environment and port: what the shim starts with, what it refuses, and in which words."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import pytest
from mitmproxy import exceptions

from addons.proxy.addon import CodexShim
from addons.proxy.master import ListenOptions, ShimMaster, StartError, run_master
from addons.proxy.script import ScriptedShim
from tests.proxy.surfaces import Home, running
from tests.support.client import client
from tests.support.waiting import until


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"ssl_insecure": True}, "without verifying its certificate"),
        ({"mode": ["regular"]}, "runs in reverse mode, not in 'regular'"),
        ({"mode": ["reverse:tcp://127.0.0.1:9"]}, "runs in reverse mode"),
    ],
)
async def test_what_would_weaken_the_promises_is_refused_while_it_runs(
    home: Home, option: dict[str, object], words: str
) -> None:
    async with running(home) as proxy:
        port = proxy.port
        before = {name: getattr(proxy.master.options, name) for name in option}
        with pytest.raises(exceptions.OptionsError, match=words):
            proxy.master.options.update(**option)
        assert {name: getattr(proxy.master.options, name) for name in option} == before
        assert (await proxy.get("/health")).status == 200
        assert proxy.port == port


async def test_connections_made_under_other_options_are_let_go(home: Home) -> None:
    home.log_in()
    async with running(home) as proxy:
        spares = proxy.shim.engine.spares
        assert (await proxy.post(b'{"model":"gpt-5.5"}')).status == 200
        await until(lambda: len(spares) == 1)
        proxy.master.options.update(ssl_verify_upstream_trusted_ca=str(home.auth))
        assert len(spares) == 0


async def test_a_client_that_connects_dials_nobody(home: Home) -> None:
    """Mitmproxy's own default is to dial the reverse target for each client."""
    async with running(home) as proxy, client(proxy.port) as c:
        assert proxy.master.options.connection_strategy == "lazy"
        await c.get("/health")
        assert (await c.response()).status == 200
    assert home.sink.connections == 0


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"CODEX_SHIM_CHATGPT_BASE_URL": "http://chatgpt.example"}, "must be https"),
        ({"CODEX_SHIM_CA_FILE": "/nowhere.pem"}, "CODEX_SHIM_CA_FILE names /nowhere.pem, which"),
    ],
)
async def test_an_environment_that_cannot_be_used_ends_the_start_in_words(
    home: Home, env: dict[str, str], words: str
) -> None:
    base = {**home.env, "CODEX_SHIM_CHATGPT_BASE_URL": "https://chatgpt.example/codex"}
    with pytest.raises(StartError, match=words) as caught:
        ShimMaster(ListenOptions("127.0.0.1", 0), print, {**base, **env})
    assert "hunter2" not in str(caught.value)


async def test_a_script_is_refused_by_an_exit_at_its_start_and_by_an_error_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        msg = "no"
        raise exceptions.OptionsError(msg)

    monkeypatch.setattr(CodexShim, "configure", refuse)
    monkeypatch.setattr(CodexShim, "running", lambda _: None)
    shim = ScriptedShim()
    with pytest.raises(SystemExit, match="no"):
        shim.configure({"mode"})
    shim.running()
    with pytest.raises(exceptions.OptionsError, match="no"):
        shim.configure({"mode"})


async def test_a_port_in_use_is_named_with_what_to_type(home: Home) -> None:
    port = home.backend.port
    master = ShimMaster(ListenOptions("127.0.0.1", port), print, home.env)
    with pytest.raises(StartError, match=f"127.0.0.1:{port}: the port is in use") as caught:
        await master.run()
    assert f"codex-shim serve --port {port + 1}" in str(caught.value)


async def test_an_address_of_another_machine_is_named_with_what_to_type(home: Home) -> None:
    master = ShimMaster(ListenOptions("192.0.2.1", 0), print, home.env)
    with pytest.raises(StartError, match=r"cannot listen on 192\.0\.2\.1:0: .*--host and --port"):
        await master.run()


async def test_certificates_go_elsewhere_when_their_folder_cannot_be_written(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (home.folder / ".mitmproxy").write_text("a file in the way")
    monkeypatch.setenv("HOME", str(home.folder))
    master = ShimMaster(ListenOptions("127.0.0.1", 0), print, home.env)
    assert master.options.confdir == str(home.folder / "state" / "mitmproxy")
    assert "certificates are kept in" in caplog.text


async def test_a_disk_without_any_room_is_told(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("addons.proxy.master.usable_confdir", full)
    with pytest.raises(StartError, match=r"No space left on device\. Make room, or set TMPDIR"):
        ShimMaster(ListenOptions("127.0.0.1", 0), print, home.env)


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("0.0.0.0", "127.0.0.1:"),  # noqa: S104  refuses all but loopback
        ("127.0.0.1", "127.0.0.1:"),
    ],
)
async def test_the_address_shown_is_one_that_the_gate_admits(
    home: Home, host: str, shown: str
) -> None:
    seen: list[str] = []

    def ready(master: ShimMaster) -> None:
        seen.append(master.address)
        master.shutdown()  # type: ignore[no-untyped-call]

    await ShimMaster(ListenOptions(host, 0), ready, home.env).run()
    assert seen[0].startswith(shown)


def test_no_thread_may_hold_the_event_loop_up_for_long(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    intervals: list[float] = []
    monkeypatch.setattr(sys, "setswitchinterval", intervals.append)
    for lever in ("skip_type_checks", "keep_freed_memory"):
        monkeypatch.setattr(f"addons.proxy.master.{lever}", lambda: None)
    # without handlers of signals, which would stay behind
    monkeypatch.setattr(ShimMaster, "run_until_signal", ShimMaster.run)
    monkeypatch.setenv("HOME", str(home.folder))
    monkeypatch.setenv("CODEX_SHIM_STATE_DIR", str(home.folder / "state"))

    run_master(ListenOptions("127.0.0.1", 0), lambda master: master.shutdown())  # type: ignore[no-untyped-call]

    assert intervals
    assert intervals[0] <= 0.001 < sys.getswitchinterval()
