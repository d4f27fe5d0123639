"""Every quirk of a chat completions upstream has the documented meaning."""

from __future__ import annotations

import pytest

from addons.core.protocols.responses.stop_mapping import Client
from tests.core.protocols.chat.streams import read
from tests.quirks.chat_quirks import DECLARED, QUIRKS, Quirk
from tests.quirks.meaning import check_response, meaning


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: f"{quirk.provider}: {quirk.name}")
def test_quirk_has_its_meaning(quirk: Quirk) -> None:
    assert meaning(read(quirk.sent, conversation=DECLARED)) == quirk.meaning


def test_quirks_read_byte_by_byte_give_the_same_events() -> None:
    for quirk in QUIRKS:
        events = read(*(bytes([byte]) for byte in quirk.sent), conversation=DECLARED)
        assert events == read(quirk.sent, conversation=DECLARED), quirk.name


def test_quirks_are_valid_responses_for_every_client() -> None:
    for quirk in QUIRKS:
        for client in Client:
            check_response(quirk, read(quirk.sent, conversation=DECLARED), client)
