"""Random valid Responses histories, for every protocol to translate.

A strategy that is used more than once in a draw is made once: hypothesis examines each new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from hypothesis import strategies as st

from addons.core.protocols.canonical.opaque_reasoning import wrap
from addons.core.protocols.responses.compaction import compaction_item

Item = dict[str, object]

TEXTS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12
).filter(str.strip)
PNG = "data:image/png;base64,iVBORw0KGgo="
PICTURE: Item = {"type": "input_image", "image_url": PNG, "detail": "high"}
FUNCTION: Item = {
    "type": "function",
    "name": "exec_command",
    "description": "Runs a command.",
    "strict": False,
    "parameters": {"type": "object", "properties": {"cmd": {"type": "string"}}},
}
CUSTOM: Item = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "*** Begin Patch"'},
}
NAMESPACE: Item = {
    "type": "namespace",
    "name": "mcp__srv",
    "description": "",
    "tools": [{**FUNCTION, "name": "add_one"}, {**FUNCTION, "name": "exec_command"}],
}
LOCAL_SHELL: Item = {"type": "local_shell"}
TOOLS: list[Item] = [FUNCTION, CUSTOM, NAMESPACE, LOCAL_SHELL, {"type": "web_search"}]
LATE: Item = {
    "type": "additional_tools",
    "role": "developer",
    "tools": [{**FUNCTION, "name": "comes_late"}],
}
BLOBS = (
    None,
    "gAAAA-foreign",
    *(
        wrap(reasoning_scope, data)
        for reasoning_scope in (
            "chat:https://up.example:glm-5",
            "messages:https://api.example.test:claude-test",
        )
        for data in (
            {"reasoning": "hm"},
            {"reasoning": [{"type": "reasoning.text", "text": "hm"}]},
            {"thinking": "hm", "signature": "c2ln"},
            {"redacted_thinking": "ZGF0YQ"},
            {"calls": {"call_1": {"google": {"thought_signature": "s"}}}},
        )
    ),
)
"""The encrypted content of reasoning items: none, foreign, and blobs for the targets of the tests."""
SYSTEM: Item = {"type": "message", "role": "developer", "content": "You are Codex."}


HOSTED: Item = {"type": "web_search_call", "id": "ws_1", "action": {"query": "weather"}}
SUMMED_UP: tuple[Item, ...] = (
    compaction_item("We did much.", "cmp_1"),
    {"type": "compaction", "encrypted_content": "gAAAA-foreign"},
)


def _message(role: str, kind: str, text: str) -> Item:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


@cache
def user_messages() -> st.SearchStrategy[Item]:
    words: st.SearchStrategy[Item] = TEXTS.map(lambda text: _message("user", "input_text", text))
    plain: st.SearchStrategy[Item] = TEXTS.map(lambda text: {"role": "user", "content": text})
    seen: st.SearchStrategy[Item] = TEXTS.map(
        lambda text: {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": text}, PICTURE],
        }
    )
    filed: st.SearchStrategy[Item] = st.just(
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain,hi"}
            ],
        }
    )
    return words | plain | seen | filed


@cache
def system_messages() -> st.SearchStrategy[Item]:
    return st.builds(
        _message, st.sampled_from(("developer", "system")), st.just("input_text"), TEXTS
    )


@cache
def assistant_items() -> st.SearchStrategy[Item]:
    message = TEXTS.map(lambda text: _message("assistant", "output_text", text))
    return message | reasoning_items() | st.just(HOSTED)


@cache
def reasoning_items() -> st.SearchStrategy[Item]:
    return st.builds(
        lambda texts, blob: {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": text} for text in texts],
            "content": None,
            "encrypted_content": blob,
        },
        st.lists(TEXTS, max_size=2),
        st.sampled_from(BLOBS),
    )


@cache
def outputs() -> st.SearchStrategy[object]:
    parts = st.lists(
        TEXTS.map(lambda text: {"type": "input_text", "text": text}) | st.just(PICTURE),
        min_size=1,
        max_size=3,
    )
    return st.just("") | TEXTS | parts


def _call(form: str, call_id: str, text: str) -> Item:
    if form == "local_shell":
        action = {"type": "exec", "command": ["echo", text], "env": {}}
        return {"type": "local_shell_call", "call_id": call_id, "action": action}
    if form == "custom":
        return {
            "type": "custom_tool_call",
            "call_id": call_id,
            "name": "apply_patch",
            "input": text,
        }
    arguments = "{not json" if form == "broken" else '{"cmd": "ls"}'
    name = {"gone": "no_longer_declared", "namespace": "add_one"}.get(form, "exec_command")
    spaced = {"namespace": "mcp__srv"} if form == "namespace" else {}
    return {
        "type": "function_call",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        **spaced,
    }


FORMS = st.sampled_from(("plain", "custom", "namespace", "broken", "gone", "local_shell"))


ID_FORMS = (
    "functions.exec_command:{}",
    "call_{}",
    "fc_0f0e50a1476a3c35006912c58dc9f8819192c25864eb16f07f_{}",
    "chatcmpl-tool-{}",
)
"""Call ids of several providers: a thread may change its model."""


@dataclass(slots=True)
class _Ids:
    """Makes call ids that are unique in a history."""

    count: int = 0

    def next(self) -> str:
        self.count += 1
        return ID_FORMS[self.count % len(ID_FORMS)].format(self.count)


BEFORE_CALLS = st.lists(assistant_items(), max_size=2)
CALLS = st.lists(FORMS, min_size=1, max_size=3)
ANSWERS = st.lists(assistant_items(), min_size=1, max_size=2)
PIECES = st.sampled_from(("user", "steps", "answer", "system", "compacted", "late"))
COMPACTED = st.sampled_from(SUMMED_UP)


def _steps(draw: st.DrawFn, ids: _Ids) -> list[Item]:
    """Draw one answer with its calls, and all their outputs."""
    items = draw(BEFORE_CALLS)
    forms = draw(CALLS)
    calls = [_call(form, ids.next(), draw(TEXTS)) for form in forms]
    answers: list[Item] = [
        {
            "type": f"{str(call['type']).removesuffix('_call')}_call_output",
            "call_id": call["call_id"],
            "output": draw(outputs()),
        }
        for call in calls
    ]
    return [*items, *calls, *(answers[place] for place in draw(_orders(len(answers))))]


@cache
def _orders(count: int) -> st.SearchStrategy[list[int]]:
    return st.permutations(range(count))


def _rounds(draw: st.DrawFn, ids: _Ids, most: int) -> list[list[Item]]:
    """Draw pieces of a history that each end where a client may send a request."""
    pieces: list[list[Item]] = []
    for _ in range(draw(st.integers(0, most))):
        form = draw(PIECES)
        if form == "steps":
            pieces.append(_steps(draw, ids))
        elif form == "answer":
            pieces.append([*draw(ANSWERS), draw(user_messages())])
        elif form == "system":
            pieces.append([draw(system_messages()), draw(user_messages())])
        elif form == "compacted":
            pieces.append([draw(COMPACTED), draw(user_messages())])
        elif form == "late":
            pieces.append([LATE, draw(user_messages())])
        else:
            pieces.append([draw(user_messages())])
    return pieces


@st.composite
def extensions(draw: st.DrawFn, most: int = 5) -> tuple[list[Item], list[Item]]:
    """Draw a history and an extension of it, both valid requests."""
    ids = _Ids()
    pieces = [[SYSTEM, draw(user_messages())], *_rounds(draw, ids, most)]
    cut = draw(st.integers(1, len(pieces)))
    earlier = [item for piece in pieces[:cut] for item in piece]
    return earlier, [item for piece in pieces for item in piece]


def histories() -> st.SearchStrategy[list[Item]]:
    """Return a strategy for the input items of a valid request."""
    return extensions().map(lambda pair: pair[1])


def request_of(items: list[Item]) -> dict[str, object]:
    """Return a request body with this history, as Codex writes it."""
    return {
        "model": "stub-model",
        "stream": True,
        "input": items,
        "tools": TOOLS,
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "thread",
    }


def requests() -> st.SearchStrategy[dict[str, object]]:
    """Return a strategy for valid request bodies."""
    return histories().map(request_of)


KINDS = (
    "message", "reasoning", "function_call", "custom_tool_call", "local_shell_call", "function_call_output",
    "custom_tool_call_output", "compaction", "web_search_call", "computer_call_output", "additional_tools",
    "agent_message", "configuration_update", "teleport", "teleport_call", "namespace", "function", "custom",
    "input_text", "input_image", "input_file", "encrypted_content", "input_audio", "",
)  # fmt: skip
"""Types of items, parts and tools, known and unknown. Not `item_reference`, which is refused."""
FIELDS = (
    "type", "role", "content", "text", "name", "namespace", "tools", "output", "call_id", "id", "author", "recipient",
    "summary", "encrypted_content", "arguments", "input", "action", "image_url", "file_data", "parameters", "format",
)  # fmt: skip


@cache
def json_values() -> st.SearchStrategy[object]:
    """Return a strategy for JSON that resembles the items of a request."""
    words = st.sampled_from((*KINDS, "user", "assistant", "developer", "exec_command", PNG))
    plain = st.none() | st.booleans() | st.integers(-9, 9) | words
    return st.recursive(
        plain | st.text(st.characters(codec="utf-8"), max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(FIELDS), inner | words, max_size=5)
        ),
        max_leaves=8,
    )


@cache
def any_objects() -> st.SearchStrategy[Item]:
    """Return a strategy for JSON objects in the place of an item."""
    fields = st.dictionaries(st.sampled_from(FIELDS), json_values(), max_size=5)
    return st.builds(
        lambda kind, rest: {**rest, **({"type": kind} if kind is not None else {})},
        st.none() | st.sampled_from(KINDS) | json_values(),
        fields,
    )


SHORT_EXTENSIONS = extensions(most=3)


@st.composite
def disturbed(draw: st.DrawFn) -> tuple[list[Item], list[Item]]:
    """Draw a history and its extension with the same extra object at the same place of both."""
    earlier, whole = draw(SHORT_EXTENSIONS)
    extra = draw(any_objects())
    at = draw(st.integers(0, len(earlier)))
    return [*earlier[:at], extra, *earlier[at:]], [*whole[:at], extra, *whole[at:]]
