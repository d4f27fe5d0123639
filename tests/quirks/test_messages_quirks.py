"""Every quirk of a messages upstream has the documented meaning."""

from __future__ import annotations

import pytest

from addons.core.protocols.responses.stop_mapping import Client
from tests.core.protocols.messages.streams import read
from tests.quirks.chat_quirks import Quirk
from tests.quirks.meaning import check_response, meaning
from tests.quirks.messages_quirks import QUIRKS


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: f"{quirk.provider}: {quirk.name}")
def test_quirk_has_its_meaning(quirk: Quirk) -> None:
    assert meaning(read(quirk.sent)) == quirk.meaning


def test_quirks_read_byte_by_byte_give_the_same_events() -> None:
    for quirk in QUIRKS:
        events = read(*(bytes([byte]) for byte in quirk.sent))
        assert events == read(quirk.sent), quirk.name


def test_quirks_are_valid_responses_for_every_client() -> None:
    for quirk in QUIRKS:
        for client in Client:
            check_response(quirk, read(quirk.sent), client)
