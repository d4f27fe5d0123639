"""The forms in which a text may quote a secret: encodings of the value, reduced to what every spelling has in common.

An upstream that quotes a key may change its case, escape it for JSON, a URL or HTML, wrap it, spread it over spaces, or
encode it. So a text and each encoding of a secret are *folded*: escapes are resolved, letters become lower-case, and all
that is neither a letter nor a digit is left out. Then an echo is a common substring of two folded texts, whatever the
spelling was.

Never does: keep a value that is too short or too common to be searched for. Invariant: `Echoes` shows nothing of the
secret when it is printed.
"""

from __future__ import annotations

import base64
import codecs
import re
import struct
from array import array
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

ESCAPE = re.compile(
    rb"(?:(?<!\\)\\++(?:u00|u\{0*|x)|%u00|%(?:25)*|&#[xX]0*|0[xX](?=[0-9a-fA-F]{2}(?![0-9a-zA-Z])))([0-9a-fA-F]{2})"
    rb"|(?<!\\)\\++(?:([01][0-7]{2})|u[0-9a-fA-F]{4}|[nrtbf])|&#0*([0-9]{2,3})|&(?:amp|quot|apos|lt|gt);"
)
"""One escaped character. A run of backslashes is read once, from its beginning."""
_ESCAPE_SIGNS = re.compile(rb"\\[ux0-9]|%[0-9a-fA-Fu]|&[#a-z]|0[xX]")
_BACKSLASH, _PERCENT, _AMPERSAND, _ZERO, _LOWER_X, _UPPER_X = b"\\%&0xX"
_BLANKS = (b"\\n", b"\\r", b"\\t")


def unescaped(data: bytes) -> bytes:
    """Return a text without its escapes: the same object if there is none."""
    # an integer is looked for ten times as fast as bytes, and this runs for every read
    if _BACKSLASH in data:
        for blank in _BLANKS:
            data = data.replace(blank, b"")
    elif (
        _PERCENT not in data
        and _AMPERSAND not in data
        and (_ZERO not in data or not _may_hold_hex(data))
    ):
        return data
    return ESCAPE.sub(character, data) if _ESCAPE_SIGNS.search(data) else data


def character(found: re.Match[bytes]) -> bytes:
    """Return the character that an escape stands for, or nothing where it is no letter or digit."""
    if found[1]:
        return bytes((int(found[1], 16),))
    if found[2]:
        return bytes((int(found[2], 8),))
    return bytes((int(found[3]) & 0xFF,)) if found[3] else b""


def _may_hold_hex(data: bytes) -> bool:
    """Return whether there may be a number such as 0x41, in data with a zero."""
    return (_LOWER_X in data and b"0x" in data) or (_UPPER_X in data and b"0X" in data)


GRAM = 8
"""Length of the pieces that are looked up."""
MIN_MATCH = 16
"""A shorter common substring of folded texts is no echo, unless it is a whole form."""
MIN_EXPANDED_MATCH = 32
"""The same for encodings that need two characters or more for one of the secret: half of them say as much. `windows` has it."""
EXPANSION = 1.7
"""Characters of an encoding for one of the secret from which on a longer match is needed. Base64 has 1.33."""
MIN_LENGTH = 8
"""Shorter secrets would match in any text."""
MAX_WORD_LENGTH = 12
"""Longer values without a digit are no words of a language."""
MAX_EXPENSIVE = 200
"""How much of a long secret is searched for in the rare encodings."""

_DELETED = bytes(each for each in range(256) if not chr(each).isascii() or not chr(each).isalnum())
_LOWER = bytes(range(256)).lower()
_SCHEME = re.compile(rb"(?i)(?:bearer|basic|digest|token|apikey|api-key|negotiate|key)[ \t]+(?=\S)")
_SEPARATORS = re.compile(rb"[\s,;&\"']+")
_PLACEHOLDERS = frozenset(
    [b"codexshim", b"keptbycodexshim", b"placeholder", b"applicationjson", b"texteventstream", b"localhost", b"undefined", b"anything", b"ollama", b"lmstudio", b"notneeded", b"skdummy", b"secret", b"sinsecure"]
)  # fmt: skip
"""Folded values that users set where a client insists on a key, and our own labels."""


