"""Random valid Responses histories: what a client could send, for every dialect to be tried with."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from addons.core.translate.compaction import compaction_item
from addons.core.translate.replay import seal

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
        seal(lineage, data)
        for lineage in (
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
"""What reasoning items bring back: nothing, what others encrypted, and blobs of the targets that tests translate for."""
SYSTEM: Item = {"type": "message", "role": "developer", "content": "You are Codex."}


HOSTED: Item = {"type": "web_search_call", "id": "ws_1", "action": {"query": "weather"}}
SUMMED_UP: tuple[Item, ...] = (
    compaction_item("We did much.", "cmp_1"),
    {"type": "compaction", "encrypted_content": "gAAAA-foreign"},
)


def _message(role: str, kind: str, text: str) -> Item:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


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


def system_messages() -> st.SearchStrategy[Item]:
    return st.builds(
        _message, st.sampled_from(("developer", "system")), st.just("input_text"), TEXTS
    )


def said() -> st.SearchStrategy[Item]:
    message = TEXTS.map(lambda text: _message("assistant", "output_text", text))
    return message | thoughts() | st.just(HOSTED)


def thoughts() -> st.SearchStrategy[Item]:
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
"""Ids of many makers: a thread may change its model."""


@dataclass(slots=True)
class _Ids:
    """Call ids are unique in a valid history."""

    count: int = 0

    def next(self) -> str:
        self.count += 1
        return ID_FORMS[self.count % len(ID_FORMS)].format(self.count)


@st.composite
def steps(draw: st.DrawFn, ids: _Ids) -> list[Item]:
    """One answer of a model with its calls, and all their outputs."""
    items = draw(st.lists(said(), max_size=2))
    forms = draw(st.lists(FORMS, min_size=1, max_size=3))
    calls = [_call(form, ids.next(), draw(TEXTS)) for form in forms]
    answers: list[Item] = [
        {
            "type": f"{str(call['type']).removesuffix('_call')}_call_output",
            "call_id": call["call_id"],
            "output": draw(outputs()),
        }
        for call in calls
    ]
    return [*items, *calls, *draw(st.permutations(answers))]


@st.composite
def _rounds(draw: st.DrawFn, ids: _Ids, most: int) -> list[list[Item]]:
    """Pieces after each of which a client could ask: user messages, and answers with all outputs."""
    pieces: list[list[Item]] = []
    for _ in range(draw(st.integers(0, most))):
        form = draw(st.sampled_from(("user", "steps", "answer", "system", "compacted", "late")))
        if form == "steps":
            pieces.append(draw(steps(ids)))
        elif form == "answer":
            pieces.append([*draw(st.lists(said(), min_size=1, max_size=2)), draw(user_messages())])
        elif form == "system":
            pieces.append([draw(system_messages()), draw(user_messages())])
        elif form == "compacted":
            pieces.append([draw(st.sampled_from(SUMMED_UP)), draw(user_messages())])
        elif form == "late":
            pieces.append([LATE, draw(user_messages())])
        else:
            pieces.append([draw(user_messages())])
    return pieces


@st.composite
def extensions(draw: st.DrawFn, most: int = 5) -> tuple[list[Item], list[Item]]:
    """A history and an extension of it, each of which a client could send."""
    ids = _Ids()
    pieces = [[SYSTEM, draw(user_messages())], *draw(_rounds(ids, most))]
    cut = draw(st.integers(1, len(pieces)))
    earlier = [item for piece in pieces[:cut] for item in piece]
    return earlier, [item for piece in pieces for item in piece]


def histories() -> st.SearchStrategy[list[Item]]:
    """Input items of one valid request."""
    return extensions().map(lambda pair: pair[1])


def request_of(items: list[Item]) -> dict[str, object]:
    """The whole body around a history, as Codex writes it."""
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
    """Whole valid request bodies."""
    return histories().map(request_of)
