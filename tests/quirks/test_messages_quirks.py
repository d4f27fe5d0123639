from __future__ import annotations

import pytest

from addons.core.translate.emitter import Emitter
from addons.core.translate.endings import Client
from tests.conformance import check
from tests.core.wire.messages_streams import read
from tests.quirks.chat_quirks import Quirk
from tests.quirks.messages_quirks import QUIRKS
from tests.quirks.test_chat_quirks import meaning

TABLE = pytest.mark.parametrize("quirk", QUIRKS, ids=lambda one: f"{one.provider}: {one.name}")


@TABLE
def test_a_quirk_means_what_the_upstream_meant(quirk: Quirk) -> None:
    assert meaning(read(quirk.sent)) == quirk.meaning


@TABLE
def test_a_quirk_means_the_same_byte_by_byte(quirk: Quirk) -> None:
    assert read(*(bytes([byte]) for byte in quirk.sent)) == read(quirk.sent)


@TABLE
@pytest.mark.parametrize("client", Client)
def test_clients_are_told_in_the_form_of_the_api(quirk: Quirk, client: Client) -> None:
    emitter = Emitter("resp_0a1b", 1_700_000_000, "stub", {}, client)
    final = check(emitter.emit(read(quirk.sent)))["response"]
    calls = [item for item in final["output"] if item["type"] == "function_call"]
    assert [item["name"] for item in calls] == [name for name, _ in quirk.meaning.calls]
    if quirk.meaning.end == "stream_interrupted":
        assert final["status"] == "failed"
