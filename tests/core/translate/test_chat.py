from __future__ import annotations

from types import MappingProxyType
from typing import Any

import orjson
import pytest
from hypothesis import given

from addons.core.errors import Problem
from addons.core.profiles import DEFAULT, profile_of
from addons.core.target import Profile
from addons.core.translate.chat import merged, reader, write_request
from addons.core.translate.conversation import (
    Assistant,
    Conversation,
    Dialects,
    Item,
    Sampling,
    System,
    Text,
    TextFormat,
    Tool,
    ToolChoice,
    User,
)
from addons.core.translate.events import CallKind
from addons.core.translate.reading import read_request
from addons.core.wire.chat import ChatReader
from tests.core.wire.chat_streams import target
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
PROFILES = [DEFAULT, *(profile_of(*named, Dialects.CHAT) for named in MODELS.items())]


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
    conversation = read_request(payload, to.lineage)
    assert isinstance(conversation, Conversation)
    written = write_request(conversation, to)
    assert isinstance(written, bytes)
    value = orjson.loads(written)
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("profile", PROFILES, ids=lambda one: one.name)
@given(requests())
def test_a_strict_upstream_takes_every_request(
    profile: Profile, payload: dict[str, object]
) -> None:
    assert validate(translated(payload, profile), CALL_IDS[profile.call_ids]) == []


@pytest.mark.parametrize("profile", PROFILES, ids=lambda one: one.name)
@given(extensions())
def test_the_messages_of_a_history_begin_those_of_its_extension(
    profile: Profile, pair: tuple[list[Any], list[Any]]
) -> None:
    short, long = (translated(request_of(items), profile) for items in pair)
    assert long["messages"][: len(short["messages"])] == short["messages"]
    assert long["tools"][: len(short["tools"])] == short["tools"]
    rest = {"messages": None, "tools": None}
    assert {**long, **rest} == {**short, **rest}


def test_the_least_request() -> None:
    assert body() == {
        "model": "glm-5",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_nothing_to_send_is_told() -> None:
    problem = write_request(Conversation(()), target())
    assert isinstance(problem, Problem)
    assert (problem.status, problem.code) == (400, "invalid_prompt")


def test_an_answer_is_always_streamed() -> None:
    assert body(stream=False)["stream"] is True


def test_usage_is_not_asked_for_where_that_is_refused() -> None:
    assert "stream_options" not in body(profile=Profile(stream_usage=False))


def test_a_tool_is_a_function() -> None:
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
    ],
)
def test_tool_choice(choice: ToolChoice, known: bool, sent: object) -> None:
    profile = Profile(tool_choice_required=known)
    assert body(tools=(READ,), choice=choice, profile=profile).get("tool_choice") == sent
    assert "tool_choice" not in body(choice=choice, profile=profile)


def test_parallel_calls_are_only_spoken_of_with_tools() -> None:
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
    asked = body(profile=profile, effort=effort)
    keys = ("reasoning_effort", "reasoning", "thinking", "enable_thinking")
    assert {key: asked[key] for key in keys if key in asked} == sent


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        (TextFormat("json_schema", "", SCHEMA), {"name": "answer", "schema": SCHEMA}),
        (TextFormat("json_schema", "n", SCHEMA, strict=False, description="d"), {"name": "n", "description": "d", "schema": SCHEMA, "strict": False}),
    ],
)  # fmt: skip
def test_a_schema_is_sent_with_what_is_said_of_it(form: TextFormat, sent: dict[str, Any]) -> None:
    assert body(text_format=form)["response_format"]["json_schema"] == sent


def test_a_schema_for_the_answer() -> None:
    sent = body(text_format=ANSWER)
    assert sent["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
    }
    assert sent["messages"] == body()["messages"]


@pytest.mark.parametrize("support", ["json_object", "none", "forced_tool"])
def test_a_schema_that_no_parameter_carries_is_said(support: Any) -> None:
    sent = body(text_format=ANSWER, profile=Profile(structured_output=support))
    assert ("response_format" in sent) is (support == "json_object")
    assert '"n":{"type":"integer"}' in sent["messages"][0]["content"]
    assert sent["messages"][0]["content"].startswith("Be brief.")


def test_a_note_without_instructions_is_a_message_of_its_own() -> None:
    items: tuple[Item, ...] = (User((Text("Hi"),)),)
    sent = body(items, text_format=TextFormat("json_object"))
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert validate(sent) == []


@pytest.mark.parametrize(
    ("client", "row", "sent"),
    [(None, None, None), (9, None, 9), (None, 7, 7), (9, 7, 7), (5, 7, 5)],
)
def test_the_lower_output_limit_counts(client: Any, row: Any, sent: Any) -> None:
    asked = body(sampling=Sampling(client), max_output_tokens=row)
    assert asked.get("max_tokens") == sent
    quiet = Profile(output_limit_field="")
    assert "max_tokens" not in body(sampling=Sampling(client), profile=quiet)


def test_knobs_go_where_they_are_known() -> None:
    knobs: dict[str, Any] = {
        "sampling": Sampling(None, 0.5, 0.9),
        "verbosity": "low",
        "cache_key": "thread",
    }
    full = Profile(verbosity=True, cache_key_field="prompt_cache_key")
    asked = body(profile=full, **knobs)
    assert (asked["temperature"], asked["top_p"], asked["verbosity"]) == (0.5, 0.9, "low")
    assert asked["prompt_cache_key"] == "thread"
    assert set(body(profile=Profile(sampling=False), **knobs)) == set(body())


def test_extra_body_is_laid_over_all() -> None:
    extra = MappingProxyType(
        {"model": "other", "stream_options": {"x": MappingProxyType({"y": 1})}}
    )
    sent = body(extra_body=extra)
    assert sent["model"] == "other"
    assert sent["stream_options"] == {"include_usage": True, "x": {"y": 1}}


def test_merging_changes_neither_side() -> None:
    below = {"a": {"b": 1}}
    assert merged(below, {"a": {"c": 2}}) == {"a": {"b": 1, "c": 2}}
    assert below == {"a": {"b": 1}}
    assert merged({"a": {"b": 1}}, {"a": None}) == {"a": None}


def test_equal_conversations_give_equal_bytes() -> None:
    one = Conversation((*HELLO, Assistant("x")), tools=(READ,))
    assert write_request(one, target()) == write_request(one, target())


def test_the_dialect_has_a_reader() -> None:
    assert isinstance(reader(Conversation(()), target()), ChatReader)
