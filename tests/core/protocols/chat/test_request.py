from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.errors import Problem
from addons.core.protocols.canonical.conversation import (
    Assistant,
    Call,
    Conversation,
    Item,
    Output,
    Sampling,
    System,
    Text,
    TextFormat,
    Tool,
    ToolChoice,
    User,
)
from addons.core.protocols.canonical.events import CallKind
from addons.core.protocols.chat.reader import ChatReader
from addons.core.protocols.chat.request import reader, write_request
from addons.core.protocols.responses.request import read_request
from addons.core.settings.profiles import profile_for
from addons.core.upstream.profile import Profile
from addons.core.upstream.protocol import Protocol
from tests.core.protocols.chat.streams import target
from tests.histories import extensions, request_of, requests
from tests.strict.chat import validate

HELLO: tuple[Item, ...] = (System("Be brief."), User((Text("Hello"),)))
READ = Tool("read", "read", None, CallKind.FUNCTION, "Reads.", {"type": "object", "properties": {}}, strict=False)  # fmt: skip
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}
ANSWER = TextFormat("json_schema", "answer", SCHEMA, strict=True)
MODELS = {
    "openai": "gpt-4.1", "deepseek": "deepseek-chat", "zai": "glm-5", "kimi": "kimi-k2", "dashscope": "qwen3-max",
    "gemini": "gemini-3-pro", "mistral": "codestral", "groq": "llama-3", "openrouter": "any", "ollama": "llama3",
    "vllm": "qwen3", "nvidia-nim": "any", "xai": "grok-4.1", "lmstudio": "any",
}  # fmt: skip
CALL_IDS = {"any": r".+", "openai": r".{1,40}", "mistral": r"[a-zA-Z0-9]{9}"}
PROFILES = [
    Protocol.CHAT.spec.default_profile,
    *(profile_for(*named, Protocol.CHAT) for named in MODELS.items()),
]


def body(
    items: tuple[Item, ...] = HELLO, profile: Profile | None = None, **fields: Any
) -> dict[str, Any]:
    to = {key: fields.pop(key) for key in ("extra_body", "max_output_tokens") if key in fields}
    written = write_request(Conversation(items, **fields), target(profile, **to))
    assert isinstance(written, bytes)
    value = orjson.loads(written)
    assert isinstance(value, dict)
    return value


def translated(payload: dict[str, object], profile: Profile) -> dict[str, Any]:
    to = target(profile)
    conversation = read_request(payload, to.reasoning_scope)
    assert isinstance(conversation, Conversation)
    written = write_request(conversation, to)
    assert isinstance(written, bytes)
    value = orjson.loads(written)
    assert isinstance(value, dict)
    return value


def rules(profile: Profile) -> dict[str, Any]:
    return {
        "call_ids": CALL_IDS[profile.call_ids],
        "user_after_tool": profile.user_after_tool,
        "format_with_tools": profile.format_with_tools,
        "tool_choice_named": profile.tool_choice_named,
    }


@pytest.mark.parametrize("profile", PROFILES, ids=lambda one: one.name)
@given(requests())
def test_strict_upstream_accepts_every_request(
    profile: Profile, payload: dict[str, object]
) -> None:
    assert validate(translated(payload, profile), **rules(profile)) == []


FORMATS = ({"type": "json_object"}, {"type": "json_schema", "name": "a", "schema": SCHEMA})
CHOICES = ("auto", "none", "required", {"type": "function", "name": "exec_command"})


@pytest.mark.parametrize("profile", PROFILES, ids=lambda one: one.name)
@given(requests(), st.sampled_from(FORMATS), st.sampled_from(CHOICES), st.booleans())
def test_strict_upstream_accepts_every_format_and_choice(
    profile: Profile, payload: dict[str, object], form: object, choice: object, has_tools: bool
) -> None:
    payload = {**payload, "text": {"format": form}}
    payload |= {"tool_choice": choice} if has_tools else {"tools": [], "tool_choice": "auto"}
    assert validate(translated(payload, profile), **rules(profile)) == []


