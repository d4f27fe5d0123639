"""The time to wait that an upstream gives, in any of its forms: headers, fields of a body, and text.

Never reads a clock: `now` is passed in. Without it, points in time are ignored. A point in time without a zone is UTC.
Invariant: total, every result is a number of seconds from 0 on; a point in time that has passed gives nothing, except
in `retry-after`, where it means that no wait is left. A time of day needs a zone, because the user's may differ; two numbers such as 02:30 are
minutes and seconds.

Sources: RFC 9110, section 10.2.3 (seconds, HTTP date); the IETF draft "RateLimit header fields"; the rate-limit pages of
OpenAI (`1h15m3.2s`, `17ms`), Anthropic (RFC 3339), Azure (`retry-after-ms`), GitHub and OpenRouter (epoch seconds and
milliseconds), Google (`retryDelay: "34s"`), Z.ai ("will reset at 2026-07-14 07:49:08").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from addons.core.headers import Headers, header
from addons.core.upstream.patterns import at_first_use

MAX_TEXT = 8_192
FIRST_EPOCH = 1_000_000_000.0
"""A larger number is a point in time and no duration: seconds, or milliseconds from `FIRST_EPOCH_MS` on."""
FIRST_EPOCH_MS = 100_000_000_000.0
DAY = 86_400.0
LONGEST = 62 * 86_400.0
"""A number in a text that is further away than two months is not a point in time."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_UNIT_OF = {
    "millisecond": "ms", "milliseconds": "ms", "millis": "ms", "msec": "ms", "msecs": "ms", "毫秒": "ms",
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "秒": "s", "秒钟": "s",
    "min": "m", "mins": "m", "minute": "m", "minutes": "m", "分": "m", "分钟": "m",
    "hr": "h", "hrs": "h", "hour": "h", "hours": "h", "小时": "h",
    "day": "d", "days": "d", "天": "d", "week": "w", "weeks": "w", "周": "w",
}  # fmt: skip
_NUMBERS = {"a": 1.0, "an": 1.0, "one": 1.0, "half a": 0.5, "half an": 0.5, "半": 0.5, "半个": 0.5}
_UNIT_WORDS = "|".join(sorted((*_UNITS, *_UNIT_OF), key=len, reverse=True))
_PART = rf"(?:\d{{1,9}}(?:[.,]\d{{1,12}})?|\b(?:half )?an?\b|\bone\b|半个?)\s?(?:more )?(?:{_UNIT_WORDS})(?![a-z])"
_PARTS = at_first_use(
    rf"(\d{{1,9}}(?:[.,]\d{{1,12}})?|\b(?:half )?an?\b|\bone\b|半个?)\s?(?:more )?({_UNIT_WORDS})(?![a-z])",
    re.IGNORECASE,
)
_LENGTH = rf"{_PART}(?:(?:\s|,|and\b){{0,4}}{_PART}){{0,5}}"
_WHOLE_LENGTH = at_first_use(_LENGTH, re.IGNORECASE)
_CLOCK_LENGTH = re.compile(r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2}(?:\.\d+)?)")
_ISO_LENGTH = re.compile(
    r"P(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:(\d{1,7}(?:\.\d+)?)S)?)?", re.IGNORECASE
)
_CUES = r"again|retry(?:ing)?|wait(?:ing)?|reset(?:s|ting)?|reset_in|availab\w{0,8}|resumes?|refresh\w{0,8}|renew\w{0,8}|regain|replenish\w{0,8}|back|open(?:s|ing)?|ready|cool-?down|expires?|delay"
_RELATIVE = at_first_use(
    rf"(?:{_CUES})(?:(?!\bevery\b|\bper\b|\beach\b)[^.\n\d]){{0,40}}?({_LENGTH}|(?<!\bat )\d{{1,3}}:\d{{2}}:\d{{2}}(?![\d:])|(?<=\bin )\d{{1,2}}:\d{{2}}(?![\d:]| ?[ap]m))",
    re.IGNORECASE,
)
_RELATIVE_FIRST = at_first_use(
    rf"({_LENGTH})(?:\s*(?:until|before|left|remaining|后|之后|以后|,? (?:then )?(?:try|retry)))",
    re.IGNORECASE,
)
_BARE_SECONDS = at_first_use(
    r"retry[-_ ]?after(?:[-_ ]?seconds)?['\"]?\s*+(?:[:=]\s*+)?['\"]?(\d{1,6}(?:\.\d+)?)(?![\d.:/-]|\s?\w)",
    re.IGNORECASE,
)
_TIME_CUE = at_first_use(
    rf"{_CUES}|until|limit reached|lifted|重置|恢复|刷新|重试|解除", re.IGNORECASE
)
_ZONE = r"\s?\(?((?:UTC|GMT)?\s?[+-]\d{1,2}(?::?\d{2})?|Z|UTC|GMT)?(?![a-z])"
_ISO_TIME = at_first_use(
    rf"(\d{{4}})[-/](\d{{2}})[-/](\d{{2}})(?:(?:T|,? (?:at )?)(\d{{2}}):(\d{{2}})(?::(\d{{2}})(?:[.,]\d+)?)?{_ZONE})?",
    re.IGNORECASE,
)
_CLOCK_TIME = at_first_use(
    r"(?:\bat|\buntil|\bafter|\bby|于|在|到)\s?(\d{1,2})(?=:| ?[ap]m)(?::(\d{2})(?::(\d{2}))?)?\s?(AM|PM)?\s?\(?((?:UTC|GMT)(?:\s?[+-]\d{1,2}(?::?\d{2})?)?|[+-]\d{2}:?\d{2}|Z\b)",
    re.IGNORECASE,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMED_TIME = at_first_use(
    rf"({'|'.join(_MONTHS)})[a-z]{{0,8}}\.? (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})(?:,? (?:at )?(\d{{1,2}}):(\d{{2}})(?::(\d{{2}}))?\s?(AM|PM)?{_ZONE})?",
    re.IGNORECASE,
)
_MAIL_TIME = re.compile(
    r"(?:[A-Z][a-z]{2}, )?\d{1,2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} (?:GMT|UTC|[+-]\d{4})"
)
_EPOCH = re.compile(r"(?<![\d.])(\d{10}(?:\.\d{1,6})?|\d{13})(?![\d.]*\d)")
_WAIT_NAME = at_first_use(
    r"(?:x|quota|limit|ratelimit|xratelimit)?(?:retry|resets?|cooldown|wait|nextflush)(?:after|in|at|delay|time|timestamp)?"
    r"(?:seconds?|secs?|s|ms|milliseconds?|millis)?(?:requests|tokens)?"
)
_MILLISECONDS = re.compile(r"(?:ms|milliseconds?|millis)\Z")


def retry_after_seconds(headers: Headers, now: float) -> float | None:
    """Return the seconds to wait by the headers: `retry-after` in each form, else the reset of an exhausted limit."""
    for name in (b"retry-after-ms", b"x-ms-retry-after-ms"):
        milliseconds = _number((header(headers, name) or b"").decode("latin-1"))
        if milliseconds is not None:
            return milliseconds / 1_000
    value = header(headers, b"retry-after")
    if value is not None:
        return _retry_after(value.decode("latin-1").strip(), now)
    return _exhausted_limit(headers, now)


def stated_wait(text: str, now: float | None) -> float | None:
    """Return the seconds to wait that a text gives."""
    text = text[:MAX_TEXT]
    for pattern in (_RELATIVE, _RELATIVE_FIRST):
        if (match := pattern.search(text)) and (seconds := _length(match[1])) is not None:
            return seconds
    if match := _BARE_SECONDS.search(text):
        return float(match[1])
    if now is None or not _TIME_CUE.search(text):
        return None
    ahead = (moment - now for moment in _moments(text) if now < moment < now + LONGEST)
    return next(ahead, None) or _until_clock_time(text, now)


def _until_clock_time(text: str, now: float) -> float | None:
    """Return the seconds until the next time of day that a text names with its zone."""
    match = _CLOCK_TIME.search(text)
    if not match:
        return None
    hour, minute, second, half, zone = match.groups()
    today = datetime.fromtimestamp(now, _zone(zone))
    try:
        when = today.replace(
            hour=int(_hour24(hour, half) or 0),
            minute=int(minute or 0),
            second=int(second or 0),
            microsecond=0,
        )
    except ValueError:
        return None
    return (when.timestamp() - now) % DAY or DAY


def wait_in_field(name: str, value: object, now: float | None) -> float | None:
    """Return the seconds to wait of a field such as `retry_after_ms`, `resets_at` or `retryDelay`; None for others."""
    word = re.sub(r"[^a-z]", "", name[:60].lower())
    if not _WAIT_NAME.fullmatch(word):
        return None
    unit = 0.001 if _MILLISECONDS.search(word) else 1.0
    if word.endswith("at") and _is_early(value):
        return None
    if isinstance(value, str):
        number = _number(value)
        return _of_text(value, now) if number is None else _of_number(number, unit, now)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _of_number(float(value), unit, now)


def _is_early(value: object) -> bool:
    """Return whether a point in time is a number that is none: `resets_at: 1` is no wait of a second."""
    number = _number(value) if isinstance(value, str) else value
    return isinstance(number, int | float) and number < FIRST_EPOCH


def _retry_after(value: str, now: float) -> float | None:
    number = _number(value)
    if number is not None:
        return number if number < FIRST_EPOCH else max(0.0, _epoch(number) - now)
    seconds = _whole_length(value)
    if seconds is not None:
        return seconds
    moment = _mail_moment(value) or next(_moments(value), None)
    return None if moment is None else max(0.0, moment - now)


def _exhausted_limit(headers: Headers, now: float) -> float | None:
    """Return the longest reset among limits of which nothing remains; of all limits, if no header says what remains."""
    lower = {name.lower(): value.decode("latin-1").strip() for name, value in headers}
    resets: list[float] = []
    for name, value in lower.items():
        if b"ratelimit" not in name:
            continue
        if b"reset" in name:
            remaining = lower.get(name.replace(b"reset", b"remaining"))
            if remaining is None or _number(remaining) == 0:
                resets.append(_reset(value, now) or 0.0)
        elif used_up := re.search(r"\br(?:emaining)?=0\b.*?\b(?:t|reset)=(\d{1,7})", value):
            resets.append(float(used_up[1]))
    return max(resets, default=0.0) or None


def _reset(value: str, now: float) -> float | None:
    number = _number(value)
    return _of_text(value, now) if number is None else _of_number(number, 1.0, now)


def _of_number(number: float, unit: float, now: float | None) -> float | None:
    if not 0 <= number < float("inf"):
        return None
    if number < FIRST_EPOCH:
        return number * unit
    return None if now is None else _ahead(_epoch(number), now)


def _of_text(value: str, now: float | None) -> float | None:
    seconds = _whole_length(value)
    if seconds is not None or now is None:
        return seconds
    moment = _mail_moment(value) or next(_moments(value[:MAX_TEXT]), None)
    return None if moment is None else _ahead(moment, now)


def _ahead(moment: float, now: float) -> float | None:
    return moment - now if moment > now else None


def _epoch(number: float) -> float:
    return number / 1_000 if number >= FIRST_EPOCH_MS else number


def _whole_length(value: str) -> float | None:
    text = value.strip()[:100]
    if iso := _ISO_LENGTH.fullmatch(text):
        parts = [float(part or 0) for part in iso.groups()]
        return sum(size * part for size, part in zip((86_400, 3_600, 60, 1), parts, strict=True))
    return _length(text) if _WHOLE_LENGTH.fullmatch(text) or _CLOCK_LENGTH.fullmatch(text) else None


def _length(text: str) -> float | None:
    if clock := _CLOCK_LENGTH.fullmatch(text.strip()):
        hours, minutes, seconds = (float(part or 0) for part in clock.groups())
        return hours * 3_600 + minutes * 60 + seconds
    parts = _PARTS.findall(text)
    if not parts:
        return None
    return round(sum(_amount(number) * _unit(unit) for number, unit in parts), 6)


def _amount(number: str) -> float:
    known = _NUMBERS.get(number.lower())
    return float(number.replace(",", ".")) if known is None else known


def _unit(word: str) -> float:
    low = word.lower()
    return _UNITS[_UNIT_OF.get(low, low)]


def _moments(text: str) -> Iterator[float]:
    """Yield the points in time of a text, by form."""
    for match in _ISO_TIME.finditer(text):
        yield from _moment(match.groups()[:6], match[7])
    for match in _NAMED_TIME.finditer(text):
        name, day, year, hour, minute, second, half, zone = match.groups()
        month = str(_MONTHS.index(name.lower()) + 1)
        yield from _moment((year, month, day, _hour24(hour, half), minute, second), zone)
    for match in _MAIL_TIME.finditer(text):
        if (moment := _mail_moment(match[0])) is not None:
            yield moment
    for match in _EPOCH.finditer(text):
        yield _epoch(float(match[1]))


def _moment(parts: Sequence[str | None], zone: str | None) -> Iterator[float]:
    year, month, day, hour, minute, second = (int(part or 0) for part in parts)
    try:
        when = datetime(year, month, day, hour, minute, second, tzinfo=_zone(zone or ""))
        yield when.timestamp()
    except (ValueError, OverflowError):
        return


def _hour24(hour: str | None, half: str | None) -> str | None:
    if hour is None or half is None:
        return hour
    return str(int(hour) % 12 + (12 if half.lower() == "pm" else 0))


def _zone(text: str) -> timezone:
    match = re.search(r"([+-])(\d{1,2}):?(\d{2})?", text)
    if not match:
        return UTC
    offset = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
    return timezone(offset if match[1] == "+" else -offset)


def _mail_moment(value: str) -> float | None:
    try:
        when = parsedate_to_datetime(value)
        moment = when if when.tzinfo else when.replace(tzinfo=UTC)
        return moment.timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
