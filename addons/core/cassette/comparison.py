"""Compares a request with a recorded one, without what differs in each run of Codex.

Measured with Codex 0.171.0: two runs of the same prompt, in other folders, differ in nothing but the parts that
`comparable` leaves out. Those are: the members of `IDS` and the `id` of each input item; the text of an
`environment_context` (folder, shell, date, time zone); the folder that it names, wherever else it is mentioned; the
folders of the skill roots; and the lines in front of the output of a command that hold its chunk id, its time and its
token count.

Never does: change a body that is sent or stored. Invariant: all else counts, to the byte of each string.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import orjson

from addons.core.json_values import as_str

IDS = frozenset({"client_metadata", "prompt_cache_key", "previous_response_id"})
"""Members of a body that name the run, its thread or its installation."""
_ENVIRONMENT = re.compile(
    r"<environment_context>(?:(?!<environment_context>).)*?</environment_context>", re.DOTALL
)
_FOLDER = re.compile(r"<cwd>([^<]{2,})</cwd>")
_SKILL_ROOT = re.compile(r"^(- `r\d+` = `)[^`\n]*(`)$", re.MULTILINE)
_MEASURES = re.compile(
    r"\A(?:Chunk ID: [0-9a-f]+\n)?Wall time: [\d.]+ seconds\n(?P<status>(?:Process [^\n]*\n)?)"
    r"(?:Original token count: \d+\n)?"
)
MAX_QUOTED = 60
BEFORE = 20
"""Characters of a string that are quoted in front of a difference."""


def comparable(body: str) -> object:
    """Return what counts of a body: parsed JSON without the volatile parts, or the text if it is no JSON object."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
    if not isinstance(value, dict):
        return value
    found = _FOLDER.search(body)
    folder = as_str(orjson.loads(f'"{found[1]}"')) if found and _is_string(found[1]) else ""
    kept = {name: one for name, one in value.items() if name not in IDS}
    if isinstance(items := kept.get("input"), list):
        kept["input"] = [_without_id(item) for item in items]
    return _stable(kept, folder)


def _is_string(inner: str) -> bool:
    try:
        return isinstance(orjson.loads(f'"{inner}"'), str)
    except orjson.JSONDecodeError:
        return False


def _without_id(item: object) -> object:
    if not isinstance(item, dict):
        return item
    kept = {name: one for name, one in item.items() if name != "id"}
    if isinstance(output := kept.get("output"), str):
        kept["output"] = _MEASURES.sub(r"\g<status>", output)
    return kept


def _stable(value: object, folder: str) -> object:
    if isinstance(value, str):
        text = _ENVIRONMENT.sub("<environment_context/>", value)
        text = _SKILL_ROOT.sub(r"\1…\2", text)
        return text.replace(folder, "<cwd>") if folder else text
    if isinstance(value, list):
        return [_stable(one, folder) for one in value]
    if isinstance(value, dict):
        return {name: _stable(one, folder) for name, one in value.items()}
    return value


class Difference(NamedTuple):
    """The first place at which two requests differ."""

    where: str
    """As in `input[2].content[0].text`, with the character for a string."""
    recorded: str
    sent: str
    depth: tuple[int, ...] = ()
    """How far two requests agree: of several recorded ones, that with the highest value is nearest."""

    def __str__(self) -> str:
        """Return a sentence part."""
        return f"at {self.where}: recorded {self.recorded}, sent {self.sent}"


_MISSING = object()


def first_difference(recorded: object, sent: object, where: str = "") -> Difference | None:
    """Return the first difference of two values, or None. The members of an object are compared in the recorded order."""
    if isinstance(recorded, str) and isinstance(sent, str):
        return None if recorded == sent else _in_text(recorded, sent, where or "the body")
    if isinstance(recorded, dict) and isinstance(sent, dict):
        names = [*recorded, *(name for name in sent if name not in recorded)]
        # the input is compared last: all else is nearly always equal, and what a user changes is there
        names.sort(key=lambda name: name == "input")
        pairs = [
            (f"{where}.{name}".lstrip("."), recorded.get(name, _MISSING), sent.get(name, _MISSING))
            for name in names
        ]
    elif isinstance(recorded, list) and isinstance(sent, list):
        pairs = [
            (
                f"{where}[{at}]",
                recorded[at] if at < len(recorded) else _MISSING,
                sent[at] if at < len(sent) else _MISSING,
            )
            for at in range(max(len(recorded), len(sent)))
        ]
    else:
        is_equal = type(recorded) is type(sent) and recorded == sent
        return None if is_equal else Difference(where, _quoted(recorded), _quoted(sent), (0,))
    for at, (place, mine, theirs) in enumerate(pairs):
        if found := first_difference(mine, theirs, place):
            return found._replace(depth=(at, *found.depth))
    return None


def _in_text(recorded: str, sent: str, where: str) -> Difference:
    shorter = min(len(recorded), len(sent))
    at = next((n for n in range(shorter) if recorded[n] != sent[n]), shorter)
    start = max(0, at - BEFORE)
    return Difference(
        f"{where}, character {at + 1}", _quoted(recorded[start:]), _quoted(sent[start:]), (at,)
    )


def _quoted(value: object) -> str:
    if value is _MISSING:
        return "nothing"
    text = ascii(value) if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}…"