def assert_prefix(short: list[dict[str, Any]], long: list[dict[str, Any]]) -> None:
    """Check that the prompt of `short` begins the prompt of `long`, up to the end of its last user message."""
    assert long[: len(short) - 1] == short[:-1]
    before, after = short[-1], long[len(short) - 1]
    if before["role"] != "user":
        assert after == before
        return
    assert after["role"] == "user"
    parts, more = (parts_of(one["content"]) for one in (before, after))
    texts, longer = parts[-1].get("text"), more[len(parts) - 1].get("text", "")
    assert more[: len(parts) - 1] == parts[:-1]
    assert more[len(parts) - 1] == parts[-1] or (texts and longer.startswith(f"{texts}\n\n"))


def parts_of(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


@pytest.mark.parametrize("profile", PROFILES, ids=lambda one: one.name)
@given(extensions())
def test_messages_of_a_history_are_a_prefix_of_its_extension(
    profile: Profile, pair: tuple[list[Any], list[Any]]
) -> None:
    short, long = (translated(request_of(items), profile) for items in pair)
    assert_prefix(short["messages"], long["messages"])
    assert long["tools"][: len(short["tools"])] == short["tools"]
    rest: dict[str, object] = {"messages": None, "tools": None}
    if profile.needs_own_reasoning:
        # Off once the history has a call of another model.
        rest |= {"thinking": None, "reasoning_effort": None}
    assert {**long, **rest} == {**short, **rest}


@pytest.mark.parametrize("profile", PROFILES, ids=lambda one: one.name)
@given(extensions())
def test_messages_are_an_exact_prefix_once_an_answer_came(
    profile: Profile, pair: tuple[list[Any], list[Any]]
) -> None:
    answer = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "so"}]}  # fmt: skip
    earlier, whole = pair
    answered = [*earlier, answer, *whole[len(earlier) :]]
    short, long = (translated(request_of(items), profile) for items in (earlier, answered))
    assert long["messages"][: len(short["messages"])] == short["messages"]


def test_minimal_request() -> None:
    assert body() == {
        "model": "glm-5",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_request_without_input_is_refused() -> None:
    problem = write_request(Conversation(()), target())
    assert isinstance(problem, Problem)
    assert (problem.status, problem.code) == (400, "invalid_prompt")


def test_answer_is_always_streamed() -> None:
    assert body(stream=False)["stream"] is True


def test_usage_is_not_requested_where_it_is_refused() -> None:
    assert "stream_options" not in body(profile=Profile(stream_usage=False))


def test_tool_is_a_function() -> None:
    assert body(tools=(READ,))["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "read",
                "description": "Reads.",
                "parameters": {"type": "object", "properties": {}},
                "strict": False,
            },
        }
    ]
    bare = body(tools=(READ,), profile=Profile(strict_tools=False))
    assert "strict" not in bare["tools"][0]["function"]


@pytest.mark.parametrize(
    ("choice", "known", "sent"),
    [
        (ToolChoice(), True, None),
        (ToolChoice("none"), True, "none"),
        (ToolChoice("none"), False, "none"),
        (ToolChoice("required"), True, "required"),
        (ToolChoice("required"), False, None),
        (ToolChoice("named", "read"), True, {"type": "function", "function": {"name": "read"}}),
        (ToolChoice("named", "read"), False, None),
        (ToolChoice("named", "lost"), False, None),
    ],
)
def test_tool_choice(choice: ToolChoice, known: bool, sent: object) -> None:
    profile = Profile(tool_choice_required=known)
    assert body(tools=(READ,), choice=choice, profile=profile).get("tool_choice") == sent
    assert "tool_choice" not in body(choice=choice, profile=profile)


WRITE = replace(READ, upstream_name="write", name="write", strict=True)
PATCH = replace(READ, upstream_name="patch", name="patch", kind=CallKind.CUSTOM, strict=None)
CALLED: tuple[Item, ...] = (
    *HELLO,
    Call("a", "read", "{}"),
    Output("a", (Text("out"),)),
    Call("b", "gone", "{}"),
    Output("b", (Text("out"),)),
    Call("c", "read", "{}"),
    Output("c", (Text("out"),)),
)


@pytest.mark.parametrize(
    ("tools", "strict"),
    [
        ((READ, WRITE), False),
        ((READ, PATCH), False),
        ((WRITE, PATCH), True),
        ((WRITE,), True),
        ((replace(READ, strict=None), WRITE), False),
        ((replace(READ, strict=None), PATCH), None),
        ((PATCH,), None),
    ],
)
def test_strict_is_equal_on_all_tools(tools: tuple[Tool, ...], strict: bool | None) -> None:
    sent = [tool["function"].get("strict") for tool in body(tools=tools)["tools"]]
    assert sent == [strict] * len(tools)


