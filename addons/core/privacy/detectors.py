"""Finds private values in a text: keys, tokens, e-mail addresses, phone numbers, card numbers, and what users name.

Each kind has one finder. An escape of JSON or of a terminal stands before many values in the output of a tool, so finders
search a text of the same length with blanks in place of escapes.

Sources: RFC 5321 (lengths of addresses), ITU-T E.164 and its list of country codes, ISO/IEC 7812 (prefixes of card numbers
and the Luhn check). Never reads a value's meaning: a finder knows forms only. Invariant: a search takes time in proportion
to the text, whatever the text is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from addons.core.masking.credentials import KEY_PREFIXED, is_credential_value


class Span(NamedTuple):
    """Where a private value stands, and its kind as placeholders name it."""

    start: int
    end: int
    kind: str


_ESCAPE = re.compile(
    r"\\+(?:u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[abfnrtv0]|(?=[^\\]|$))|\x1b\[[0-9;:?]{0,32}[A-Za-z]"
)
_ESCAPE_SIGNS = re.compile(r"[\\\x1b]")


def without_escapes(text: str) -> str:
    """Return a text of the same length with blanks in place of escapes of strings and of terminals."""
    if not _ESCAPE_SIGNS.search(text):
        return text
    return _ESCAPE.sub(lambda found: " " * len(found[0]), text)


# Keys and tokens ----------------------------------------------------------------------------------------------

_KEY = re.compile(r"(?<![A-Za-z0-9])(?:" + KEY_PREFIXED + ")")
_LONG_WORD = re.compile(r"[A-Za-z0-9_.-]{12,}+")
"""What may hold a key. Searching all text for keys themselves takes five times as long."""
_SURE = re.compile(
    r"sk-(?:ant|proj|or|svcacct|admin)-|sk_(?:live|test)_|gh[oprsu]_|github_pat_|glpat-|xox[a-z]-|AIza|AKIA|ASIA|eyJ"
)
"""Beginnings of keys that no other word has."""
_RUN = re.compile(r"[A-Za-z0-9]{12,}")
_BLOCK = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_BLOCK_END = re.compile(r"-----END (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_BLOCK_BODY = re.compile(r"[A-Za-z0-9+/=:,.\s\\-]*+")
_SCHEMES = ("bearer", "basic")
_AFTER_SCHEME = re.compile(r"[ \t]{1,4}([A-Za-z0-9._~+/=-]{8,}+)")
_NAMES = ("password", "passwd", "pwd", "secret", "token", "credential", "key")
_AFTER_NAME = re.compile(r"[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?([A-Za-z0-9+/_.~-]{16,}+={0,2})")
_USERINFO = re.compile(r"://([^\s/:@\"'<>]{0,64}):([^\s/@\"'<>]{3,128})@")
_NO_PASSWORD = re.compile(
    r"(?i:pass(?:word|wd)?|pwd|secret|token|changeme|example|root|admin|guest|test|x+|\*+|\.+)\Z|[$%{\[(]"
)
"""What stands for a password in documentation, or the name of a variable. As a value it would be replaced in every word."""
_DIGIT = re.compile("[0-9]")


def find_keys(text: str) -> Iterator[Span]:
    """Yield keys of known providers, and blocks with a private key."""
    if "PRIVATE KEY" in text:
        yield from _blocks(text)
    for word in _LONG_WORD.finditer(text):
        for found in _KEY.finditer(text, *word.span()):
            value = found[0].rstrip(".-_")
            if _is_key(value):
                yield Span(found.start(), found.start() + len(value), "key")


def _is_key(value: str) -> bool:
    """Return whether a word with the prefix of a key is one: `npm-check-updates` is not."""
    if _SURE.search(value):
        return True
    runs = _RUN.findall(value)
    return any(not run.isalpha() and not run.isdecimal() for run in runs)


def _blocks(text: str) -> Iterator[Span]:
    at = 0
    while begin := _BLOCK.search(text, at):
        end = _BLOCK_END.search(text, begin.end())
        body = _BLOCK_BODY.match(text, begin.end())
        at = end.end() if end else body.end() if body else begin.end()
        yield Span(begin.start(), at, "key")
        if end is None:
            return


def find_tokens(text: str) -> Iterator[Span]:
    """Yield bearer tokens, values of names that say so, and passwords in URLs. A JWT is a key by its prefix."""
    for found in _behind(text, _SCHEMES, _AFTER_SCHEME):
        if _DIGIT.search(found[1]):
            yield Span(*found.span(1), "token")
    for found in _behind(text, _NAMES, _AFTER_NAME):
        if is_credential_value(found[1]):
            yield Span(*found.span(1), "token")
    if "://" in text:
        for found in _USERINFO.finditer(text):
            if found[1] != found[2] and not _NO_PASSWORD.match(found[2]):
                yield Span(*found.span(2), "token")


def _behind(text: str, words: Sequence[str], pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
    """Yield what matches behind one of these words, in any case."""
    lower = text.lower()
    if len(lower) != len(text):
        lower = "".join(each.lower() if each.isascii() else each for each in text)
    for word in words:
        at = lower.find(word)
        while at >= 0:
            if found := pattern.match(text, at + len(word)):
                yield found
            at = lower.find(word, at + len(word))


# E-mail addresses ---------------------------------------------------------------------------------------------

_AT = re.compile(r"@|%40")
_LOCAL = re.compile(r"[A-Za-z0-9À-ɏ._%+'-]{1,64}\Z")
_DOMAIN = re.compile(
    r"(?:[A-Za-z0-9À-ɏ](?:[A-Za-z0-9À-ɏ-]{0,62})\.){1,6}[A-Za-z]{2,24}(?![A-Za-z0-9])"
)
_NO_DOMAIN = re.compile(r"[0-9](?:\.[0-9])?x\.|[0-9]{1,6}\.[0-9]{1,6}\.")
"""Begins the end of a picture's name, `icon@2x.png`, or a version: `vue@3.0.0-rc.next`."""
_PUBLIC_USERS = frozenset({"git", "hg"})
"""Users of servers that every user of them has: `git@github.com`."""
_MAX_LOCAL = 64


