"""Installs and removes the codex-shim block in the text of Codex's config.toml. Pure: text in, text out.

The block stands where the root's values end, so that its keys belong to the root and its table changes no other. The
user's own values for the same keys stay in place as marked comments. So the file alone says how to restore it, even
when the state folder is gone, and a person can read it.

Never does: return a text that it could not restore, or that changes any other value. Codex itself edits the file in the
meantime, also inside the block: everything that is not the shim's stays. Invariant: `remove(install(text, config))`
returns the bytes of `text`.
"""

from __future__ import annotations

import contextlib
import copy
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from addons.core.codex.config_feature import LINE_IN_BLOCK, below_header, is_added, is_decided
from addons.core.codex.provider_config import (
    FEATURES,
    OWN_SEARCH,
    PROVIDER_ID,
    PROVIDERS,
    Values,
    own_search,
    provider_of,
    toml_value,
)
from addons.core.codex.toml_statements import (
    Statement,
    StatementKind,
    TomlTextError,
    split_statements,
    to_toml_1_0,
)

BEGIN = "# >>> codex-shim >>>"
END = "# <<< codex-shim <<<"
MARK = "#codex-shim# "
"""Precedes each line that the block displaces."""
NEW_FILE, OPEN_LINE = "[new file]", "[open line]"
"""Flags on the first line of the block: there was no file; the line before the block had no line feed."""
TOP_KEYS = ("model", "model_provider", "model_catalog_json")
TABLE = (PROVIDERS, PROVIDER_ID)
BOM = "\ufeff"


class ConfigBlockError(Exception):
    """The file cannot be changed without damage. The message says why, and what the user can do."""


@dataclass(frozen=True, slots=True)
class BlockRemoval:
    """The text without the block. `found`: there was a block. `is_new`: there was no file before it."""

    text: str
    found: bool = False
    is_new: bool = False


def install(text: str | None, config: Values) -> str:
    """Return the text with the block, which replaces an earlier one. None means no file. Raises ConfigBlockError.

    The feature for web search is left out if the text has no place for it, such as `features` on one line.
    """
    if own_search(config):
        with contextlib.suppress(ConfigBlockError):
            return _installed(text, config)
    return _installed(text, {key: value for key, value in config.items() if key != FEATURES})


def _installed(text: str | None, config: Values) -> str:
    base = BlockRemoval("", is_new=True) if text is None else remove(text)
    try:
        before = parsed(base.text)
    except ValueError as error:
        msg = f"it is not valid TOML: {error}"
        raise ConfigBlockError(msg) from None
    bom, body = _split_bom(base.text)
    newline = _newline_of(body)
    parts = [_displaced(part) for part in _split(body)]
    adds_search = own_search(config) and not is_decided(before)
    below = below_header(parts, newline) if adds_search else None
    parts = below or parts
    at = _insertion_index(parts)
    head, tail = _joined(parts[:at]), _joined(parts[at:])
    is_open = bool(head) and not head.endswith("\n")
    flags = [NEW_FILE] * base.is_new + [OPEN_LINE] * is_open
    own = [LINE_IN_BLOCK] if adds_search and not below else []
    block = newline.join([*_block(config, flags, own), ""])
    installed = bom + head + newline * is_open + block + tail
    _check(installed, base.text, _expected(before, config, adds_search=adds_search))
    return installed


def _split(body: str) -> list[Statement]:
    try:
        return split_statements(body)
    except TomlTextError as error:
        raise ConfigBlockError(str(error)) from None


def _displaced(part: Statement) -> Statement:
    if not _is_block_key(part):
        return part
    return Statement("".join(MARK + line for line in _lines(part.text)), table=part.table)


def _lines(text: str) -> list[str]:
    """Split into lines as TOML does: only a line feed ends a line."""
    *ended, last = text.split("\n")
    return [f"{line}\n" for line in ended] + ([last] if last else [])


