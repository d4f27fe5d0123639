"""The arguments of a tool call in the text of an answer, in each template's own notation → the text of a JSON object.

Source: the chat templates that `text_markers` names. Each function reads the beginning of a text, or all of it, and
returns None for what is not whole. Invariant: no value is completed or left out; a value keeps its text unless its tag
or the schema names another type and the text is of it.
"""

from __future__ import annotations

import ast
import json
import re
from html import unescape

from addons.core.json_values import JsonDict, JsonObject, as_object
from addons.core.protocols.canonical.argument_repair import PYTHON_CONSTANTS, repair_arguments
from addons.core.protocols.canonical.text_markers import MINIMAX, PREFIXES, any_of

Arguments = tuple[str, int]
"""The text of the object, and the place behind what was read."""

_PARAMETER = re.compile(
    rf"\s*<(?P<tag>(?:{any_of(PREFIXES)})parameter)(?P<equals>=|\s+name=)[\"']?(?P<name>[^\"'<>]{{1,200}}?)[\"']?"
    r"(?P<string>\s+string=\"true\")?(?:\s+\w+=\"[^\"]*\")*\s*>"
)
_NAMED_TAG = re.compile(r"\s*<([\w.-]+)>(.*?)</\1>\s*(?=<|\Z)", re.DOTALL)
_GLM_ARGUMENT = re.compile(
    # A tag around the key may be written twice.
    r"\s*(?:<arg_key>\s*+)++([^<]*)(?:</arg_key>\s*+)++<arg_value>(.*?)</arg_value>",
    re.DOTALL,
)
_GLM_END = re.compile(r"\s*(?=</tool_call>)")
_KIMI_ARGUMENT = re.compile(
    r"\s*<\|open\|>(?:argument|(?P<json>json))(?P<attributes>(?:\s+\w+=\"[^\"]*\")*)<\|sep\|>"
    r"(?P<value>.*?)<\|close\|>(?(json)json|argument)<\|sep\|>",
    re.DOTALL,
)
_KIMI_END = re.compile(r"\s*<\|close\|>call<\|sep\|>")
_ATTRIBUTE = re.compile(r"(?<!\w)(\w++)=\"([^\"]*)\"")
_GEMMA_TOKEN = re.compile(
    r"\s*(?:(?P<mark>[{}\[\]:,])|<\|\"\|>(?P<quoted>.*?)<\|\"\|>|<escape>(?P<escaped>.*?)<escape>"
    r"|(?P<json>\"(?:[^\"\\]|\\.)*\")|(?P<bare>[\w.+-]+))",
    re.DOTALL,
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def _refuse(constant: str) -> object:
    raise ValueError(constant)


JSON = json.JSONDecoder(strict=False, parse_constant=_refuse)


def dumps(value: object) -> str:
    """Return the text of a JSON value."""
    return _LONE_SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False))


def closing_tag(tag: str) -> str:
    """Return the pattern of the closing tag; spaces may stand around its slash."""
    return rf"<\s*/\s*{re.escape(tag.strip())}>"


def tagged_arguments(body: str, schema: JsonObject) -> str | None:
    """Return the arguments of a body that is nothing but parameters in tags; None for any other."""
    if MINIMAX in body:
        return _named_tags(body.replace(MINIMAX, ""), schema)
    values: JsonDict = {}
    position = 0
    while parameter := _PARAMETER.match(body, position):
        closing = re.compile(
            rf"{closing_tag(parameter['tag'])}\s*(?=<{re.escape(parameter['tag'])}[ =]|\Z)"
        )
        end = closing.search(body, parameter.end())
        if end is None:
            return None
        text = body[parameter.end() : end.start()]
        if parameter["equals"] == "=":
            # This form writes each value on lines of its own.
            text = text.removeprefix("\n").removesuffix("\n")
        name = parameter["name"].strip()
        values[name] = text if parameter["string"] else _typed(text, _property(schema, name))
        position = end.end()
    return None if body[position:].strip() else dumps(values)


def _named_tags(body: str, schema: JsonObject) -> str | None:
    """Return the arguments of a body whose tags are the names of the tool's properties."""
    values: JsonDict = {}
    position = 0
    while named := _NAMED_TAG.match(body, position):
        values[named[1]] = _typed(named[2], _property(schema, named[1]))
        position = named.end()
    is_known = values.keys() <= as_object(schema.get("properties")).keys()
    return dumps(values) if is_known and not body[position:].strip() else None


def glm_arguments(text: str, position: int, schema: JsonObject) -> Arguments | None:
    """Read GLM's pairs of keys and values, up to the end of their call."""
    values: JsonDict = {}
    while argument := _GLM_ARGUMENT.match(text, position):
        key = argument[1].strip()
        values[key] = _typed(argument[2], _property(schema, key))
        position = argument.end()
    end = _GLM_END.match(text, position)
    return (dumps(values), end.end()) if end else None


