"""The look into a request body that routing needs: which model, streaming or not; and the splice that renames it.

Never does: change a byte other than the model's name, grow past its cap, read the input items. Invariant: total, any
bytes give a `Peek` or a `Problem`; a body that is passed on unchanged is the object that came in.

Source of the encodings: Codex sends `content-encoding: zstd` to a provider named OpenAI; SDKs send none; gzip and
deflate (zlib) are what HTTP clients use beside it (RFC 9110, 8.4.1).
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import orjson
import zstandard

from addons.core.errors import Problem
from addons.core.limits import MIB

Encoding = Literal["identity", "zstd", "gzip", "deflate"]

ENCODINGS: dict[bytes, Encoding] = {
    b"": "identity",
    b"identity": "identity",
    b"zstd": "zstd",
    b"gzip": "gzip",
    b"x-gzip": "gzip",
    b"deflate": "deflate",
}
WINDOW_BITS: dict[Encoding, int] = {"gzip": 31, "deflate": 15}
MAX_WINDOW = 1 << 27
LEADING_BYTES = 4096
"""How far `leading_model` looks."""

TRAILING_BYTES = 64 * 1024
"""How far back from the end `trailing_model` looks. A smaller body is parsed, so that its mistakes are told here."""

# Only white space, `{`, the key and a plain name: what Codex and many clients write first.
_LEADING = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"model"[ \t\r\n]*:[ \t\r\n]*"([^"\\]*)"')
# Before the key stands a comma, so this is no text inside a string: there the quotes are escaped.
_MEMBER = re.compile(rb',[ \t\r\n]*"model"[ \t\r\n]*:[ \t\r\n]*"([^"\\]*)"')
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]]', re.DOTALL)
_MOST_CANDIDATES = 4
_DEPTH = {b"{": 1, b"[": 1, b"}": -1, b"]": -1}
_NAME_VALUE = re.compile(rb'"model"[ \t\r\n]*:[ \t\r\n]*("[^"\\]*+(?:\\.[^"\\]*+)*+")', re.DOTALL)
_BLANK = re.compile(r"[ \t\r\n:,]*")
# Numbers stay text: nobody wants them, and Python refuses to make an int of too many digits.
_JSON = json.JSONDecoder(parse_int=str, parse_float=str)


@dataclass(frozen=True, slots=True)
class Peek:
    """What a request body says. `payload` is shared: read it, never change it."""

    model: str
    stream: bool
    decoded: bytes
    """The body without its content-encoding; the body itself when it had none."""
    payload: dict[str, object]


def peek_model(body: bytes, content_encoding: bytes | None, cap: int) -> Peek | Problem:
    """Decode (at most `cap` bytes), parse, and find the model.

    Gives a Problem with status 400 (not JSON, no object, no model), 413 (over the cap) or 415 (unknown encoding).
    """
    decoded = decode(body, content_encoding, cap)
    return decoded if isinstance(decoded, Problem) else _parsed(decoded)


def find_model(body: bytes, content_encoding: bytes | None, cap: int) -> str | Problem:
    """Give the model alone: of a large body from its head or its tail, without parsing what is between.

    Gives a Problem for what `peek_model` refuses, as far as it is met.
    """
    if model := leading_model(body, content_encoding):
        return model
    decoded = decode(body, content_encoding, cap)
    if isinstance(decoded, Problem):
        return decoded
    if model := trailing_model(decoded):
        return model
    peek = _parsed(decoded)
    return peek.model if isinstance(peek, Peek) else peek


def _parsed(decoded: bytes) -> Peek | Problem:
    try:
        payload = orjson.loads(decoded)
    except orjson.JSONDecodeError as error:
        return _not_json(decoded, error)
    if not isinstance(payload, dict):
        return _refusal(400, "The request body is JSON, but not an object. Send {…} with a model.")
    model = payload.get("model")
    if not isinstance(model, str) or not model:
        return _refusal(
            400,
            'The request names no model: "model" is missing or not a string. '
            "Type `codex-shim list` to see the names.",
        )
    return Peek(model, payload.get("stream") is True, decoded, payload)


def with_model(
    body: bytes, content_encoding: bytes | None, new_model: str, cap: int = 64 * MIB
) -> bytes | Problem:
    """Give the body with the value of its top-level `model` replaced, in the same content-encoding.

    Every other decoded byte stays. A body that names the model already comes back as the same object. A key that
    is there twice is replaced twice, so that it does not matter which one a parser takes. Gives a Problem for what
    `peek_model` refuses.
    """
    peek = peek_model(body, content_encoding, cap)
    if isinstance(peek, Problem):
        return peek
    spliced = _spliced(peek.decoded, orjson.dumps(new_model))
    return body if spliced == peek.decoded else encode(spliced, content_encoding)


def leading_model(body: bytes, content_encoding: bytes | None) -> str | None:
    """Give the model when it is the first key and plainly written, without decoding or parsing the rest."""
    head = _decoded(body, _encoding(content_encoding), LEADING_BYTES)
    match = _LEADING.match(head) if head is not None else None
    try:
        return match[1].decode() if match else None
    except UnicodeDecodeError:
        return None


def trailing_model(decoded: bytes) -> str | None:
    """Give the model when it stands plainly near the end of a large object: SDKs write `input` before it."""
    if len(decoded) <= TRAILING_BYTES:
        return None
    tail = decoded[-TRAILING_BYTES:]
    # the last one that is top-level: the one that a parser takes
    for match in reversed(list(_MEMBER.finditer(tail))[-_MOST_CANDIDATES:]):
        if _closes_at_end(tail, match.end()):
            try:
                return match[1].decode()
            except UnicodeDecodeError:
                return None
    return None


def _closes_at_end(tail: bytes, start: int) -> bool:
    """Whether the object in which `start` stands is the outermost: its brace is the last thing there is."""
    depth = 0
    for token in _TOKEN.finditer(tail, start):
        depth += _DEPTH.get(token[0], 0)
        if depth < 0:
            return token[0] == b"}" and not tail[token.end() :].strip()
    return False


def decode(body: bytes, content_encoding: bytes | None, cap: int) -> bytes | Problem:
    """Take the content-encoding off. Never makes more than `cap` + 1 bytes. Gives a Problem: 400, 413 or 415."""
    encoding = _encoding(content_encoding)
    if encoding is None:
        return _refusal(
            415,
            f'codex-shim does not know the content-encoding "{ascii(content_encoding)[2:-1][:40]}" of this '
            "request. Send it as identity, zstd, gzip or deflate.",
        )
    decoded = _decoded(body, encoding, cap + 1)
    if decoded is None:
        return _refusal(400, f"The request body is not the {encoding} that its header says.")
    if len(decoded) > cap:
        return _too_large(cap)
    return decoded


def _encoding(content_encoding: bytes | None) -> Encoding | None:
    return ENCODINGS.get((content_encoding or b"").strip().lower())


def _decoded(body: bytes, encoding: Encoding | None, limit: int) -> bytes | None:
    """At most `limit` bytes of the decoded body; None when it does not decode."""
    try:
        if encoding == "identity":
            # The whole body is at hand already, so there is nothing to save by cutting it.
            return body
        if encoding == "zstd":
            return _unzstd(body, limit)
        return None if encoding is None else _inflated(body, WINDOW_BITS[encoding], limit)
    except (zlib.error, zstandard.ZstdError):
        return None


def _unzstd(body: bytes, limit: int) -> bytes:
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    with decompressor.stream_reader(body, read_across_frames=True) as reader:
        return reader.read(limit)


def _inflated(body: bytes, window_bits: int, limit: int) -> bytes | None:
    inflater = zlib.decompressobj(window_bits)
    decoded = inflater.decompress(body, limit)
    # No client sends several members in a row, and a million empty ones would keep us busy for minutes.
    return None if inflater.unused_data else decoded


def encode(body: bytes, content_encoding: bytes | None) -> bytes:
    """Put a content-encoding that `decode` knows on again."""
    encoding = _encoding(content_encoding)
    if encoding == "zstd":
        return zstandard.ZstdCompressor().compress(body)
    if encoding in WINDOW_BITS:
        deflater = zlib.compressobj(wbits=WINDOW_BITS[encoding])
        return deflater.compress(body) + deflater.flush()
    return body


def _spliced(text: bytes, value: bytes) -> bytes:
    """Replace the values. `text` is a valid JSON object whose top-level `model` is a string."""
    # One key of that name, however deep the rest is: no need to know where the others are.
    if text.count(b'"model"') == 1 and rb"\u006" not in text and (only := _NAME_VALUE.search(text)):
        return b"".join((text[: only.start(1)], value, text[only.end(1) :]))
    pieces: list[str] = []
    done = 0
    plain = text.decode()
    for start, end in _model_values(plain):
        pieces += (plain[done:start], value.decode())
        done = end
    return "".join((*pieces, plain[done:])).encode()


def _model_values(text: str) -> Iterator[tuple[int, int]]:
    """Where the values of the top-level `model` keys are: member by member, each read in C."""
    position, end = text.index("{") + 1, text.rindex("}")
    while (position := _after_blank(text, position)) < end:
        key, position = _JSON.raw_decode(text, position)
        start = _after_blank(text, position)
        _, position = _JSON.raw_decode(text, start)
        if key == "model":
            yield start, position


def _after_blank(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return match.end() if match else position


def _not_json(decoded: bytes, error: orjson.JSONDecodeError) -> Problem:
    try:
        offset = len(decoded.decode()[: error.pos].encode())
    except UnicodeDecodeError as invalid:
        offset = invalid.start
    return _refusal(400, f"The request body is not valid JSON at byte {offset}: {error.msg}.")


def _too_large(cap: int) -> Problem:
    # This code makes Codex compact the thread, which is what helps.
    return Problem(
        413,
        "context_length_exceeded",
        f"The request body is larger than {cap} bytes once decoded. Start a new thread or compact this one.",
    )


def _refusal(status: int, message: str) -> Problem:
    # To Codex this code means: stop, and show the message.
    return Problem(status, "invalid_prompt", message)