def fold(data: bytes) -> bytes:
    """Return the letters and digits of a text, in lower case."""
    return data.translate(_LOWER, _DELETED)


class Echoes:
    """The folded forms of one secret."""

    __slots__ = ("binary", "dense", "expanded", "prefixes", "short")

    def __init__(
        self, dense: frozenset[bytes], expanded: frozenset[bytes], binary: frozenset[bytes]
    ) -> None:
        forms = dense | expanded
        self.dense = _pieces(dense)
        """Every piece of the forms that need less than two characters for one of the secret, as an integer."""
        self.expanded = _pieces(expanded)
        """Every piece of the long forms. In arrays, because a set of the pieces of a login takes megabytes."""
        self.binary = array(
            "I", {number for form in binary for _, each in windows(form) for number in each}
        )
        """Each 32 digits of the binary forms. Their pieces would be found in any text of binary digits."""
        self.short = frozenset(form for form in dense if len(form) < MIN_MATCH) | frozenset(
            form for form in expanded if len(form) < MIN_EXPANDED_MATCH or is_repetitive(form)
        )
        """Forms that are searched for as a whole."""
        self.prefixes = frozenset(form[:MIN_MATCH] for form in forms | binary)

    def __repr__(self) -> str:
        return "<echoes>"

    @classmethod
    def of(cls, value: bytes) -> Echoes:
        """Return the echoes of a header's or parameter's value."""
        dense: set[bytes] = set()
        expanded: set[bytes] = set()
        binary: set[bytes] = set()
        for part in dict.fromkeys(_parts(value)):
            # of a long token the end is enough: its signature
            end = part[-MAX_EXPENSIVE:]
            binary.add(b"".join(b"%08d" % int(f"{each:b}") for each in end))
            usual, rare = dict.fromkeys(_encodings(part)), dict.fromkeys(_rare_encodings(end))
            sizes = {**dict.fromkeys(rare, len(end)), **dict.fromkeys(usual, len(part))}
            for encoded, size in sizes.items():
                forms = dense if len(encoded) < EXPANSION * size else expanded
                shortest = MIN_LENGTH if encoded == part else GRAM
                # what looks like an escape in an encoding is resolved where the encoding is quoted
                for form in {fold(encoded), fold(unescaped(encoded))}:
                    if len(form) >= shortest:
                        forms.add(form)
        return cls(frozenset(dense), frozenset(expanded), frozenset(binary))


def is_repetitive(form: bytes) -> bool:
    """Return whether the pieces repeat in each part of a form, as in `1111…`: they are found in texts that do not quote it."""
    # by parts: an echo stays one in front of a long run of its last character
    return _repeats(form[-MIN_EXPANDED_MATCH:]) and all(
        _repeats(form[at : at + MIN_EXPANDED_MATCH])
        for at in range(0, len(form) - MIN_EXPANDED_MATCH, GRAM)
    )


def _repeats(part: bytes) -> bool:
    pieces = len(part) - GRAM + 1
    return 4 * len({part[at : at + GRAM] for at in range(pieces)}) < 3 * pieces


def windows(digits: bytes) -> Iterator[tuple[int, memoryview[int]]]:
    """Yield where binary digits are cut, and the number that each 32 of them make from there on, for every cut."""
    for shift in range(min(8, len(digits))):
        size = (len(digits) - shift) // 8
        value = int(digits[shift : shift + 8 * size] or b"0", 2).to_bytes(size)
        for at in range(4):
            end = at + ((size - at) & -4)
            if end > at:
                yield shift + 8 * at, memoryview(value)[at:end].cast("I")


def _pieces(forms: frozenset[bytes]) -> array[int]:
    found: set[int] = set()
    for form in forms:
        if len(form) >= MIN_MATCH:
            whole = memoryview(form)
            for at in range(GRAM):
                end = at + ((len(form) - at) & -GRAM)
                found.update(whole[at:end].cast("Q"))
    return array("Q", found)