def find_emails(text: str) -> Iterator[Span]:
    """Yield e-mail addresses."""
    least = 0
    for at in _AT.finditer(text):
        domain = _DOMAIN.match(text, at.end())
        if domain is None or _NO_DOMAIN.match(text, at.end()):
            continue
        first = max(least, at.start() - _MAX_LOCAL)
        local = _LOCAL.search(text[first : at.start()])
        name = local[0].lstrip("._'%-") if local else ""
        if name and name not in _PUBLIC_USERS:
            least = domain.end()
            yield Span(at.start() - len(name), least, "email")


# Phone numbers ------------------------------------------------------------------------------------------------

_COUNTRY = (
    r"(?:1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
    r"|2[1-689]\d|3[578]\d|42\d|5[09]\d|6[7-9]\d|8[0578]\d|9[679]\d)"
)
_NOT_BEFORE, _NOT_AFTER = r"(?<![\w.:/#-])", r"(?![\w]|[.:/-]\d)"
_NUMBERS = re.compile(r"[+(0-9][0-9 ()./-]{7,}+")
"""What may hold a phone number. A search of all text for the numbers themselves takes ten times as long."""
_SEEN_AFTER = 3
"""How many characters behind a number are looked at."""
_PHONE = re.compile(
    r"(?<![\w+])(?:\+|(?<![\d.:-])00(?=[1-9]\d{0,2}[ .-]))"
    + _COUNTRY
    + r"(?:[ ./-]?(?:\(\d{1,5}\)|\d{1,5})){2,7}(?!\d)"
    # North America
    + "|" + _NOT_BEFORE + r"(?:\([2-9]\d{2}\) ?[2-9]\d{2}[ .-]\d{4}|(?:1[ .-])?[2-9]\d{2}([-. ])[2-9]\d{2}\1\d{4})" + _NOT_AFTER
    # France
    + "|" + _NOT_BEFORE + r"(?<!\d\d )0[1-9](?:([ .])\d{2})(?:\2\d{2}){3}(?![ ]\d\d\b)" + _NOT_AFTER
    # Britain
    + "|" + _NOT_BEFORE + r"(?:(?:02[03489]|\(02[03489]\)) \d{4} \d{4}|(?:01\d{2,3}|\(01\d{2,3}\)) \d{3} \d{3,4}|07\d{3} \d{3} ?\d{3})" + _NOT_AFTER
    # Germany, Austria, Italy and others: an area code, then one long group
    + "|" + _NOT_BEFORE + r"(?:0[1-9]\d{1,4}|\(0[1-9]\d{1,4}\))[ /-]\d{6,8}" + _NOT_AFTER
)  # fmt: skip
_LABELS = ("tel", "phone", "mobile", "fax", "whatsapp")
_ENDS_WORD = re.compile(r"[A-Za-z](?:tel|mobile|fax|whatsapp)\Z")
"""The end of a longer word: `hotel 1234567`. Of `homeTel` it is a part."""
_LABEL_SEEN = 12
_AFTER_LABEL = re.compile(
    r"(?:efon|ephone)?[\"']?(?: number| no)?\.?[\"']?[ \t]{0,2}[:=]?[ \t]{0,2}[\"']?"
    r"(\(?\d(?:[ ./()-]{0,2}\d){6,14})" + _NOT_AFTER
)
_MIN_DIGITS, _MAX_DIGITS = 8, 15
_DIFF = re.compile(r"^(?:diff --git |@@ -|\+\+\+ )", re.MULTILINE)


