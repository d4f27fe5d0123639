"""Tool call arguments that are not quite JSON: passed on as they stream, and repaired where their meaning is certain.

Source: RFC 8259; the deviations are those that public reports show: raw line breaks and tabs inside strings, a trailing
comma, a code fence, single quotes, Python's constants, bare keys, comments, the same object twice, double encoding, a
stray or missing last brace. Never guesses: unescaped quotes, unknown escapes, bare words, missing commas and two
different objects stay as the upstream wrote them, because Codex does not run what it cannot parse and tells the model.
That is why no general repair library is used: these return some object for any text and do not say what they invented.
Invariant: a repaired text parses as one object, and begins with everything that was passed on before.
"""

from __future__ import annotations

import json
import re
import string

import orjson

from addons.core.json_values import JsonObject

MAX_REPAIRED_CHARACTERS = 1 << 20
MAX_DEPTH = 64
MAX_HELD = 128
MAX_ENCODINGS = 3
"""How often arguments may be encoded as a JSON string."""

_SPACE = " \t\r\n"
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_START = re.compile(r"[ \t\r\n]*\{")
_STRING_BODY = re.compile(r'(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+')
_STRICT_TOKEN = re.compile(
    rf"[ \t\r\n]*+(?:([{{}}\[\]:\"])|,(?=[ \t\r\n]*+[\"{{\[\-0-9tfn])|(?:true|false|null|{_NUMBER})(?=[ \t\r\n,\]}}]))"
)
_BLANK = re.compile(r"[ \t\r\n]++|\\[nrt]|//[^\n]*+|/\*.*?\*/", re.DOTALL)
"""Whitespace, also written as an escape outside of strings, and comments."""
_DOUBLE_QUOTED = re.compile(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_SINGLE_QUOTED = re.compile(r"'((?:[^'\\]++|\\.)*+)'", re.DOTALL)
_REWRITTEN = re.compile(
    r"""\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\'|[\x00-\x1f]|"|\\""", re.DOTALL
)
_BARE_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*+(?=[ \t\r\n]*:)")
_WORD = re.compile(rf"(?:true|false|null|True|False|None|{_NUMBER})(?![\w.])")
PYTHON_CONSTANTS = {"True": "true", "False": "false", "None": "null"}
_FENCE = "```"
_NOISE = re.compile(r"(?:[ \t\r\n}\]);]|\\[nrt]|```|</?[|\uff5c]?[\w/:\u2581]+[|\uff5c]?>)*+")
"""What may follow a whole object: stray brackets, the end of a code fence, and a model's special tokens."""


class _UncertainError(Exception):
    """The meaning of the text is not certain."""


def repair_arguments(text: str, schema: JsonObject | None = None) -> str | None:
    """Return the text of the JSON object that the arguments mean; None if that is not certain.

    A missing last brace is added only if `schema` is given and no required property can be missing.
    """
    if not text.strip(_SPACE):
        return "{}"
    for _ in range(MAX_ENCODINGS):
        if is_object(text):
            return text
        if len(text) > MAX_REPAIRED_CHARACTERS:
            return None
        inner = _decoded(text)
        if inner is None:
            break
        text = inner
    try:
        repaired = _first_object(_without_fence(text), schema)
    except _UncertainError:
        return None
    return repaired if is_object(repaired) else None


def _without_fence(text: str) -> str:
    """Return a text without the code fence around it, if there is one."""
    bare = text.strip()
    if len(bare) < 2 * len(_FENCE) or not (bare.startswith(_FENCE) and bare.endswith(_FENCE)):
        return text
    inside = bare[len(_FENCE) : -len(_FENCE)]
    return inside.lstrip(string.ascii_letters + string.digits).strip()


def is_object(text: str) -> bool:
    """Return whether the text is one JSON object."""
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def _decoded(text: str) -> str | None:
    """Return the text inside a JSON string, or an empty object for null; None for other text."""
    if not text.lstrip(_SPACE).startswith(('"', "n", "N")):
        return None
    if text.strip(_SPACE) in {"null", "None", '""'}:
        return "{}"
    try:
        value = json.loads(text, strict=False)
    except ValueError:
        return None
    return value if isinstance(value, str) else None


def _first_object(text: str, schema: JsonObject | None) -> str:
    """Return the one object of the text, repaired. Raises if there is another that differs from it."""
    first = _Rewriter(text, 0, schema)
    repaired = first.read()
    end = _after_noise(text, first.position)
    while end < len(text):
        other = _Rewriter(text, end, None)
        following = other.read()
        if not (is_object(repaired) and is_object(following)):
            raise _UncertainError
        one, two = orjson.loads(repaired), orjson.loads(following)
        if not one:
            repaired = following
        elif two and one != two:
            raise _UncertainError
        end = _after_noise(text, other.position)
    return repaired


def _after_noise(text: str, position: int) -> int:
    noise = _NOISE.match(text, position)
    return noise.end() if noise else position


class _Rewriter:
    """Reads one object and writes it as JSON. What is JSON already is copied."""

    def __init__(self, text: str, position: int, schema: JsonObject | None) -> None:
        self._text = text
        self._schema = schema
        self._out: list[str] = []
        self.position = position
        """The place up to which the text was read."""

    def read(self) -> str:
        """Return the object. Raises if its meaning is not certain."""
        self._skip_blank()
        self._object(0)
        return "".join(self._out)

    @property
    def _next(self) -> str:
        return self._text[self.position : self.position + 1]

    def _skip_blank(self) -> list[str]:
        """Read what has no meaning; return its whitespace."""
        kept: list[str] = []
        while blank := _BLANK.match(self._text, self.position):
            self.position = blank.end()
            if blank[0][0] in _SPACE:
                kept.append(blank[0])
        return kept

    def _take(self, character: str) -> None:
        if self._next != character:
            raise _UncertainError
        self._out.append(character)
        self.position += 1

    def _read_value(self, depth: int) -> None:
        following = self._next
        if following == "{":
            self._object(depth + 1)
        elif following == "[":
            self._array(depth + 1)
        elif following in {'"', "'"} and following:
            self._out.append(self._string())
        elif word := _WORD.match(self._text, self.position):
            self.position = word.end()
            self._out.append(PYTHON_CONSTANTS.get(word[0], word[0]))
        else:
            raise _UncertainError

    def _object(self, depth: int) -> None:
        self._open("{", depth)
        keys: set[str] = set()
        while self._next != "}":
            key = self._key()
            if key in keys:
                raise _UncertainError
            keys.add(key)
            self._out += [key, *self._skip_blank()]
            self._take(":")
            self._out += self._skip_blank()
            is_number = self._next in "-0123456789"
            self._read_value(depth)
            self._out += self._skip_blank()
            if not self._next and depth == 0 and not is_number and self._may_end(keys):
                self._out.append("}")
                return
            self._separator("}")
        self._take("}")

    def _array(self, depth: int) -> None:
        self._open("[", depth)
        while self._next != "]":
            self._read_value(depth)
            self._out += self._skip_blank()
            self._separator("]")
        self._take("]")

    def _open(self, bracket: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _UncertainError
        self._take(bracket)
        self._out += self._skip_blank()

    def _separator(self, closing: str) -> None:
        """Read a comma, or what stands before the closing bracket. A comma before it is left out."""
        if self._next == closing:
            return
        if self._next != ",":
            raise _UncertainError
        self.position += 1
        blank = self._skip_blank()
        self._out += blank if self._next == closing else [",", *blank]

    def _key(self) -> str:
        if self._next in {'"', "'"} and self._next:
            return self._string()
        bare = _BARE_KEY.match(self._text, self.position)
        if bare is None:
            raise _UncertainError
        self.position = bare.end()
        return f'"{bare[0]}"'

    def _string(self) -> str:
        pattern = _DOUBLE_QUOTED if self._next == '"' else _SINGLE_QUOTED
        string = pattern.match(self._text, self.position)
        if string is None:
            raise _UncertainError
        self.position = string.end()
        return f'"{_REWRITTEN.sub(_rewritten, string[1])}"'

    def _may_end(self, keys: set[str]) -> bool:
        """Return whether only the last brace is missing."""
        required = self._schema.get("required", []) if self._schema is not None else None
        return isinstance(required, list) and all(f'"{name}"' in keys for name in required)


def _rewritten(found: re.Match[str]) -> str:
    """Return a part of a string as JSON writes it."""
    part = found[0]
    if part == "\\":
        # An escape that JSON does not have: a backslash was meant, or the character alone.
        raise _UncertainError
    if part == "\\'":
        return "'"
    if part == '"':
        return '\\"'
    if part.startswith("\\x"):
        return f"\\u00{part[2:]}"
    return json.dumps(part)[1:-1] if part < " " else part


class ArgumentStream:
    """Passes on the arguments of one call as far as they are JSON, and the rest, repaired, at their end."""

    __slots__ = ("_depth", "_held", "_in_string", "_passed")

    def __init__(self) -> None:
        self._held = ""
        self._passed: list[str] = []
        self._depth = 0
        self._in_string = False

    def feed(self, piece: str) -> str:
        """Add a piece; return what can be passed on because no repair changes it."""
        text = self._held + piece
        if (self._passed and not self._depth) or len(self._held) > MAX_HELD:
            # The object has ended, or this is not JSON: nothing more is passed on before `finish`.
            self._held = piece
            return ""
        end = self._strict_end(text)
        self._held = text[end:]
        if end:
            self._passed.append(text[:end])
        return text[:end]

    def finish(self, arguments: str, schema: JsonObject | None = None) -> tuple[str, bool]:
        """Return the rest of all the `arguments`, and whether they are an object now."""
        passed = "".join(self._passed)
        repaired = repair_arguments(arguments, schema)
        if repaired is not None and repaired.startswith(passed):
            return repaired[len(passed) :], True
        return arguments[len(passed) :], False

    def _strict_end(self, text: str) -> int:
        """Return the place up to which the text is JSON that no repair changes."""
        position = 0
        if not self._depth:
            start = _START.match(text)
            if start is None:
                return 0
            self._depth, position = 1, start.end()
        while self._depth:
            end = (
                self._string_end(text, position)
                if self._in_string
                else self._token_end(text, position)
            )
            if end == position:
                break
            position = end
        return position

    def _string_end(self, text: str, position: int) -> int:
        body = _STRING_BODY.match(text, position)
        end = body.end() if body else position
        if text[end : end + 1] == '"':
            self._in_string = False
            end += 1
        return end

    def _token_end(self, text: str, position: int) -> int:
        token = _STRICT_TOKEN.match(text, position)
        if token is None:
            return position
        mark = token[1]
        if mark == '"':
            self._in_string = True
        elif mark in {"{", "["}:
            self._depth += 1
        elif mark in {"}", "]"}:
            if self._depth == 1 and "".join((*self._passed, text[:position])).strip(_SPACE) == "{":
                # Some upstreams send an empty object before the real one.
                return position
            self._depth -= 1
        return token.end()
