"""Read an answer of a protocol that has no reader of its own in the views, through the protocol's translator.

Never does: open a connection, keep state. Imported only when a page needs it, so that the start of the proxy loads no
translator.
"""

from __future__ import annotations

from addons.core.protocols.canonical.conversation import Conversation
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.stop_mapping import Client
from addons.core.protocols.responses.stream_translator import StreamTranslator
from addons.core.protocols.translator import load_translator
from addons.core.secrets import Origin
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target


def translate_answer(body: bytes, protocol: Protocol) -> bytes:
    """Return the Responses stream that Codex gets for a body; empty if the translator finds no content in it."""
    target = Target("", "", "", "", protocol, Origin("https", "", 443), "")
    reader = load_translator(protocol.spec).reader(Conversation(()), target)
    emitter = Emitter("", 0, "", {}, Client.OTHER)
    stream = StreamTranslator(reader, emitter, lambda _: None)
    translated = b"".join((emitter.open(), stream.feed(body), stream.finish()))
    has_content = emitter.response["status"] != "failed" or b".delta" in translated
    return translated if has_content else b""
