"""Translators: the registry finds each, they implement the interface, and none is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

import orjson
import pytest

from addons.core.protocols.canonical.conversation import Conversation, Text, User
from addons.core.protocols.canonical.events import Failed, Stopped
from addons.core.protocols.chat import request as chat
from addons.core.protocols.messages import request as messages
from addons.core.protocols.translator import ProtocolTranslator, load_translator
from addons.core.secrets import Origin
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target

# the annotation lets mypy check that each module implements the interface
TRANSLATORS: Mapping[Protocol, ProtocolTranslator] = {
    Protocol.CHAT: chat,
    Protocol.MESSAGES: messages,
}
CONVERSATION = Conversation((User((Text("hi"),)),))
TRANSLATED = [protocol for protocol in Protocol if protocol.spec.translator]


def target(protocol: Protocol) -> Target:
    origin = Origin("https", "a.example", 443)
    return Target(
        "s", "S", "p", "the-model", protocol, origin, "/", profile=protocol.spec.default_profile
    )


def test_every_translated_protocol_has_its_module() -> None:
    assert {protocol: load_translator(protocol.spec) for protocol in TRANSLATED} == TRANSLATORS


@pytest.mark.parametrize("protocol", TRANSLATED)
def test_translator_writes_a_streamed_request_with_the_default_profile(protocol: Protocol) -> None:
    body = load_translator(protocol.spec).write_request(CONVERSATION, target(protocol))
    assert isinstance(body, bytes)
    written = orjson.loads(body)
    assert (written["model"], written["stream"]) == ("the-model", True)
    assert "hi" in str(written["messages"])


@pytest.mark.parametrize("protocol", TRANSLATED)
@pytest.mark.parametrize("data", [b"", b"<html>", b"data: {", b"\xff\n\n"])
def test_answer_without_an_end_fails(protocol: Protocol, data: bytes) -> None:
    reader = load_translator(protocol.spec).reader(CONVERSATION, target(protocol))
    events = [*reader.feed(data), *reader.finish()]
    ends = [event for event in events if isinstance(event, Failed | Stopped)]
    assert [type(end) for end in ends] == [Failed]


@pytest.mark.parametrize("protocol", TRANSLATED)
def test_translator_is_imported_when_it_is_loaded(protocol: Protocol) -> None:
    name = f"addons.core.protocols.{protocol.spec.translator}"
    code = f"""
import sys
from addons.core.protocols.translator import load_translator
from addons.core.upstream.protocol import Protocol
assert {name!r} not in sys.modules
load_translator(Protocol({protocol.value!r}).spec)
assert {name!r} in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_missing_translator_is_an_import_error() -> None:
    with pytest.raises(ImportError):
        load_translator(Protocol.RESPONSES.spec)