def _is_block_key(part: Statement) -> bool:
    is_top = part.kind is StatementKind.VALUE and len(part.path) == 1 and part.path[0] in TOP_KEYS
    return is_top or (part.kind is not StatementKind.TRIVIA and part.path[: len(TABLE)] == TABLE)


def _insertion_index(parts: Sequence[Statement]) -> int:
    """Return the index after the root's last value; without one, before the first table or at the end."""
    root = next((at for at, part in enumerate(parts) if part.table), len(parts))
    values = [at for at in range(root) if _is_value(parts[at])]
    return values[-1] + 1 if values else root


def _is_value(part: Statement) -> bool:
    return part.kind is StatementKind.VALUE or part.text.startswith(MARK)


def _block(config: Values, flags: Sequence[str], own: Sequence[str]) -> list[str]:
    note = "`codex-shim disable` removes this block and restores the lines marked #codex-shim#"
    provider = provider_of(config)
    return [
        " ".join([BEGIN, note, *flags]),
        *(f"{key} = {toml_value(config[key])}" for key in TOP_KEYS),
        *own,
        f"[{'.'.join(TABLE)}]",
        *(f"{key} = {toml_value(value)}" for key, value in provider.items()),
        END,
    ]


def _expected(before: dict[str, Any], config: Values, *, adds_search: bool) -> dict[str, Any]:
    after = copy.deepcopy(before)
    if adds_search:
        features = after.setdefault(FEATURES, {})
        if not isinstance(features, dict):
            msg = f"`{FEATURES}` is not a table"
            raise ConfigBlockError(msg)
        features[OWN_SEARCH] = True
    after.update({key: config[key] for key in TOP_KEYS})
    providers = after.setdefault(PROVIDERS, {})
    if not isinstance(providers, dict):
        msg = f"`{PROVIDERS}` is not a table"
        raise ConfigBlockError(msg)
    providers[PROVIDER_ID] = dict(provider_of(config))
    return after


def _check(installed: str, base: str, expected: Mapping[str, Any]) -> None:
    try:
        is_right = parsed(installed) == expected
    except ValueError:
        is_right = False
    if not is_right:
        msg = (
            f"it leaves no room for [{'.'.join(TABLE)}]: "
            f"write `{PROVIDERS}` as [{PROVIDERS}.NAME] tables, not as a single value"
        )
        raise ConfigBlockError(msg)
    if remove(installed).text != base:
        msg = "codex-shim could not restore it to its present state. Please report this"
        raise ConfigBlockError(msg)


def remove(text: str, displaced: str | None = None) -> BlockRemoval:
    """Remove the block and restore the lines that it displaced. Total.

    `displaced` holds the root lines from the journal; with them, a block is removed even when another tool has dropped
    its marks.
    """
    bom, body = _split_bom(text)
    try:
        parts = split_statements(body)
    except TomlTextError:
        return BlockRemoval(text)
    block = _FoundBlock.find(parts)
    if block:
        # A merged file may hold two blocks.
        rest = remove(bom + block.text_without())
        return BlockRemoval(
            rest.text, found=True, is_new=rest.is_new or NEW_FILE in block.first_line
        )
    if displaced is not None and _selects_shim(parts):
        kept = [part for part in parts if not (_is_block_key(part) or is_added(part))]
        return BlockRemoval(bom + displaced + _joined(kept), found=True)
    return BlockRemoval(text)


def _selects_shim(parts: Sequence[Statement]) -> bool:
    return any(
        part.kind is StatementKind.VALUE
        and part.path == ("model_provider",)
        and _value(part) == PROVIDER_ID
        for part in parts
    )


