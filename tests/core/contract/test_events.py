"""The known events: what every recorded version reads is among them."""

from __future__ import annotations

from addons.adapters.codex.contracts import recorded
from addons.core.contract.events import ENDS, KNOWN_EVENTS, NEEDED_EVENTS, PROBED_EVENTS


def test_what_codex_reads_is_known() -> None:
    for contract in recorded():
        assert {name.encode() for name in contract.names("event")} <= KNOWN_EVENTS, contract.codex


def test_each_name_stands_once() -> None:
    assert len(KNOWN_EVENTS) == len(PROBED_EVENTS) + len(NEEDED_EVENTS) + len(ENDS) - len(
        set(PROBED_EVENTS) & set(ENDS)
    )
