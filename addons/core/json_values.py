"""Reads parsed JSON of unknown shape: a value of the expected type, or an empty one.

Never does: convert a value. Invariant: total, apart from `loads_exactly` and `loads_file`, which raise for what is no JSON.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Mapping

import orjson

JsonObject = Mapping[str, object]
"""A JSON object that is only read."""
JsonDict = dict[str, object]
"""A JSON object that this code builds."""


def as_object(value: object) -> Mapping[str, object]:
    """Return the value if it is an object, else an empty object."""
    return value if isinstance(value, dict) else {}


def as_str(value: object) -> str:
    """Return the value if it is a string, else an empty string."""
    return value if isinstance(value, str) else ""


def as_int(value: object) -> int | None:
    """Return the value if it is an integer, else None. A boolean is not an integer here."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


_SURE_DIGITS = 18
"""An integer with as many digits fits into 64 bits."""
_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_MANY_DIGITS = b"0" * (_SURE_DIGITS + 1)
_LARGE = re.compile(rb"(?:^|[:,\[])[ \t\r\n]*-?[0-9]{%d}" % (_SURE_DIGITS + 1))
"""What an integer of as many digits stands behind. Most long numbers are a part of a text."""


def loads_file(data: bytes) -> object:
    """Return the parsed JSON of a file that people write. Raises `orjson.JSONDecodeError`.

    Notepad and PowerShell begin it with a byte order mark, which orjson refuses.
    """
    value: object = orjson.loads(data.removeprefix(BOM_UTF8))
    return value


def loads_exactly(data: bytes) -> object:
    """Return parsed JSON that `orjson.dumps` writes with the same integers. Raises `orjson.JSONDecodeError`.

    orjson reads an integer of more than 64 bits as a float. Here one that may be so large is kept as its digits.
    """
    value: object = orjson.loads(data)
    # a pattern takes five times as long as orjson, this a third of it
    if data.translate(_DIGITS).find(_MANY_DIGITS) < 0 or _LARGE.search(data) is None:
        return value
    try:
        return json.loads(data, parse_int=_integer)
    except RecursionError:
        # orjson does not write it either
        return value


def _integer(digits: str) -> object:
    return int(digits) if len(digits) <= _SURE_DIGITS else orjson.Fragment(digits)
