"""Finds the optional fields that a refusal names, in any server's phrasing and notation, so that they can be left out.

Invariant: only a field that was sent is proposed, and none that a request cannot do without (`REQUIRED`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from addons.core.upstream.refusal import Complaint, Path, Refusal, field_path
from addons.core.upstream.sent import Change, Sent

REQUIRED = frozenset(
    {
        "arguments", "call_id", "content", "data", "description", "function", "id", "image_url", "index", "input",
        "input_schema", "media_type", "messages", "model", "name", "output", "parameters", "role", "schema", "source",
        "stream", "system", "text", "tool_call_id", "tool_calls", "tool_use_id", "tools", "type", "url",
    }
)  # fmt: skip
"""Fields that carry the conversation, or without which the rest has no meaning."""
OPAQUE = frozenset(
    {"arguments", "data", "input_schema", "parameters", "properties", "schema", "url"}
)
"""Fields whose content is the user's: no name in it is a field of the protocol."""
MAX_DEPTH = 7

REFUSED = re.compile(
    r"unrecogni|unknown|unsupported|unexpected|not support|n't support|not (?:permitted|allowed|accepted|available|recognized|implemented|valid|enabled)|"
    r"disabled|forbidden|disallow|reject|prohibit|illegal|block(?:s|ed)\b|please remove|remove the|cannot be|can't be|isn't (?:supported|allowed)|"
    r"不(?:被|再)?支持|不允许|不接受|不可用|不合[法规]|非法|未知|无法识别|禁止|无效|多余|请移除|请删除|参数(?:有误|错误)"
)
"""The words with which servers refuse a field."""
DISTINCTIVE = frozenset({"temperature", "verbosity", "logprobs"})
"""Names of one word that mean nothing else in a sentence that refuses something."""
_LIMITS = frozenset({"max_tokens", "max_completion_tokens", "max_output_tokens"})
"""Fields that a refusal names because of their values."""
_NEVER = re.compile(r"(?!)")
_SENTENCE = re.compile(r"[\n;。\uff1b!\uff01]|\.(?:\s|$)")
_ACCEPTED = re.compile(
    r"expected one of|expected:|(?<!un)(?<!not )supported (?:parameters|fields|values|keys) (?:are|include)|"
    r"(?:allowed|valid|permitted|accepted|known) (?:parameters|fields|keys|properties|values)|did you mean|instead|must be one of|[.;] use\b|please use",
    re.IGNORECASE,
)
"""What follows is what the upstream accepts."""
_LINK = re.compile(r"https?://[^\s'\"<>]{1,2000}", re.ASCII)
_IDENTIFIER = r"[a-z_$][\w.\[\]$-]{0,120}"
"""Bounded like every repetition here, so that the time for a text is linear in its length."""
_QUOTED = re.compile(rf"['\"`\[“\u2018「【]({_IDENTIFIER})['\"`\]”\u2019」】]", re.ASCII)
_CHINESE = re.compile(
    rf"(?:参数|字段|属性|选项|支持|识别|允许)\s*+(?:[:\uff1a]\s*+)?({_IDENTIFIER})|({_IDENTIFIER})\s{{0,4}}(?:参数|字段|属性|选项|不|无|未|非)",
    re.ASCII,
)
_LABELLED = re.compile(
    rf"(?:argument supplied|unsupported parameters?|parameters?|supplied|arguments?|fields?|keyword|propert(?:y|ies)|keys?|options?|name|input):? +['\"`\[]*({_IDENTIFIER})",
    re.ASCII,
)
_TRAILING = re.compile(
    rf"[:\uff1a] *['\"`\[]*({_IDENTIFIER})['\"`\]]*[.,;]?\s*$", re.MULTILINE | re.ASCII
)
_LEADING = re.compile(
    rf"(?:^|[.\n:] {{0,8}})({_IDENTIFIER})[ :]{{1,4}}(?:parameter |field |argument )?(?:is |are )?(?:not|un|extra|only|no |deprecat|currently|forbid|disallow|disabl|reject|prohibit|illegal|invalid|block)",
    re.ASCII,
)
_SNAKE = re.compile(r"\b[a-z]+(?:_[a-z0-9]+)+(?:[.\[][\w.\[\]]+)?", re.ASCII)
_SNAKE_PATH = re.compile(
    rf"(?<![\w.\]])(?:[\w\[\]]{{1,40}}\.){{0,8}}{_SNAKE.pattern[2:]}", re.ASCII
)
"""A name with the path before it: one of several fields with this name."""
_BODY_PATH = re.compile(r"\bbody(?:(?: -> |\.)\w+)+", re.ASCII)
_CAMEL = re.compile(r"\b[a-z]+(?:[A-Z][a-z0-9]+)+\b", re.ASCII)