def _parts(value: bytes) -> Iterator[bytes]:
    """Yield what is secret in a value: without its scheme, and each value of a cookie or of a list."""
    value = value.strip()
    bare = _SCHEME.sub(b"", value, count=1)
    yield from filter(_is_searchable, (value if bare is value else bare,))
    pieces = _SEPARATORS.split(value)
    for piece in pieces:
        name, equals, rest = piece.partition(b"=")
        plain = rest if equals and rest.strip(b"=") else name
        yield from filter(_is_searchable, (plain, unquote_to_bytes(plain)))
    if bare is not value and (login := _basic_login(bare)):
        yield from filter(_is_searchable, (login, login.partition(b":")[2]))


def _basic_login(value: bytes) -> bytes:
    try:
        login = base64.b64decode(value, validate=True)
    except ValueError:
        return b""
    return login if b":" in login else b""


def _is_searchable(part: bytes) -> bool:
    folded = fold(part)
    has_digit = any(digit in folded for digit in b"0123456789")
    is_rare = len(folded) >= MIN_LENGTH and (has_digit or len(folded) > MAX_WORD_LENGTH)
    return is_rare and folded not in _PLACEHOLDERS


def _encodings(value: bytes) -> Iterator[bytes]:
    """Yield the encodings of a value. A block encoding depends on what precedes the value, so there are several."""
    yield from (value, value[::-1], *_coded(value))


def _coded(value: bytes) -> list[bytes]:
    return [value.hex().encode(), *_blocks(value, base64.b64encode, 3, (0, 2, 3))]


def _rare_encodings(value: bytes) -> Iterator[bytes]:
    coded = _coded(value)
    rotated = codecs.encode(value.decode("latin-1"), "rot13").encode("latin-1")
    yield from (rotated, rotated[::-1])
    yield from _blocks(value.decode("latin-1").encode("utf-16-le"), base64.b64encode, 3, (0, 2, 3))
    yield from (each[::-1] for each in coded)
    # the value in reverse before it was encoded
    yield from _coded(value[::-1])
    yield from _blocks(value, base64.b32encode, 5, (0, 2, 4, 5, 7))
    yield from _blocks(value, _b85encode, 4, (0, 2, 3, 4))
    yield from _blocks(value, _a85encode, 4, (0, 2, 3, 4))
    for changed in (value.upper(), value.lower(), value.swapcase()):
        yield from _coded(changed)
    for each in coded:
        yield from _blocks(each, base64.b64encode, 3, (0, 2, 3))
        yield each.hex().encode()
    for form in ("%d", "%03d", "%o", "%03o"):
        yield "".join(form % each for each in value).encode()


_DIGITS = bytes(range(85))
_ASCII85 = bytes.maketrans(_DIGITS, bytes(range(33, 33 + 85)))
_BASE85 = bytes.maketrans(
    _DIGITS,
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~",
)


def _digits85(value: bytes) -> bytes:
    """Return a value in base 85, one digit a byte. The standard library keeps a megabyte of tables for that."""
    padding = -len(value) % 4
    digits = bytearray()
    for (word,) in struct.iter_unpack("!I", value + bytes(padding)):
        rest, fifth = divmod(word, 85)
        rest, fourth = divmod(rest, 85)
        rest, third = divmod(rest, 85)
        digits += bytes((*divmod(rest, 85), third, fourth, fifth))
    return bytes(digits[: len(digits) - padding])


def _a85encode(value: bytes) -> bytes:
    return _digits85(value).translate(_ASCII85)


def _b85encode(value: bytes) -> bytes:
    return _digits85(value).translate(_BASE85)


def _blocks(value: bytes, encode: object, size: int, skipped: tuple[int, ...]) -> Iterator[bytes]:
    """Yield what a block encoding makes of a value at each position within a block, without the blocks it shares."""
    assert callable(encode)  # noqa: S101  a codec of the standard library
    for shift in range(size):
        coded: bytes = encode(b"\0" * shift + value)
        padding = -(shift + len(value)) % size
        end = len(coded.rstrip(b"=")) - (1 if padding else 0)
        yield coded[skipped[shift] : end]