def test_tool_is_named_by_declaring_no_other() -> None:
    choice = ToolChoice("named", "read")
    sent = body(tools=(READ, WRITE), choice=choice, profile=Profile(tool_choice_named=False))
    assert sent["tool_choice"] == "required"
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["read"]


def test_tool_is_named_in_the_prompt_where_no_field_is_known() -> None:
    choice = ToolChoice("named", "read")
    sent = body(tools=(READ, WRITE), choice=choice, profile=Profile(tool_choice_required=False))
    assert "tool_choice" not in sent
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["read"]
    assert sent["messages"][0]["content"] == "Be brief.\n\nAnswer by calling the tool read."


def test_history_with_calls_declares_its_tools() -> None:
    sent = body(CALLED, parallel_tool_calls=True)
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["read", "gone"]
    assert sent["tool_choice"] == "none"
    assert "parallel_tool_calls" not in sent
    assert "tools" not in body()


def test_null_in_the_row_takes_a_field_out() -> None:
    extra = {"stream_options": None, "metadata": {"a": None, "b": 1}}
    sent = body(extra_body=extra)
    assert "stream_options" not in sent
    assert sent["metadata"] == {"b": 1}


@pytest.mark.parametrize("works", [True, False])
def test_schema_is_sent_with_tools_where_that_works(works: bool) -> None:
    sent = body(tools=(READ,), text_format=ANSWER, profile=Profile(format_with_tools=works))
    assert ("response_format" in sent) is works
    assert ("JSON schema" in sent["messages"][0]["content"]) is not works


def test_parallel_tool_calls_are_only_set_with_tools() -> None:
    assert body(tools=(READ,), parallel_tool_calls=False)["parallel_tool_calls"] is False
    assert "parallel_tool_calls" not in body(parallel_tool_calls=False)
    quiet = Profile(parallel_tool_calls=False)
    assert "parallel_tool_calls" not in body(
        tools=(READ,), parallel_tool_calls=False, profile=quiet
    )


@pytest.mark.parametrize(
    ("profile", "effort", "sent"),
    [
        (Profile(), "high", {}),
        (Profile(effort_style="reasoning_effort"), None, {}),
        (Profile(effort_style="reasoning_effort"), "high", {"reasoning_effort": "high"}),
        (
            Profile(effort_style="reasoning_effort", efforts={"xhigh": "high"}),
            "xhigh",
            {"reasoning_effort": "high"},
        ),
        (Profile(effort_style="reasoning_object"), "low", {"reasoning": {"effort": "low"}}),
        (Profile(effort_style="reasoning_object"), None, {}),
        (Profile(effort_style="thinking_switch"), None, {"thinking": {"type": "enabled"}}),
        (Profile(effort_style="thinking_switch"), "low", {"thinking": {"type": "enabled"}}),
        (Profile(effort_style="thinking_switch"), "none", {"thinking": {"type": "disabled"}}),
        (
            Profile(effort_style="thinking_switch", efforts={"xhigh": "max"}),
            "xhigh",
            {"thinking": {"type": "enabled"}, "reasoning_effort": "max"},
        ),
        (Profile(effort_style="enable_thinking"), "low", {"enable_thinking": True}),
        (Profile(effort_style="enable_thinking"), "none", {"enable_thinking": False}),
    ],
)
def test_effort(profile: Profile, effort: str | None, sent: dict[str, Any]) -> None:
    request_body = body(profile=profile, effort=effort)
    keys = ("reasoning_effort", "reasoning", "thinking", "enable_thinking")
    assert {key: request_body[key] for key in keys if key in request_body} == sent


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        (TextFormat("json_schema", "", SCHEMA), {"name": "answer", "schema": SCHEMA}),
        (TextFormat("json_schema", "n", SCHEMA, strict=False, description="d"), {"name": "n", "description": "d", "schema": SCHEMA, "strict": False}),
    ],
)  # fmt: skip
def test_schema_keeps_its_name_and_description(form: TextFormat, sent: dict[str, Any]) -> None:
    assert body(text_format=form)["response_format"]["json_schema"] == sent


def test_schema_is_sent_as_response_format() -> None:
    sent = body(text_format=ANSWER)
    assert sent["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA, "strict": False},
    }
    assert sent["messages"] == body()["messages"]