def omitted_fields(refusal: Refusal, sent: Sent) -> Iterator[Change]:
    """Propose to leave out the fields that the refusal names."""
    known = dict(_paths_by_name(sent.body))
    found: dict[str, None] = {}
    for complaint in refusal.complaints:
        for named in _named_fields(complaint):
            for path in _sent_paths(named, sent.body, known) if named else ():
                found[path] = None
        placed = {path.rpartition(".")[2] for path in found}
        for path in _paths_in_words(complaint.text, known):
            if path.rpartition(".")[2] not in placed:
                found[path] = None
    if found:
        yield Change.omitting(*found)


def named_fields(refusal: Refusal, sent: Sent) -> Iterator[Change]:
    """Propose to leave out the fields whose very names a refusal has, in whatever language it says what is wrong."""
    known = dict(_paths_by_name(sent.body))
    found: dict[str, None] = {}
    for complaint in refusal.complaints:
        rejected = _rejected(complaint.text).lower()
        names = {
            match[0].partition("[")[0].partition(".")[0] for match in _SNAKE.finditer(rejected)
        }
        names |= {word for word in DISTINCTIVE if re.search(rf"\b{word}\b", rejected, re.ASCII)}
        for name in sorted(names - _LIMITS):
            found |= dict.fromkeys(sorted(known.get(_plain(name), ())))
    if found:
        yield Change.omitting(*found)


def _rejected(text: str) -> str:
    """Return what a text rejects: without what it accepts, and without links to documentation, which name fields too."""
    return _ACCEPTED.split(_LINK.sub("", text), maxsplit=1)[0]


def _paths_in_words(text: str, known: Mapping[str, set[str]]) -> Iterator[str]:
    """Return the paths of the fields whose names a sentence that refuses something spells as words."""
    rejected = _rejected(text).lower()
    for sentence in filter(REFUSED.search, _SENTENCE.split(rejected)):
        for paths in known.values():
            for path in sorted(paths):
                if _spelled(path.rpartition(".")[2]).search(sentence):
                    yield path


@lru_cache(maxsize=256)
def _spelled(name: str) -> re.Pattern[str]:
    """Return the pattern of a name in words: `parallel_tool_calls` as "parallel tool calling"."""
    words = [re.escape(one) for one in name.lower().split("_") if one]
    if len(words) < 2 and name not in DISTINCTIVE:  # noqa: PLR2004
        return _NEVER
    stems = [one.removesuffix("s") for one in words]
    return re.compile(rf"\b{'[ _-]'.join(f'{one}(?:s|es|ing)?' for one in stems)}\b", re.ASCII)


def resolved(body: object, field: Path) -> tuple[str, ...] | None:
    """Return the position of a named field in the body, or of what holds it; None if nothing of it was sent.

    Segments that are no part of the body are skipped: validators add the names of their own classes.
    """
    found: list[str] = []
    for segment in field:
        if isinstance(body, Mapping) and segment in body:
            body = body[segment]
        elif isinstance(body, list) and segment.isdecimal() and int(segment) < len(body):
            body = body[int(segment)]
        else:
            continue
        found.append(segment)
    while found and found[-1].isdecimal():
        found.pop()
    return tuple(found) or None


def _named_fields(complaint: Complaint) -> Iterator[Path]:
    if complaint.field:
        yield complaint.field
    rejected = _rejected(complaint.text)
    low = rejected.lower()
    for pattern in (_QUOTED, _LABELLED, _LEADING, _TRAILING):
        for match in pattern.finditer(low):
            yield field_path(match[1].rstrip(".:"))
    for match in _CHINESE.finditer(low):
        yield field_path((match[1] or match[2]).rstrip(".:"))
    for match in (*_BODY_PATH.finditer(low), *_SNAKE_PATH.finditer(low)):
        yield field_path(match[0])
    for match in _CAMEL.finditer(rejected):
        yield field_path(match[0])


def _sent_paths(
    field: Path, body: Mapping[str, object], known: Mapping[str, set[str]]
) -> Iterator[str]:
    exact = resolved(body, field) or ()
    if exact[-1:] != field[-1:] and (named := known.get(_plain(field[-1]))):
        # The position is that of another request, or the server counts in its own way.
        yield from sorted(named)
    elif exact and exact[-1] not in REQUIRED and not OPAQUE.intersection(exact):
        yield _general(exact)


def _paths_by_name(body: object) -> dict[str, set[str]]:
    """Return the paths of the body's optional fields, by name without case and underscores."""
    paths: dict[str, set[str]] = {}
    for path in _paths(body, (), 0):
        paths.setdefault(_plain(path[-1]), set()).add(".".join(path))
    return paths


def _paths(value: object, at: tuple[str, ...], depth: int) -> Iterator[tuple[str, ...]]:
    if depth > MAX_DEPTH:
        return
    if isinstance(value, list):
        for one in value:
            yield from _paths(one, (*at, "*"), depth + 1)
    elif isinstance(value, Mapping):
        for key, below in value.items():
            if key not in REQUIRED:
                yield (*at, key)
            if key not in OPAQUE:
                yield from _paths(below, (*at, key), depth + 1)


def _general(path: tuple[str, ...]) -> str:
    return ".".join("*" if segment.isdecimal() else segment for segment in path)


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