def _value(part: Statement) -> object:
    try:
        return parsed(part.text)[part.path[0]]
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class _FoundBlock:
    """The statements of a file with a block, complete or damaged."""

    parts: Sequence[Statement]
    begin: int
    end: int

    @classmethod
    def find(cls, parts: Sequence[Statement]) -> _FoundBlock | None:
        trivia = [(at, part) for at, part in enumerate(parts) if part.kind is StatementKind.TRIVIA]
        begin = next((at for at, part in trivia if part.text.startswith(BEGIN)), -1)
        end = next((at for at, part in trivia if at > begin and part.text.startswith(END)), -1)
        has_lines = any(part.text.startswith(MARK) for _, part in trivia)
        if begin < 0 and end < 0 and not has_lines and not any(map(is_added, parts)):
            return None
        return cls(parts, begin, end)

    @property
    def first_line(self) -> str:
        return self.parts[self.begin].text if self.begin >= 0 else ""

    def text_without(self) -> str:
        """Return the text without the block, with the displaced lines restored."""
        user_keys = {
            part.path[0] for at, part in enumerate(self.parts) if self._is_set_by_user(at, part)
        }
        before = [text for at, text in self._kept(user_keys) if at < self.begin]
        after = "".join(text for at, text in self._kept(user_keys) if at >= self.begin)
        head = "".join(before)
        if OPEN_LINE in self.first_line and not after:
            head = head.removesuffix("\n").removesuffix("\r")
        return head + after

    def _kept(self, user_keys: set[str]) -> Iterator[tuple[int, str]]:
        for at, part in enumerate(self.parts):
            if part.kind is StatementKind.TRIVIA and part.text.startswith(MARK):
                yield at, _restored(part, user_keys)
            elif not (self._is_border(at) or is_added(part) or self._is_own_key(at, part)):
                yield at, part.text

    def _is_own_key(self, at: int, part: Statement) -> bool:
        return _is_block_key(part) and self._is_inside(at)

    def _is_border(self, at: int) -> bool:
        return at in (self.begin, self.end)

    def _is_inside(self, at: int) -> bool:
        """Return whether the block covers this index. With a border lost, every block key is the block's own."""
        if self.begin < 0 and self.end < 0:
            return _selects_shim(self.parts)
        return self.begin < 0 or self.end < 0 or self.begin < at < self.end

    def _is_set_by_user(self, at: int, part: Statement) -> bool:
        """Return whether the user has since set this block key outside the block."""
        return part.kind is StatementKind.VALUE and _is_block_key(part) and not self._is_inside(at)


def _restored(part: Statement, user_keys: set[str]) -> str:
    line = part.text.removeprefix(MARK)
    if part.table:
        return line
    try:
        is_replaced = any(s.path[:1] and s.path[0] in user_keys for s in split_statements(line))
    except TomlTextError:
        is_replaced = False
    return f"# {line}" if is_replaced else line


def active_model(text: str) -> str | None:
    """Return the model that the block selects; None without a block."""
    try:
        parts = split_statements(_split_bom(text)[1])
        values = parsed(text)
    except ValueError:
        return None
    model = values.get("model")
    is_active = bool(_FoundBlock.find(parts)) and values.get("model_provider") == PROVIDER_ID
    return model if is_active and isinstance(model, str) else None


def root_lines(text: str) -> str:
    """Return the root lines that a block in this text would displace, for the journal."""
    try:
        parts = split_statements(_split_bom(text)[1])
    except TomlTextError:
        return ""
    lines = [part.text for part in parts if _is_block_key(part) and not part.table]
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def parsed(text: str) -> dict[str, Any]:
    """Return the values of the text. Raises ValueError."""
    body = _split_bom(text)[1]
    try:
        return tomllib.loads(body)
    except tomllib.TOMLDecodeError as error:
        try:
            return tomllib.loads(to_toml_1_0(body))
        except ValueError:
            # The first error names a position in the user's own text.
            raise error from None


def has_marks(text: str) -> bool:
    """Return whether the text holds a border of the block, valid TOML or not."""
    return any(line.startswith((BEGIN, END)) for line in text.split("\n"))


def _split_bom(text: str) -> tuple[str, str]:
    return (BOM, text[1:]) if text.startswith(BOM) else ("", text)


def _newline_of(body: str) -> str:
    first = body.find("\n")
    return "\r\n" if first > 0 and body[first - 1] == "\r" else "\n"


def _joined(parts: Sequence[Statement]) -> str:
    return "".join(part.text for part in parts)