def test_schema_that_a_grammar_expresses_stays_strict() -> None:
    closed = {**SCHEMA, "required": ["n"], "additionalProperties": False}
    sent = body(text_format=replace(ANSWER, schema={**closed, "$schema": "x"}))
    assert sent["response_format"]["json_schema"] == {
        "name": "answer",
        "schema": closed,
        "strict": True,
    }
    sent = body(tools=(replace(WRITE, schema=closed),))
    assert sent["tools"][0]["function"] == {
        "name": "write",
        "description": "Reads.",
        "parameters": closed,
        "strict": True,
    }
    sent = body(tools=(replace(WRITE, schema=SCHEMA),))
    assert sent["tools"][0]["function"]["strict"] is False


@pytest.mark.parametrize("cleaning", ["gemini", "subset", "words"])
def test_refused_schema_is_cleaned_further_and_not_strict(cleaning: Any) -> None:
    bounded = {
        "type": "object",
        "properties": {"n": {"type": "integer", "multipleOf": 2}},
        "required": ["n"],
        "additionalProperties": False,
    }
    profile = Profile(schema_cleaning=cleaning)
    sent = body(
        text_format=replace(ANSWER, schema=bounded),
        tools=(replace(WRITE, schema=bounded),),
        profile=profile,
    )
    loose = {
        "type": "object",
        "properties": {"n": {"type": "integer", "description": "A multiple of 2."}},
        "required": ["n"],
        "description": "No other properties.",
    }
    assert sent["tools"][0]["function"]["parameters"] == loose
    assert sent["tools"][0]["function"]["strict"] is False
    form = sent.get("response_format", {}).get("json_schema", {"schema": loose, "strict": False})
    assert (form["schema"], form["strict"]) == (loose, False)


@pytest.mark.parametrize("support", ["json_object", "none", "forced_tool"])
def test_schema_without_a_field_is_an_instruction(support: Any) -> None:
    sent = body(text_format=ANSWER, profile=Profile(structured_output=support))
    assert ("response_format" in sent) is (support == "json_object")
    assert '"n":{"type":"integer"}' in sent["messages"][0]["content"]
    assert sent["messages"][0]["content"].startswith("Be brief.")


def test_note_without_instructions_is_a_separate_message() -> None:
    items: tuple[Item, ...] = (User((Text("Hi"),)),)
    sent = body(items, text_format=TextFormat("json_object"))
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert validate(sent) == []


@pytest.mark.parametrize(
    ("client", "row", "sent"),
    [(None, None, None), (9, None, 9), (None, 7, 7), (9, 7, 7), (5, 7, 5)],
)
def test_lower_output_limit_applies(client: Any, row: Any, sent: Any) -> None:
    request_body = body(sampling=Sampling(client), max_output_tokens=row)
    assert request_body.get("max_tokens") == sent
    quiet = Profile(output_limit_field="")
    assert "max_tokens" not in body(sampling=Sampling(client), profile=quiet)


def test_options_are_sent_where_the_profile_knows_them() -> None:
    body_fields: dict[str, Any] = {
        "sampling": Sampling(None, 0.5, 0.9),
        "verbosity": "low",
        "cache_key": "thread",
    }
    full = Profile(verbosity=True, cache_key_field="prompt_cache_key")
    request_body = body(profile=full, **body_fields)
    assert (request_body["temperature"], request_body["top_p"], request_body["verbosity"]) == (
        0.5,
        0.9,
        "low",
    )
    assert request_body["prompt_cache_key"] == "thread"
    assert set(body(profile=Profile(sampling=False), **body_fields)) == set(body())


def test_extra_body_overrides_fields() -> None:
    extra = MappingProxyType(
        {"model": "other", "stream_options": {"x": MappingProxyType({"y": 1})}}
    )
    sent = body(extra_body=extra)
    assert sent["model"] == "other"
    assert sent["stream_options"] == {"include_usage": True, "x": {"y": 1}}


def test_equal_conversations_give_equal_bytes() -> None:
    one = Conversation((*HELLO, Assistant("x")), tools=(READ,))
    assert write_request(one, target()) == write_request(one, target())


def test_reader_is_a_chat_reader() -> None:
    assert isinstance(reader(Conversation(()), target()), ChatReader)
