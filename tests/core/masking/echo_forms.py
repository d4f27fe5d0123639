"""Forty and more ways to quote a secret. Written with the standard library, apart from what the product uses to find them."""

from __future__ import annotations

import base64
import codecs
import json
from collections.abc import Callable, Mapping
from urllib.parse import quote

Quote = Callable[[str], str]


def each(form: str, joint: str = "") -> Quote:
    return lambda key: joint.join(form % ord(c) for c in key)


def based(encode: Callable[[bytes], bytes], before: str = "", after: str = "") -> Quote:
    return lambda key: encode(f"{before}{key}{after}".encode()).decode()


def mixed(key: str) -> str:
    return "".join(c if at % 3 else f"\\u{ord(c):04x}" for at, c in enumerate(key))


FORMS: Mapping[str, Quote] = {
    "plain": str,
    "bearer": lambda key: f"Bearer {key}",
    "authorization line": lambda key: f"authorization: Bearer {key}",
    "upper": str.upper,
    "lower": str.lower,
    "swapped case": str.swapcase,
    "reversed": lambda key: key[::-1],
    "reversed upper": lambda key: key[::-1].upper(),
    "base64": based(base64.b64encode),
    "base64 after one byte": based(base64.b64encode, "x"),
    "base64 after two bytes": based(base64.b64encode, "xy", "z"),
    "base64 of a bearer": based(base64.b64encode, "Bearer "),
    "base64 of a login": based(base64.b64encode, "user:", "\n"),
    "base64 of JSON": based(base64.b64encode, '{"key":"', '"}'),
    "base64url": based(base64.urlsafe_b64encode),
    "base64url unpadded": lambda key: base64.urlsafe_b64encode(key.encode()).decode().rstrip("="),
    "base64 in lines": lambda key: base64.encodebytes(b"Authorization: Bearer " + key.encode()).decode(),
    "base64 twice": lambda key: base64.b64encode(base64.b64encode(key.encode())).decode(),
    "base64 reversed": lambda key: base64.b64encode(key.encode()).decode()[::-1],
    "base64 of the reverse": lambda key: base64.b64encode(key[::-1].encode()).decode(),
    "base32": based(base64.b32encode, "abc"),
    "base85": based(base64.b85encode),
    "hex": lambda key: key.encode().hex(),
    "hex upper": lambda key: key.encode().hex().upper(),
    "hex with colons": lambda key: key.encode().hex(":"),
    "hex with blanks": lambda key: key.encode().hex(" "),
    "hex reversed": lambda key: key.encode().hex()[::-1],
    "0x": each("0x%02x", ", "),
    "escaped \\x": each("\\x%02x"),
    "escaped \\u": each("\\u%04x"),
    "escaped \\u twice": each("\\\\u%04X"),
    "escaped in part": mixed,
    "octal": each("\\%03o"),
    "URL": lambda key: quote(key, safe=""),
    "URL, every character": each("%%%02X"),
    "URL, every character, lower": each("%%%02x"),
    "URL twice": each("%%25%02X"),
    "HTML decimal": each("&#%d;"),
    "HTML hex": each("&#x%x;"),
    "decimal": each("%d", ","),
    "base64 of UTF-16": lambda key: base64.b64encode(key.encode("utf-16-le")).decode(),
    "rot13 reversed": lambda key: codecs.encode(key, "rot13")[::-1],
    "rot13": lambda key: codecs.encode(key, "rot13"),
    "blanks between": " ".join,
    "dashes between": "-".join,
    "zero width between": "\u200b".join,
    "in two lines": lambda key: f"{key[: len(key) // 2]}\n{key[len(key) // 2 :]}",
    "in a JSON string in a JSON string": lambda key: json.dumps(json.dumps({"k": f'"{key}"'})),
    "in a URL": lambda key: f"https://host/path?key={key}&x=1",
    "in a cookie": lambda key: f"session={key}; Path=/",
    "beginning": lambda key: f"{key[: max(20, len(key) // 2)]}...",
    "end": lambda key: f"...{key[-max(20, len(key) // 2) :]}",
}  # fmt: skip