def kimi_arguments(text: str, position: int, schema: JsonObject) -> Arguments | None:
    """Read the tags of Kimi K3 inside a call: one for each argument, or one for all of them as JSON."""
    values: JsonDict = {}
    while argument := _KIMI_ARGUMENT.match(text, position):
        position = argument.end()
        if argument["json"]:
            repaired = repair_arguments(argument["value"], schema)
            if repaired is None:
                return None
            values |= as_object(json.loads(repaired))
            continue
        named = {key: unescape(value) for key, value in _ATTRIBUTE.findall(argument["attributes"])}
        key = named.get("key", "")
        expected = {"type": named["type"]} if "type" in named else _property(schema, key)
        values[key] = _typed(argument["value"], expected)
    end = _KIMI_END.match(text, position)
    return (dumps(values), end.end()) if end else None


def gemma_arguments(text: str, position: int) -> Arguments | None:
    """Read Gemma's object: bare keys, and texts between quotes of its own."""
    try:
        value, end = _gemma_value(text, position)
    except (ValueError, RecursionError):
        return None
    return (dumps(value), end) if isinstance(value, dict) else None


def _gemma_token(text: str, position: int) -> re.Match[str]:
    token = _GEMMA_TOKEN.match(text, position)
    if token is None:
        raise ValueError(position)
    return token


def _gemma_value(text: str, position: int) -> tuple[object, int]:
    """Read one value; raise ValueError where it is not whole."""
    token = _gemma_token(text, position)
    if token["mark"] == "{":
        return _gemma_object(text, token.end())
    if token["mark"] == "[":
        return _gemma_list(text, token.end())
    if token["mark"]:
        raise ValueError(position)
    if token["bare"]:
        word = token["bare"]
        # The last word may go on.
        if token.end() == len(text):
            raise ValueError(position)
        return JSON.decode(PYTHON_CONSTANTS.get(word, word)), token.end()
    return _gemma_text(token), token.end()


def _gemma_text(token: re.Match[str]) -> str:
    if token["json"]:
        return str(JSON.decode(token["json"]))
    return token["quoted"] if token["quoted"] is not None else token["escaped"]


def _gemma_object(text: str, position: int) -> tuple[object, int]:
    values: JsonDict = {}
    token = _gemma_token(text, position)
    while token["mark"] != "}":
        key = token["bare"] or ("" if token["mark"] else _gemma_text(token))
        colon = _gemma_token(text, token.end())
        if not key or colon["mark"] != ":":
            raise ValueError(position)
        values[key], position = _gemma_value(text, colon.end())
        token = _gemma_token(text, position)
        if token["mark"] == ",":
            token = _gemma_token(text, token.end())
        elif token["mark"] != "}":
            raise ValueError(position)
    return values, token.end()


def _gemma_list(text: str, position: int) -> tuple[object, int]:
    values: list[object] = []
    token = _gemma_token(text, position)
    while token["mark"] != "]":
        value, position = _gemma_value(text, position)
        values.append(value)
        token = _gemma_token(text, position)
        if token["mark"] == ",":
            position = token.end()
            token = _gemma_token(text, position)
        elif token["mark"] != "]":
            raise ValueError(position)
    return values, token.end()


def python_calls(text: str) -> list[object] | None:
    """Return the calls of a Python list of calls with keywords, in the form of JSON; None for any other text."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        calls = tree.elts if isinstance(tree, ast.List) else [tree]
        return [_python_call(one) for one in calls] or None
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def _python_call(call: ast.expr) -> object:
    if not isinstance(call, ast.Call) or call.args:
        raise ValueError(call)
    values = {one.arg: ast.literal_eval(one.value) for one in call.keywords}
    if None in values:
        raise ValueError(call)
    json.dumps(values)
    return {"name": ast.unparse(call.func), "arguments": values}


def _property(schema: JsonObject, name: str) -> JsonObject:
    return as_object(as_object(schema.get("properties")).get(name))


def _types(schema: JsonObject) -> set[str]:
    """Return the types that a schema names, also in its branches."""
    named = schema.get("type")
    types = {one for one in (named if isinstance(named, list) else [named]) if isinstance(one, str)}
    for key in ("anyOf", "oneOf"):
        branches = schema.get(key)
        for branch in branches if isinstance(branches, list) else []:
            types |= _types(as_object(branch))
    return types


def _typed(text: str, schema: JsonObject) -> object:
    """Return the value of a parameter: its text, unless the schema asks for another type and the text is of it."""
    types = _types(schema)
    if "string" in types or (not types and "enum" not in schema):
        return text
    word = text.strip()
    try:
        return JSON.decode(PYTHON_CONSTANTS.get(word, word))
    except (ValueError, RecursionError):
        repaired = repair_arguments(text) if word.startswith("{") else None
        return json.loads(repaired) if repaired else text
