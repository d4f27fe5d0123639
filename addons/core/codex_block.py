"""Our block in Codex's config.toml: put in, changed and taken out, all other bytes kept. Pure: text in, text out.

The block stands where the root's values end, so that its keys are the root's and its table disturbs none. What the user
had set for the same keys stays in its place, as comments behind a mark. So the file alone tells how it was, also when
our own folder is gone, and a person can read it.

Never does: give a text that it could not turn back, or that says anything else beside what was asked for. Codex itself
edits the file meanwhile, also inside the block: what is not ours stays.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from addons.core.codex_provider import PROVIDER_ID, Values, toml_value
from addons.core.toml_text import Kind, Statement, TomlTextError, in_version_1_0, statements

BEGIN = "# >>> codex-shim >>>"
END = "# <<< codex-shim <<<"
MARK = "#codex-shim# "
"""Before each line that is put out of force."""
NEW_FILE, OPEN_LINE = "[new file]", "[open line]"
"""What the first line of the block remembers: there was no file; the line before it had no end."""
TOP_KEYS = ("model", "model_provider", "model_catalog_json")
PROVIDERS = "model_providers"
TABLE = (PROVIDERS, PROVIDER_ID)
BOM = "\ufeff"


class CannotWireError(Exception):
    """The file cannot be changed without harm. Its words say why, and what the user can do."""


@dataclass(frozen=True, slots=True)
class Unwired:
    """The text without our block. `found`: there was one. `is_new`: before it there was no file."""

    text: str
    found: bool = False
    is_new: bool = False


def wire(text: str | None, config: Values) -> str:
    """Put the block in, in place of one that is there. None: there is no file. Raises CannotWireError."""
    base = Unwired("", is_new=True) if text is None else unwire(text)
    try:
        before = parsed(base.text)
    except ValueError as error:
        msg = f"it is not valid TOML: {error}"
        raise CannotWireError(msg) from None
    bom, body = _split_bom(base.text)
    parts = [_displaced(part) for part in _statements_of(body)]
    at = _place(parts)
    head, tail = _joined(parts[:at]), _joined(parts[at:])
    is_open = bool(head) and not head.endswith("\n")
    newline = _newline_of(body)
    flags = [NEW_FILE] * base.is_new + [OPEN_LINE] * is_open
    block = newline.join([*_block(config, flags), ""])
    wired = bom + head + newline * is_open + block + tail
    _check(wired, base.text, _expected(before, config))
    return wired


def _statements_of(body: str) -> list[Statement]:
    try:
        return statements(body)
    except TomlTextError as error:
        raise CannotWireError(str(error)) from None


def _displaced(part: Statement) -> Statement:
    if not _is_ours(part):
        return part
    return Statement("".join(MARK + line for line in _lines(part.text)), table=part.table)


def _lines(text: str) -> list[str]:
    """Lines as TOML counts them: only a line feed ends one."""
    cut = text.split("\n")
    return [f"{line}\n" for line in cut[:-1]] + ([cut[-1]] if cut[-1] else [])


def _is_ours(part: Statement) -> bool:
    is_top = part.kind is Kind.VALUE and len(part.path) == 1 and part.path[0] in TOP_KEYS
    return is_top or (part.kind is not Kind.TRIVIA and part.path[: len(TABLE)] == TABLE)


def _place(parts: Sequence[Statement]) -> int:
    """Behind the root's last value; in a root without one before the first table, or at the end."""
    root = next((at for at, part in enumerate(parts) if part.table), len(parts))
    values = [at for at in range(root) if _is_value(parts[at])]
    return values[-1] + 1 if values else root


def _is_value(part: Statement) -> bool:
    return part.kind is Kind.VALUE or part.text.startswith(MARK)


def _block(config: Values, flags: Sequence[str]) -> list[str]:
    told = "`codex-shim disable` takes this block out and puts lines marked #codex-shim# back"
    provider = _table_of(config)
    return [
        " ".join([BEGIN, told, *flags]),
        *(f"{key} = {toml_value(config[key])}" for key in TOP_KEYS),
        f"[{'.'.join(TABLE)}]",
        *(f"{key} = {toml_value(value)}" for key, value in provider.items()),
        END,
    ]


def _table_of(config: Values) -> Values:
    providers = config[PROVIDERS]
    assert isinstance(providers, Mapping)  # noqa: S101  for the type checker
    provider: Values = providers[PROVIDER_ID]
    return provider


def _expected(before: dict[str, Any], config: Values) -> dict[str, Any]:
    after = copy.deepcopy(before)
    after.update({key: config[key] for key in TOP_KEYS})
    providers = after.setdefault(PROVIDERS, {})
    if not isinstance(providers, dict):
        msg = f"`{PROVIDERS}` is not a table"
        raise CannotWireError(msg)
    providers[PROVIDER_ID] = dict(_table_of(config))
    return after


def _check(wired: str, base: str, expected: Mapping[str, Any]) -> None:
    try:
        is_right = parsed(wired) == expected
    except ValueError:
        is_right = False
    if not is_right:
        msg = (
            f"its form leaves no place for [{'.'.join(TABLE)}]: "
            f"write `{PROVIDERS}` as [{PROVIDERS}.NAME] tables, not as one value"
        )
        raise CannotWireError(msg)
    if unwire(wired).text != base:
        msg = "codex-shim could not put it back as it is now. Please report this"
        raise CannotWireError(msg)


