"""The start check as a whole: what becomes of an exception, and of the process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from mitmproxy import version
from mitmproxy.proxy.layers import http

from addons.proxy.engine.compat import (
    IncompatibleMitmproxyError,
    explain_start_failure,
    require_tested_mitmproxy,
    self_test,
)
from addons.proxy.engine.compat.versions import SelfTestError


def test_installed_mitmproxy_passes() -> None:
    require_tested_mitmproxy()


def test_other_version_is_refused_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "VERSION", "12.4.0")
    monkeypatch.setattr(self_test, "run", lambda _: pytest.fail("the self-test ran"))
    with pytest.raises(IncompatibleMitmproxyError, match=r"found 12\.4\.0"):
        require_tested_mitmproxy()


def test_missing_name_is_refused_before_the_self_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(http.HttpLayer, "register_connection")
    monkeypatch.setattr(self_test, "run", lambda _: pytest.fail("the self-test ran"))
    with pytest.raises(IncompatibleMitmproxyError, match=r"register_connection \(missing\)"):
        require_tested_mitmproxy()


def test_self_test_runs_on_the_loop_that_will_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[object] = []
    monkeypatch.setattr(self_test, "run", used.append)
    require_tested_mitmproxy(lambda: lambda: pytest.fail("no loop is made here"))
    require_tested_mitmproxy()
    assert callable(used[0])
    assert used[1:] == [None]


def test_loop_that_cannot_be_imported_is_explained() -> None:
    def find_loop() -> None:
        import h11._no_such_module  # type: ignore[import-not-found]  # noqa: F401, PLC0415

    with pytest.raises(IncompatibleMitmproxyError, match=r"h11\._no_such_module \(cannot be"):
        require_tested_mitmproxy(find_loop)


def _import_error(module: str, name: str) -> ImportError:
    """Return what `from module import name` raises."""
    error = ImportError(name=module, path="/h/y")
    error.name_from = name
    return error


@pytest.mark.parametrize(
    ("error", "explanation"),
    [
        (AttributeError("no 'streams'"), "AttributeError: no 'streams'"),
        (ImportError("no reason"), "no reason"),
        (_import_error("h11._readers", "X"), "h11._readers.X (cannot be"),
        (SelfTestError("a turn got no answer"), "a turn got no answer (self-test)"),
    ],
)
def test_exception_is_explained(error: Exception, explanation: str) -> None:
    with pytest.raises(IncompatibleMitmproxyError) as caught, explain_start_failure():
        raise error
    assert explanation in str(caught.value)
    assert "/h/y" not in str(caught.value)


@pytest.mark.parametrize(
    "error", [ImportError(name="addons.core.turn"), PermissionError("no"), KeyboardInterrupt()]
)
def test_exception_that_is_not_mitmproxys_stays(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, explain_start_failure():
        raise error
    assert caught.value is error


def test_ended_process_says_why_and_runs_nothing_more() -> None:
    code = (
        "import atexit\n"
        "from addons.proxy.engine.compat import end_process\n"
        "atexit.register(print, 'served')\n"
        "print('begun', end='')\n"
        "end_process('a reason')\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "begun", "a reason\n")