def find_phones(text: str) -> Iterator[Span]:
    """Yield phone numbers: international ones, national ones in their usual groups, and those behind a label."""
    is_diff = "\n+" in text and _DIFF.search(text) is not None
    for numbers in _NUMBERS.finditer(text):
        for found in _PHONE.finditer(text, numbers.start(), numbers.end() + _SEEN_AFTER):
            number = _first_digits(found[0])
            is_added_line = is_diff and number[0] == "+" and number[1:].isdecimal()
            if len(number) >= _MIN_DIGITS and not (
                is_added_line and text.startswith("\n", found.start() - 1)
            ):
                yield Span(found.start(), found.start() + len(number), "phone")
    for found in _behind(text, _LABELS, _AFTER_LABEL):
        if not _ENDS_WORD.search(text, max(found.start() - _LABEL_SEEN, 0), found.start()):
            yield Span(*found.span(1), "phone")


def _first_digits(number: str) -> str:
    """Return a phone number without the numbers that follow it; nothing if it has too few digits for one."""
    while (digits := sum(map(str.isdecimal, number))) > _MAX_DIGITS:
        number = number.rstrip("0123456789)").rstrip(" ./(-+")
    return number if digits >= _MIN_DIGITS else ""


# Payment cards ------------------------------------------------------------------------------------------------

_DIGITS = re.compile(r"[0-9][0-9 -]{12,}+")
_CARD = re.compile(
    r"(?<![\w.+/-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|\d{4}([ -])\d{6}\2\d{4,5})(?![\w/-]|\.\d)"
)
_ISSUERS: Sequence[tuple[re.Pattern[str], frozenset[int]]] = (
    (re.compile("4"), frozenset({13, 16, 19})),
    (re.compile("5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), frozenset({16})),
    (re.compile("3[47]"), frozenset({15})),
    (re.compile("30[0-5]|36|3[89]"), frozenset({14, 16, 19})),
    (re.compile("6011|64[4-9]|65|62|60|81|82|50|5[6-9]|6[37]"), frozenset({16, 17, 18, 19})),
    (re.compile("35(?:2[89]|[3-8])|220[0-4]"), frozenset({16, 19})),
)
"""The beginnings of card numbers, and how many digits they have."""


def find_cards(text: str) -> Iterator[Span]:
    """Yield numbers of payment cards: known beginning, right length, usual groups, and a valid check digit."""
    for numbers in _DIGITS.finditer(text):
        for found in _CARD.finditer(text, numbers.start(), numbers.end() + _SEEN_AFTER):
            digits = found[0].replace(" ", "").replace("-", "")
            known = any(len(digits) in sizes and begin.match(digits) for begin, sizes in _ISSUERS)
            if known and _luhn(digits):
                yield Span(found.start(), found.end(), "card")


_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def _luhn(digits: str) -> bool:
    odd, even = digits[-1::-2], digits[-2::-2]
    total = sum(map(int, odd)) + sum(_DOUBLED[int(digit)] for digit in even)
    return total % 10 == 0


# All kinds ----------------------------------------------------------------------------------------------------

Finder = Callable[[str], Iterator[Span]]
FINDERS: dict[str, Finder] = {
    "keys": find_keys,
    "tokens": find_tokens,
    "emails": find_emails,
    "phones": find_phones,
    "cards": find_cards,
}
"""The sets that can be switched on and off, by their names in models.json."""
MIN_LENGTH = 4
"""Characters of the shortest value that is masked: a shorter one would be found inside of words."""


class Detector:
    """The finders of one state of the settings. `patterns`: the kind of a user's own pattern → the pattern."""

    def __init__(self, sets: Sequence[str], patterns: dict[str, re.Pattern[str]]) -> None:
        self._finders = [FINDERS[name] for name in FINDERS if name in sets]
        self._patterns = patterns

    def find(self, text: str) -> list[Span]:
        """Return the private values of a text, by their position. Values of two kinds may overlap."""
        plain = without_escapes(text)
        found = [span for finder in self._finders for span in finder(plain)]
        for kind, pattern in self._patterns.items():
            # a user's pattern may mean the escapes
            found += [Span(*one.span(), kind) for one in pattern.finditer(text)]
        return sorted(span for span in found if span.end - span.start >= MIN_LENGTH)
