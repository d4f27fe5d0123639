"""The addon as a script of mitmdump and mitmweb."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from mitmproxy import exceptions
from mitmproxy.addonmanager import Loader
from mitmproxy.addons.view import View
from mitmproxy.flow import Flow
from mitmproxy.test import taddons, tflow

import addons.codex_shim
from addons.proxy import contentviews, script
from addons.proxy.addon import CodexShim
from addons.proxy.script import ScriptedShim


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace what a load does to the whole process; the list names what was done."""
    done: list[str] = []
    monkeypatch.setattr(script, "set_private_umask", lambda: done.append("umask"))
    monkeypatch.setattr(contentviews, "install", lambda: done.append("views"))
    return done


async def test_refused_option_ends_the_process_during_start_up_and_is_an_error_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        msg = "no"
        raise exceptions.OptionsError(msg)

    monkeypatch.setattr(CodexShim, "configure", refuse)
    monkeypatch.setattr(CodexShim, "running", lambda _: None)
    ended: list[str] = []
    monkeypatch.setattr(script, "end_process", ended.append)
    shim = ScriptedShim()
    shim.engine = SimpleNamespace()  # type: ignore[assignment]
    shim.configure({"mode"})
    assert ended == ["no"]
    with taddons.context():
        shim.running()
    with pytest.raises(exceptions.OptionsError, match="no"):
        shim.configure({"mode"})


def test_load_makes_files_private_and_registers_the_views(loaded: list[str]) -> None:
    with taddons.context() as context:
        ScriptedShim().load(Loader(context.master))
        assert (context.options.codex_shim_keep_flows, loaded) == (1000, ["umask", "views"])


def test_finished_flow_replaces_the_oldest_one_of_the_view(
    monkeypatch: pytest.MonkeyPatch, loaded: list[str]
) -> None:
    for hook in ("configure", "response", "error"):
        monkeypatch.setattr(CodexShim, hook, lambda *_: None)
    view, shim = View(), ScriptedShim()
    with taddons.context(view) as context:
        shim.load(Loader(context.master))
        context.options.update(codex_shim_keep_flows=2)
        shim.configure({"codex_shim_keep_flows"})
        flows = [tflow.tflow(resp=True) for _ in range(4)]
        for flow, end in zip(flows, (shim.response, shim.error) * 2, strict=True):
            flow.live = False
            view.add([flow])
            end(flow)
        assert list(view.resolve("@all")) == flows[-2:]
    assert loaded


def test_list_shows_a_flow_from_its_first_hook_on_and_again_when_it_has_changed(
    monkeypatch: pytest.MonkeyPatch, loaded: list[str]
) -> None:
    for hook in ("configure", "running", "requestheaders"):
        monkeypatch.setattr(CodexShim, hook, lambda *_: None)
    shown: list[str] = []
    view, shim = View(), ScriptedShim()
    shim.engine = SimpleNamespace(on_progress=None)  # type: ignore[assignment]

    def show(flow: Flow) -> None:
        shown.append(flow.comment)

    view.sig_view_add.connect(show)
    view.sig_view_update.connect(show)
    with taddons.context(shim, view):
        flow = tflow.tflow()
        shim.running()
        shim.requestheaders(flow)
        view.requestheaders(flow)
        flow.intercept()
        assert shim.engine.on_progress
        shim.engine.on_progress(flow)
    assert shown == ["GET /path", "GET /path · held"]
    assert loaded


def test_unknown_mitmproxy_ends_the_process_with_a_message(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import mitmproxy.version\nmitmproxy.version.VERSION = '11.0.0'\n"
    )
    ran = subprocess.run(
        [sys.executable, Path(addons.codex_shim.__file__)],
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "11.0.0" in ran.stderr
    assert "Traceback" not in ran.stderr
