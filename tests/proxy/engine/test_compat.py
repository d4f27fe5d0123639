"""The start check: an unknown mitmproxy is refused by name, version and what it lacks."""

import pytest
from mitmproxy import version
from mitmproxy.proxy.layers import http
from mitmproxy.utils import asyncio_utils

from addons.proxy.engine import compat


def test_installed_mitmproxy_is_known() -> None:
    assert compat.missing_names() == []
    compat.require_known_mitmproxy()


def test_every_expected_name_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, parameters in compat.EXPECTED:
        with monkeypatch.context() as patch:
            patch.setattr(compat, "EXPECTED", ((module, name + "_gone", parameters),))
            assert compat.missing_names() == [f"{module}.{name}_gone (missing)"]


def test_missing_name_is_told_with_the_installed_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(http.HttpLayer, "register_connection")
    with pytest.raises(compat.IncompatibleMitmproxyError) as caught:
        compat.require_known_mitmproxy()
    assert f"found {version.VERSION}" in str(caught.value)
    assert "HttpLayer.register_connection (missing)" in str(caught.value)
    assert "pip install" in str(caught.value)


def test_missing_module_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "EXPECTED", (("mitmproxy.no_such_module", "Name", ()),))
    with pytest.raises(compat.IncompatibleMitmproxyError, match="no_such_module"):
        compat.require_known_mitmproxy()


def test_changed_signature_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def create_task(coro: object, *, label: str) -> None:
        raise AssertionError(coro, label)

    monkeypatch.setattr(asyncio_utils, "create_task", create_task)
    with pytest.raises(compat.IncompatibleMitmproxyError, match="no parameter name, keep_ref"):
        compat.require_known_mitmproxy()


def test_name_that_is_no_callable_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "SendHttp", None)
    with pytest.raises(compat.IncompatibleMitmproxyError, match=r"SendHttp \(not callable\)"):
        compat.require_known_mitmproxy()


@pytest.mark.parametrize("installed", ["11.1.3", "12.1.9", "13.0.0", "13.0.0.dev", "9.0"])
def test_version_out_of_range_is_told(installed: str) -> None:
    with pytest.raises(compat.IncompatibleMitmproxyError, match=f"found {installed}"):
        compat.require_known_mitmproxy(installed)


@pytest.mark.parametrize("installed", ["12.2.0", "12.2.3", "12.3.1", "12.10.0.dev"])
def test_version_in_range_passes(installed: str) -> None:
    compat.require_known_mitmproxy(installed)
