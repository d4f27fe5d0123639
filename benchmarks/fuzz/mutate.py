"""Seeded mutations of bytes and of JSON values. Never does: use any randomness but that of the given `Random`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random

TOKENS = (
    b"\n\n", b"\r\n", b"\r", b"\n", b"data: ", b"data:", b"event: ", b": ", b"{", b"}", b"[", b"]", b'"', b"\\", b"\\u0000",
    b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"null", b"true", b"1e999", b"-0", b"[DONE]", b"=", b"#", b'"""', b"'''",
    b"HTTP/1.1", b"content-length: 5\r\n", b"transfer-encoding: chunked\r\n", b"0\r\n\r\n", b"host: evil\r\n", b"9" * 40,
)  # fmt: skip
UNUSUAL: tuple[object, ...] = (
    None, True, False, 0, -1, 2**63, 2**200, 0.5, 1e308, "", "x", "\x00", "\ud800", "0" * 5000, [], {}, [[]], [None],
    {"type": None}, {"": ""}, "data: x\n\n", "function_call", {"text": {}}, "../../x", "http://169.254.169.254/",
)  # fmt: skip
MAX_BYTES = 20_000


def mutated(data: bytes, others: Sequence[bytes], rng: Random) -> bytes:
    """Return the data with one to six mutations."""
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        data = rng.choice(_CHANGES)(data, others, rng)[:MAX_BYTES]
    return data


def _replace_byte(data: bytes, _: Sequence[bytes], rng: Random) -> bytes:
    if not data:
        return bytes([rng.randrange(256)])
    at = rng.randrange(len(data))
    return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def _cut(data: bytes, _: Sequence[bytes], rng: Random) -> bytes:
    start, end = _span(data, rng)
    return data[:start] + data[end:]


def _duplicate(data: bytes, _: Sequence[bytes], rng: Random) -> bytes:
    start, end = _span(data, rng)
    return data[:end] + data[start:end] + data[end:]


def _token(data: bytes, _: Sequence[bytes], rng: Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(TOKENS) + data[at:]


def _splice(data: bytes, others: Sequence[bytes], rng: Random) -> bytes:
    other = rng.choice(others)
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _truncate(data: bytes, _: Sequence[bytes], rng: Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _span(data: bytes, rng: Random) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.choice((1, 4, 40, 400)))


_CHANGES: tuple[Callable[[bytes, Sequence[bytes], Random], bytes], ...] = (
    _replace_byte,
    _cut,
    _duplicate,
    _token,
    _splice,
    _truncate,
)


def split_into_reads(data: bytes, rng: Random) -> list[bytes]:
    """Divide data into reads as a network may deliver them."""
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice((0, 0, 1, 3, 12))))
    edges = [0, *cuts, len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def mutated_value(value: object, rng: Random, depth: int = 0) -> object:
    """Return the JSON value with an unusual value in one place."""
    if depth > 8 or rng.random() < 0.06:
        return rng.choice(UNUSUAL)
    if isinstance(value, dict) and value:
        changed = dict(value)
        key = rng.choice(list(changed))
        if rng.random() < 0.1:
            del changed[key]
        else:
            changed[key] = mutated_value(changed[key], rng, depth + 1)
        return changed
    if isinstance(value, list) and value:
        listed = list(value)
        at = rng.randrange(len(listed))
        if rng.random() < 0.1:
            listed.insert(at, listed[at])
        else:
            listed[at] = mutated_value(listed[at], rng, depth + 1)
        return listed
    return rng.choice(UNUSUAL) if rng.random() < 0.5 else value
