"""The trust options of the Master that runs."""

from __future__ import annotations

import pytest
from mitmproxy import ctx
from mitmproxy.addons import tlsconfig
from mitmproxy.test import taddons

from addons.proxy.engine.pool import TRUST_NAMES, TrustOptions


def test_values_are_read_again_after_each_change() -> None:
    trust = TrustOptions()
    with taddons.context(tlsconfig.TlsConfig()) as context:
        before = trust()
        assert trust() is before
        context.options.update(tls_version_server_min="TLS1_3")
        after = trust()
        assert after != before
        context.options.update(tls_version_server_min="TLS1_2")
        assert trust() == before


def test_values_are_those_of_the_present_master() -> None:
    trust = TrustOptions()
    with taddons.context() as context:
        context.options.update(ssl_insecure=True)
        first = trust()
    with taddons.context():
        assert trust() != first


def test_values_are_none_without_a_master(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(ctx, "options", raising=False)
    assert TrustOptions()() == (None,) * len(TRUST_NAMES)


@pytest.mark.parametrize("name", TRUST_NAMES)
def test_option_that_the_master_lacks_is_none(name: str) -> None:
    with taddons.context() as context:
        known = name in context.options
        assert known or TrustOptions()()[TRUST_NAMES.index(name)] is None