def unwire(text: str, displaced: str | None = None) -> Unwired:
    """Take the block out and put back what it displaced. Total.

    `displaced` are the root lines that the journal kept; with them a block is taken out whose marks a foreign
    tool has dropped.
    """
    bom, body = _split_bom(text)
    try:
        parts = statements(body)
    except TomlTextError:
        return Unwired(text)
    taken = _Taken.of(parts)
    if taken:
        # files that were merged may hold two
        rest = unwire(bom + taken.text())
        return Unwired(rest.text, found=True, is_new=rest.is_new or NEW_FILE in taken.first_line)
    if displaced is not None and _names_us(parts):
        kept = [part for part in parts if not _is_ours(part)]
        return Unwired(bom + displaced + _joined(kept), found=True)
    return Unwired(text)


def _names_us(parts: Sequence[Statement]) -> bool:
    return any(
        part.kind is Kind.VALUE and part.path == ("model_provider",) and _value(part) == PROVIDER_ID
        for part in parts
    )


def _value(part: Statement) -> object:
    try:
        return parsed(part.text)[part.path[0]]
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class _Taken:
    """A file with a block, or with what is left of one."""

    parts: Sequence[Statement]
    begin: int
    end: int

    @classmethod
    def of(cls, parts: Sequence[Statement]) -> _Taken | None:
        trivia = [(at, part) for at, part in enumerate(parts) if part.kind is Kind.TRIVIA]
        begin = next((at for at, part in trivia if part.text.startswith(BEGIN)), -1)
        end = next((at for at, part in trivia if at > begin and part.text.startswith(END)), -1)
        if begin < 0 and end < 0 and not any(part.text.startswith(MARK) for _, part in trivia):
            return None
        return cls(parts, begin, end)

    @property
    def first_line(self) -> str:
        return self.parts[self.begin].text if self.begin >= 0 else ""

    def text(self) -> str:
        theirs = {part.path[0] for at, part in enumerate(self.parts) if self._is_theirs(at, part)}
        before = [text for at, text in self._kept(theirs) if at < self.begin]
        after = "".join(text for at, text in self._kept(theirs) if at >= self.begin)
        head = "".join(before)
        if OPEN_LINE in self.first_line and not after:
            head = head.removesuffix("\n").removesuffix("\r")
        return head + after

    def _kept(self, theirs: set[str]) -> Iterator[tuple[int, str]]:
        for at, part in enumerate(self.parts):
            if part.kind is Kind.TRIVIA and part.text.startswith(MARK):
                yield at, _restored(part, theirs)
            elif not (self._is_border(at) or (_is_ours(part) and self._is_inside(at))):
                yield at, part.text

    def _is_border(self, at: int) -> bool:
        return at in (self.begin, self.end)

    def _is_inside(self, at: int) -> bool:
        """With one border lost, whatever has our keys is ours: theirs are behind marks."""
        if self.begin < 0 and self.end < 0:
            return _names_us(self.parts)
        return self.begin < 0 or self.end < 0 or self.begin < at < self.end

    def _is_theirs(self, at: int, part: Statement) -> bool:
        """A key of ours that the user has set meanwhile, outside the block."""
        return part.kind is Kind.VALUE and _is_ours(part) and not self._is_inside(at)


def _restored(part: Statement, theirs: set[str]) -> str:
    line = part.text.removeprefix(MARK)
    if part.table:
        return line
    try:
        now_theirs = any(s.path[:1] and s.path[0] in theirs for s in statements(line))
    except TomlTextError:
        now_theirs = False
    return f"# {line}" if now_theirs else line


def active_model(text: str) -> str | None:
    """The model that our block names; None without a block."""
    try:
        parts = statements(_split_bom(text)[1])
        values = parsed(text)
    except ValueError:
        return None
    model = values.get("model")
    wired = bool(_Taken.of(parts)) and values.get("model_provider") == PROVIDER_ID
    return model if wired and isinstance(model, str) else None


def root_lines(text: str) -> str:
    """The lines that a block in this text would displace from the root: for the journal."""
    try:
        parts = statements(_split_bom(text)[1])
    except TomlTextError:
        return ""
    lines = [part.text for part in parts if _is_ours(part) and not part.table]
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def parsed(text: str) -> dict[str, Any]:
    """What the text says. Raises ValueError."""
    body = _split_bom(text)[1]
    try:
        return tomllib.loads(body)
    except tomllib.TOMLDecodeError as error:
        try:
            return tomllib.loads(in_version_1_0(body))
        except ValueError:
            # its place is one in the user's own text
            raise error from None


def has_marks(text: str) -> bool:
    """Whether a border of our block is in it, readable as TOML or not."""
    return any(line.startswith((BEGIN, END)) for line in text.split("\n"))


def _split_bom(text: str) -> tuple[str, str]:
    return (BOM, text[1:]) if text.startswith(BOM) else ("", text)


def _newline_of(body: str) -> str:
    first = body.find("\n")
    return "\r\n" if first > 0 and body[first - 1] == "\r" else "\n"


def _joined(parts: Sequence[Statement]) -> str:
    return "".join(part.text for part in parts)
