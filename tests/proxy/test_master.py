"""The Master of `codex-shim serve`: how it starts, and why a start fails."""

from __future__ import annotations

import asyncio
import errno
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from mitmproxy.test.tflow import tflow

from addons.proxy import master as master_module
from addons.proxy.master import ListenOptions, ShimMaster, StartError, run_master
from tests.boundary.surfaces import Home


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({"CODEX_SHIM_CHATGPT_BASE_URL": "http://chatgpt.example"}, "must be https"),
        ({"CODEX_SHIM_CA_FILE": "/nowhere.pem"}, "CODEX_SHIM_CA_FILE names /nowhere.pem, which"),
    ],
)
async def test_unusable_environment_is_a_start_error(
    home: Home, env: dict[str, str], reason: str
) -> None:
    base = {**home.env, "CODEX_SHIM_CHATGPT_BASE_URL": "https://chatgpt.example/codex"}
    with pytest.raises(StartError, match=reason) as caught:
        ShimMaster(ListenOptions("127.0.0.1", 0), print, {**base, **env})
    assert "hunter2" not in str(caught.value)


async def test_port_in_use_is_named_with_the_next_command(home: Home) -> None:
    port = home.backend.port
    master = ShimMaster(ListenOptions("127.0.0.1", port), print, home.env)
    with pytest.raises(StartError, match=f"127.0.0.1:{port}: the port is in use") as caught:
        await master.run()
    assert f"codex-shim serve --port {port + 1}" in str(caught.value)


async def test_address_of_another_machine_is_named_with_the_next_command(home: Home) -> None:
    master = ShimMaster(ListenOptions("192.0.2.1", 0), print, home.env)
    with pytest.raises(StartError, match=r"cannot listen on 192\.0\.2\.1:0: .*--host and --port"):
        await master.run()


async def test_certificates_go_to_the_state_folder_if_their_own_is_not_writable(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (home.folder / ".mitmproxy").write_text("a file in the way")
    monkeypatch.setenv("HOME", str(home.folder))
    master = ShimMaster(ListenOptions("127.0.0.1", 0), print, home.env)
    assert master.options.confdir == str(home.folder / "state" / "mitmproxy")
    assert "certificates are kept in" in caplog.text


async def test_only_the_path_of_the_revocation_list_is_answered_by_the_tls_addon(
    home: Home,
) -> None:
    master = ShimMaster(ListenOptions("127.0.0.1", 0), print, home.env)
    tls = master.addons.get("tlsconfig")
    tls.certstore = SimpleNamespace(default_ca=SimpleNamespace(serial=7), default_crl=b"")
    paths = ("/mitmproxy-7.crl", "/other.crl", "/v1/responses")
    answers = []
    for path in paths:
        flow = tflow()
        flow.live, flow.request.path = True, path
        tls.request(flow)
        answers.append(flow.response and flow.response.headers["content-type"])
    assert answers == ["application/pkix-crl", None, None]


async def test_full_disk_is_a_start_error(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("addons.proxy.master.usable_confdir", full)
    with pytest.raises(
        StartError, match=r"No space left on device\. Free some disk space, or set TMPDIR"
    ):
        ShimMaster(ListenOptions("127.0.0.1", 0), print, home.env)


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("0.0.0.0", "127.0.0.1:"),  # noqa: S104  refuses all but loopback
        ("127.0.0.1", "127.0.0.1:"),
    ],
)
async def test_address_is_one_that_admission_accepts(home: Home, host: str, shown: str) -> None:
    seen: list[str] = []

    def ready(master: ShimMaster) -> None:
        seen.append(master.address)
        master.shutdown()  # type: ignore[no-untyped-call]

    await ShimMaster(ListenOptions(host, 0), ready, home.env).run()
    assert seen[0].startswith(shown)


def test_second_signal_that_comes_behind_the_end_of_the_loop_is_ignored(home: Home) -> None:
    ended: list[ShimMaster] = []

    def ready(master: ShimMaster) -> None:
        ended.append(master)
        master._stop(signal.SIGTERM, None)

    async def main() -> None:
        await ShimMaster(ListenOptions("127.0.0.1", 0), ready, home.env).run()

    asyncio.run(main())
    (master,) = ended
    master._stop(signal.SIGTERM, None)


def test_switch_interval_is_short(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    intervals: list[float] = []
    monkeypatch.setattr(sys, "setswitchinterval", intervals.append)
    patches = [name for name in vars(master_module) if name.startswith(("skip_", "shorten_"))]
    assert len(patches) >= 6
    for step in (*patches, "keep_freed_memory"):
        # What changes mitmproxy itself would outlive the test, too.
        monkeypatch.setattr(master_module, step, lambda: None)
    # Signal handlers would outlive the test.
    monkeypatch.setattr(ShimMaster, "run_until_signal", ShimMaster.run)
    monkeypatch.setenv("HOME", str(home.folder))
    monkeypatch.setenv("CODEX_SHIM_STATE_DIR", str(home.folder / "state"))

    run_master(ListenOptions("127.0.0.1", 0), lambda master: master.shutdown())  # type: ignore[no-untyped-call]

    assert intervals
    assert intervals[0] <= 0.001 < sys.getswitchinterval()


def test_loop_is_that_of_asyncio_where_there_is_no_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "addons.proxy.engine.mitmproxy_patches.event_loop"
    monkeypatch.setitem(sys.modules, module, None)
    assert master_module.loop_factory() is None
