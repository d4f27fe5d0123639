"""Request bodies: finds the model and references to earlier answers, decodes content-encodings, merges fields.

Never changes a byte other than the model name, never decodes more than the limit, never reads the content of input items.
Invariant: total; any bytes give a value or a `Problem`, and a body that needs no change is returned as the same object.

Source: RFC 9110, section 8.4.1 (gzip, deflate). Codex sends `content-encoding: zstd` to a provider named OpenAI; SDKs
send none.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import orjson
import zstandard

from addons.core.errors import INVALID_PROMPT, Problem
from addons.core.frozen import turn_value
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
"""How many bytes `model_at_start` reads."""

TRAILING_BYTES = 64 * 1024
"""How many bytes `model_near_end` reads. A smaller body is parsed completely, so that its errors are reported."""

# Only white space, `{`, the key and a name without escapes: Codex and many clients write `model` first.
_LEADING = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"model"[ \t\r\n]*:[ \t\r\n]*"([^"\\]*)"')
# A comma precedes the key, so this cannot be text inside a string: quotes are escaped there.
_MEMBER = re.compile(rb',[ \t\r\n]*"model"[ \t\r\n]*:[ \t\r\n]*"([^"\\]*)"')
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]]', re.DOTALL)
_MAX_CANDIDATES = 4
_DEPTH = {b"{": 1, b"[": 1, b"}": -1, b"]": -1}
_NAME_VALUE = re.compile(rb'"model"[ \t\r\n]*:[ \t\r\n]*("[^"\\]*+(?:\\.[^"\\]*+)*+")', re.DOTALL)
_BLANK = re.compile(r"[ \t\r\n:,]*")
# Numbers stay text: they are not used, and Python refuses to parse an int of too many digits.
_JSON = json.JSONDecoder(parse_int=str, parse_float=str)


@turn_value(frozen=True, slots=True)
class ParsedBody:
    """A parsed request body."""

    model: str
    stream: bool
    decoded: bytes
    """The body without its content-encoding; the same object if it has none."""
    payload: dict[str, object]
    """Shared: do not modify."""


def parse_body(body: bytes, content_encoding: bytes | None, cap: int) -> ParsedBody | Problem:
    """Decode at most `cap` bytes, parse them, and find the model.

    Returns a Problem with status 400 (not JSON, not an object, no model), 413 (too large) or 415 (unknown encoding).
    """
    decoded = decode(body, content_encoding, cap)
    return decoded if isinstance(decoded, Problem) else _parsed(decoded)


def find_model(body: bytes, content_encoding: bytes | None, cap: int) -> str | Problem:
    """Return the model only: of a large body from its start or its end, without parsing the rest.

    Returns the Problem of `parse_body` for a body that has to be parsed.
    """
    if model := model_at_start(body, content_encoding):
        return model
    decoded = decode(body, content_encoding, cap)
    if isinstance(decoded, Problem):
        return decoded
    if model := model_near_end(decoded):
        return model
    parsed = _parsed(decoded)
    return parsed.model if isinstance(parsed, ParsedBody) else parsed


def _parsed(decoded: bytes) -> ParsedBody | Problem:
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
            "Run `codex-shim list` to see the available names.",
        )
    return ParsedBody(model, payload.get("stream") is True, decoded, payload)


def has_references(payload: Mapping[str, object]) -> bool:
    """Return whether a request refers to an earlier response or to one of its items."""
    if payload.get("previous_response_id") is not None:
        return True
    items = payload.get("input")
    return isinstance(items, list) and any(map(is_reference, items))


def is_reference(item: object) -> bool:
    """Return whether an input item stands for one of an earlier response."""
    # The type may be missing: an object with only an id is a reference.
    if not isinstance(item, dict) or "id" not in item:
        return False
    return item.get("type") == "item_reference" or item.keys() == {"id"}


def replace_model(
    body: bytes, content_encoding: bytes | None, new_model: str, cap: int = 64 * MIB
) -> bytes | Problem:
    """Return the body with the value of its top-level `model` replaced, in the same content-encoding.

    No other decoded byte changes. A body that already names the model is returned as the same object. A repeated key
    is replaced everywhere, so that it does not matter which one a parser takes. Returns the Problems of `parse_body`.
    """
    parsed = parse_body(body, content_encoding, cap)
    if isinstance(parsed, Problem):
        return parsed
    spliced = _spliced(parsed.decoded, orjson.dumps(new_model))
    return body if spliced == parsed.decoded else encode(spliced, content_encoding)


def model_at_start(body: bytes, content_encoding: bytes | None) -> str | None:
    """Return the model if it is the first key and has no escapes, without decoding or parsing the rest."""
    head: bytes | None = body
    if content_encoding:
        head = _decoded(body, _encoding(content_encoding), LEADING_BYTES)
    match = _LEADING.match(head) if head is not None else None
    try:
        return match[1].decode() if match else None
    except UnicodeDecodeError:
        return None


def model_near_end(decoded: bytes) -> str | None:
    """Return the model if it is near the end of a large object and has no escapes: SDKs write it after `input`."""
    if len(decoded) <= TRAILING_BYTES:
        return None
    tail = decoded[-TRAILING_BYTES:]
    # The last top-level key is the one that a parser takes.
    for match in reversed(list(_MEMBER.finditer(tail))[-_MAX_CANDIDATES:]):
        if _closes_at_end(tail, match.end()):
            try:
                return match[1].decode()
            except UnicodeDecodeError:
                return None
    return None


def _closes_at_end(tail: bytes, start: int) -> bool:
    """Return whether the object around `start` is the outermost: its closing brace ends the body."""
    depth = 0
    for token in _TOKEN.finditer(tail, start):
        depth += _DEPTH.get(token[0], 0)
        if depth < 0:
            return token[0] == b"}" and not tail[token.end() :].strip()
    return False


def decode(body: bytes, content_encoding: bytes | None, cap: int) -> bytes | Problem:
    """Return the body without its content-encoding; decodes at most `cap` + 1 bytes. Problems: 400, 413, 415."""
    if not content_encoding:
        return body if len(body) <= cap else _too_large(cap)
    encoding = _encoding(content_encoding)
    if encoding is None:
        return _refusal(
            415,
            f'codex-shim does not know the content-encoding "{ascii(content_encoding)[2:-1][:40]}" of this '
            "request. Send it as identity, zstd, gzip or deflate.",
        )
    decoded = _decoded(body, encoding, cap + 1)
    if decoded is None:
        return _refusal(
            400,
            f"The request body is not {encoding}, although its content-encoding header says so.",
        )
    if len(decoded) > cap:
        return _too_large(cap)
    return decoded


def _encoding(content_encoding: bytes | None) -> Encoding | None:
    return ENCODINGS.get((content_encoding or b"").strip().lower())


def _decoded(body: bytes, encoding: Encoding | None, limit: int) -> bytes | None:
    """Return at most `limit` bytes of the decoded body; None if it cannot be decoded."""
    try:
        if encoding == "identity":
            # The complete body is in memory already: cutting it would save nothing.
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
    # No client sends several gzip members, and decoding a million empty ones would take minutes.
    return None if inflater.unused_data else decoded


def encode(body: bytes, content_encoding: bytes | None) -> bytes:
    """Return the body in a content-encoding that `decode` accepts."""
    encoding = _encoding(content_encoding)
    if encoding == "zstd":
        return zstandard.ZstdCompressor().compress(body)
    if encoding in WINDOW_BITS:
        deflater = zlib.compressobj(wbits=WINDOW_BITS[encoding])
        return deflater.compress(body) + deflater.flush()
    return body


def merge_fields(body: Mapping[str, object], extra: Mapping[str, object]) -> dict[str, object]:
    """Return the body with the fields of `extra`: objects are merged, other values are replaced, None takes a field out.

    Source: RFC 7396, "JSON Merge Patch".
    """
    merged = dict(body)
    for key, value in extra.items():
        below = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            merged[key] = merge_fields(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged


def finished_body(
    body: Mapping[str, object], extra: Mapping[str, object], omitted: Iterable[str]
) -> dict[str, object]:
    """Return the body with the row's fields and without those that the upstream refused, such as `messages.*.name`."""
    finished = merge_fields(body, extra)
    for path in omitted:
        remaining = _without(finished, path.split("."))
        finished = remaining if isinstance(remaining, dict) else finished
    return finished


def _without(value: object, path: list[str]) -> object:
    """Return the value without the field at a path. What the path leads through is copied."""
    first, rest = path[0], path[1:]
    if first == "*" and isinstance(value, list):
        return [_without(one, rest) for one in value] if rest else value
    if not isinstance(value, Mapping) or first not in value:
        return value
    if rest:
        below = _without(value[first], rest)
        if below != {} or value[first] == {}:
            return {**value, first: below}
    # An object that has lost its last field goes too: its meaning was that field.
    return {key: one for key, one in value.items() if key != first}


def _spliced(text: bytes, value: bytes) -> bytes:
    """Return the text with the model replaced. `text` is a JSON object whose top-level `model` is a string."""
    # If the key occurs only once, it is the top-level one: the members need not be walked.
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
    """Return the positions of the values of all top-level `model` keys. Each member is skipped by the C decoder."""
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
    # On this code Codex compacts the thread, which makes the request smaller.
    return Problem(
        413,
        "context_length_exceeded",
        f"The decoded request body is larger than {cap} bytes. Start a new thread or compact this one.",
    )


def _refusal(status: int, message: str) -> Problem:
    # On this code Codex stops and shows the message.
    return Problem(status, INVALID_PROMPT, message)
