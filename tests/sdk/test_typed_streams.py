"""Every stream from the quirk tables, validated with the types and the stream helper of the `openai` package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from addons.core.protocols.canonical.events import Event
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.stop_mapping import Client
from tests.core.protocols.chat import streams as chat_streams
from tests.core.protocols.messages import streams as messages_streams
from tests.quirks import chat_quirks, messages_quirks
from tests.sdk.line import clean_env, run_client

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(180)]


def streams(client: Client) -> Iterator[tuple[str, str]]:
    """Yield name and text of each stream."""
    for quirk in chat_quirks.QUIRKS:
        yield quirk.name, written(client, chat_streams.read(quirk.sent))
    for quirk in messages_quirks.QUIRKS:
        yield quirk.name, written(client, messages_streams.read(quirk.sent))


def written(client: Client, events: list[Event]) -> str:
    return Emitter("resp_0a1b", 1_700_000_000, "stub", {}, client).emit(events).decode()


@pytest.mark.parametrize("client", Client)
def test_every_event_is_typed_and_consistent(client: Client, tmp_path: Path) -> None:
    named = list(streams(client))

    saw = run_client(
        clean_env(tmp_path),
        "typed_streams",
        stdin=orjson.dumps([text for _, text in named]).decode(),
    )

    assert saw["faults"] == [], named[int(saw["faults"][0].partition(":")[0])][0]
    assert len(saw["kinds"]) > 40, "the judge knows the events of the API"


def test_validator_detects_a_part_that_was_never_added(tmp_path: Path) -> None:
    good = dict(streams(Client.OTHER))["text in the chunk that finishes"]
    blocks = [one for one in good.split("\n\n") if "content_part.added" not in one]
    untyped = good.replace('"annotations":[]', '"annotations":7')

    stdin = orjson.dumps(["\n\n".join(blocks), untyped]).decode()
    faults = run_client(clean_env(tmp_path), "typed_streams", stdin=stdin)["faults"]

    assert any(fault.startswith("0: the stream helper") for fault in faults)
    assert any(fault.startswith("1: ") and "annotations" in fault for fault in faults)
