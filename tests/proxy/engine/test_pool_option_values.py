"""Options of the Master that runs, read once after each change."""

from __future__ import annotations

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.test import taddons

from addons.proxy.engine.pool import OptionValues


def test_values_are_read_again_after_each_change() -> None:
    values = OptionValues("store_streamed_bodies", "unknown")
    with taddons.context(Proxyserver()) as context:
        before = values()
        assert before == (False, None)
        assert values() is before
        context.options.update(store_streamed_bodies=True)
        assert values() == (True, None)


def test_values_are_those_of_the_present_master() -> None:
    values = OptionValues("store_streamed_bodies")
    with taddons.context(Proxyserver()) as context:
        context.options.update(store_streamed_bodies=True)
        assert values() == (True,)
    with taddons.context(Proxyserver()):
        assert values() == (False,)
