"""The request that each provider gets for the same turn: the fields that it takes, under its own names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from addons.core.protocols.canonical.conversation import (
    Call,
    Conversation,
    Item,
    Output,
    Reasoning,
    Sampling,
    System,
    Text,
    TextFormat,
    Tool,
    ToolChoice,
    User,
)
from addons.core.protocols.canonical.events import CallKind
from addons.core.protocols.canonical.opaque_reasoning import wrap
from addons.core.protocols.chat import request as chat
from addons.core.protocols.messages import request as messages
from addons.core.settings.profiles import profile_for
from addons.core.settings.vendor_profiles import LADDER
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target
from tests.core.protocols.chat import streams as chat_streams
from tests.core.protocols.messages import samples as messages_samples

SCHEMA = {
    "$schema": "x",
    "type": "object",
    "properties": {"n": {"type": "string"}},
    "additionalProperties": False,
}
LONG_ID = "call_" + "x" * 60


def turn(target: Target, **fields: Any) -> Conversation:
    """Return a request with every option that a client may set."""
    details = target.profile.replay_field == "reasoning_details"
    thought: object = [{"type": "reasoning.text", "text": "Hm."}] if details else "Hm."
    items: tuple[Item, ...] = (
        System("Be brief."),
        User((Text("Hello"),)),
        Reasoning("Hm.", wrap(target.reasoning_scope, {"reasoning": thought})),
        Call(LONG_ID, "read", "{}"),
        Output(LONG_ID, (Text("done"),)),
        System("Now be long."),
    )
    conversation = Conversation(
        items,
        (Tool("read", "read", None, CallKind.FUNCTION, "Reads.", SCHEMA, strict=True),),
        choice=ToolChoice("required"),
        parallel_tool_calls=False,
        text_format=TextFormat("json_schema", "answer", SCHEMA, strict=True),
        verbosity="low",
        sampling=Sampling(temperature=0.5, max_output_tokens=9_000),
        cache_key="key",
    )
    return replace(conversation, **fields)


def sent_chat(family: str, model: str, **fields: Any) -> dict[str, Any]:
    target = chat_streams.target(profile_for(family, model, Protocol.CHAT), model=model)
    body = chat.write_request(turn(target, **fields), target)
    assert isinstance(body, bytes)
    value = orjson.loads(body)
    assert isinstance(value, dict)
    return value


def sent_messages(model: str, **fields: Any) -> dict[str, Any]:
    target = messages_samples.target(profile_for("anthropic", model, Protocol.MESSAGES))
    body = messages.write_request(turn(target, **fields), target)
    assert isinstance(body, bytes)
    value = orjson.loads(body)
    assert isinstance(value, dict)
    return value


def field_names(body: dict[str, Any]) -> str:
    """Return the fields in which providers differ, in alphabetical order."""
    system, _, assistant, *rest, later = body["messages"]
    function = body["tools"][0]["function"]
    parameters = function["parameters"]
    differences = {
        f"role={system['role']}": True,
        "system-in-place": later["role"] != "user",
        "answer-between": rest[-1]["role"] == "assistant",
        f"limit={next(name for name in body if name.startswith('max_'))}": True,
        "strict": "strict" in function,
        "schema-whole": "$schema" in parameters,
        "schema-plain": "additionalProperties" not in parameters,
        "required": body.get("tool_choice") == "required",
        "parallel": "parallel_tool_calls" in body,
        f"format={body.get('response_format', {}).get('type')}": True,
        "temperature": "temperature" in body,
        "cache-key": "prompt_cache_key" in body,
        "verbosity": "verbosity" in body,
        "no-usage": "stream_options" not in body,
        f"content={assistant.get('content', 'omitted')!r}": True,
        f"ids={len(assistant['tool_calls'][0]['id'])}": True,
        **{f"back={name}": True for name in assistant if name.startswith("reasoning")},
    }
    return " ".join(sorted(word for word, so in differences.items() if so))


CHAT_HABITS = [
    ("openai", "gpt-4.1", "cache-key content=None format=json_schema ids=40 limit=max_tokens parallel required role=system strict temperature"),
    ("openai", "gpt-5.2", "cache-key content=None format=json_schema ids=40 limit=max_completion_tokens parallel required role=developer strict verbosity"),
    ("openai", "o3", "cache-key content=None format=json_schema ids=40 limit=max_completion_tokens required role=developer strict"),
    ("deepseek", "deepseek-chat", "back=reasoning_content content=None format=None ids=65 limit=max_tokens role=system temperature"),
    ("zai", "glm-5", "back=reasoning_content content='' format=None ids=65 limit=max_tokens role=system temperature"),
    ("kimi", "kimi-k2", "back=reasoning_content cache-key content=None format=None ids=65 limit=max_tokens role=system temperature"),
    ("kimi", "kimi-k2.5", "back=reasoning_content cache-key content=None format=None ids=65 limit=max_tokens role=system"),
    ("dashscope", "qwen3-max", "back=reasoning_content content='' format=None ids=65 limit=max_tokens parallel role=system temperature"),
    ("gemini", "gemini-3-pro", "content='omitted' format=None ids=65 limit=max_tokens required role=system schema-plain temperature"),
    ("mistral", "codestral", "answer-between content='' format=None ids=9 limit=max_tokens no-usage parallel required role=system temperature"),
    ("mistral", "mistral-small-latest", "answer-between content='' format=None ids=9 limit=max_tokens no-usage parallel required role=system temperature"),
    ("groq", "llama-3", "content=None format=None ids=65 limit=max_completion_tokens parallel required role=system temperature"),
    ("groq", "gpt-oss-120b", "back=reasoning content=None format=None ids=65 limit=max_completion_tokens parallel required role=system temperature"),
    ("groq", "qwen3-32b", "content=None format=None ids=65 limit=max_completion_tokens parallel required role=system temperature"),
    ("openrouter", "any", "back=reasoning_details content=None format=None ids=40 limit=max_tokens required role=system temperature"),
    ("ollama", "llama3", "content='' format=None ids=65 limit=max_tokens role=system temperature"),
    ("ollama", "qwen3", "back=reasoning content='' format=None ids=65 limit=max_tokens role=system temperature"),
    ("lmstudio", "any", "content='' format=None ids=65 limit=max_tokens required role=system temperature"),
    ("vllm", "gpt-oss-20b", "back=reasoning content=None format=None ids=65 limit=max_tokens parallel required role=system temperature"),
    ("vllm", "qwen3", "back=reasoning content='' format=None ids=65 limit=max_tokens parallel required role=system temperature"),
    ("nvidia-nim", "any", "content='' format=None ids=65 limit=max_tokens required role=system temperature"),
    ("xai", "grok-4.1", "content=None format=json_schema ids=65 limit=max_tokens parallel required role=system temperature"),
    ("generic-chat-completion-api", "any", "content=None format=None ids=40 limit=max_tokens required role=system strict temperature"),
]  # fmt: skip


@pytest.mark.parametrize(("family", "model", "expected"), CHAT_HABITS)
def test_chat_provider_gets_the_fields_that_it_takes(
    family: str, model: str, expected: str
) -> None:
    assert field_names(sent_chat(family, model)) == expected


# provider, model → what is sent for each step of the ladder: none minimal low medium high xhigh max ultra
EFFORTS = [
    ("openai", "gpt-5.2", "none minimal low medium high xhigh xhigh xhigh"),
    ("openai", "o3", "low low low medium high high high high"),
    ("groq", "gpt-oss-120b", "low low low medium high high high high"),
    ("groq", "qwen3-32b", "none default default default default default default default"),
    ("gemini", "gemini-3-pro", "none minimal low medium high high high high"),
    ("mistral", "mistral-small-latest", "none none none high high high high high"),
    ("ollama", "qwen3", "none low low medium high high high high"),
    ("vllm", "gpt-oss-20b", "low low low medium high high high high"),
    ("xai", "grok-4.1", "low low low medium high high high high"),
    ("openrouter", "any", "none minimal low medium high xhigh xhigh xhigh"),
    ("deepseek", "deepseek-chat", "off low low high high high max max"),
    ("zai", "glm-5", "off on on on on on on on"),
    ("kimi", "kimi-k2.5", "off on on on on on on on"),
    ("kimi", "kimi-k2.7-code", "- - - - - - - -"),
    ("kimi", "kimi-k3", "low low low high high max max max"),
    ("zai", "glm-5.3", "low low low high high max max max"),
    ("mimo", "mimo-v2.5-pro", "off on on on on on on on"),
    ("cerebras", "gpt-oss-120b", "low low low medium high high high high"),
    ("bedrock", "openai.gpt-oss-120b-1:0", "low low low medium high high high high"),
    ("dashscope-coding", "qwen3-coder-plus", "- - - - - - - -"),
    ("xai", "grok-4.20-0309-reasoning", "- - - - - - - -"),
    ("sglang", "qwen3-8b", "off on on on on on on on"),
    ("dashscope", "qwen3-max", "off on on on on on on on"),
    ("vllm", "qwen3", "off on on on on on on on"),
    *((family, "llama-3", "- - - - - - - -") for family in ("openai", "kimi", "groq", "ollama", "vllm", "mistral", "x")),
]  # fmt: skip


def thinking(body: dict[str, Any]) -> str:
    switches = body.get("chat_template_kwargs", body)
    if "enable_thinking" in switches:
        return "on" if switches["enable_thinking"] else "off"
    if body.get("thinking", {}).get("type") == "disabled":
        return "off"
    effort = body.get("reasoning_effort") or body.get("reasoning", {}).get("effort")
    return effort or ("on" if body.get("thinking") == {"type": "enabled"} else "-")


@pytest.mark.parametrize(("family", "model", "steps"), EFFORTS)
def test_chat_provider_gets_its_own_effort_parameter(family: str, model: str, steps: str) -> None:
    sent = [thinking(sent_chat(family, model, effort=effort)) for effort in LADDER]
    assert " ".join(sent) == steps


@pytest.mark.parametrize("family", ["zai", "kimi", "dashscope", "deepseek"])
def test_switchable_thinking_is_on_by_default(family: str) -> None:
    model = {"kimi": "kimi-k2.5", "dashscope": "qwen3"}.get(family, "any")
    assert thinking(sent_chat(family, model, effort=None)) == "on"


PLAIN = {
    "tools": (),
    "choice": ToolChoice(),
    "text_format": None,
    "items": (User((Text("Hello"),)),),
}
MOST = Sampling(max_output_tokens=64_000)
BUDGETS = [None, 1_024, 4_096, 10_240, 20_480, 28_672, 28_672, 28_672]


@pytest.mark.parametrize(
    ("model", "budgets"),
    [
        ("claude-sonnet-4-5", BUDGETS),
        ("glm-5", BUDGETS),
        ("claude-3-5-sonnet", [None] * 8),
        ("unheard-of", [None] * 8),
    ],
)
def test_effort_is_a_token_budget_for_older_claude_models(
    model: str, budgets: list[int | None]
) -> None:
    bodies = [sent_messages(model, **PLAIN, effort=effort, sampling=MOST) for effort in LADDER]
    assert [body.get("thinking", {}).get("budget_tokens") for body in bodies] == budgets


@pytest.mark.parametrize(
    ("model", "xhigh"), [("claude-opus-4-6", "max"), ("claude-opus-4-7", "xhigh")]
)
def test_effort_is_a_level_for_newer_claude_models(model: str, xhigh: str) -> None:
    bodies = [sent_messages(model, **PLAIN, effort=effort) for effort in LADDER]
    assert [body["output_config"]["effort"] for body in bodies] == [
        "low", "low", "low", "medium", "high", xhigh, "max", "max",
    ]  # fmt: skip
    assert {body["thinking"]["type"] for body in bodies} == {"adaptive"}


@pytest.mark.parametrize(
    ("model", "temperature", "native"),
    [
        ("claude-3-5-sonnet", True, False),
        ("claude-sonnet-4-5", True, False),
        ("claude-opus-4-7", False, True),
        ("glm-5", True, False),
        ("unheard-of", True, False),
    ],
)
def test_claude_model_gets_the_fields_that_it_takes(
    model: str, *, temperature: bool, native: bool
) -> None:
    body = sent_messages(model)
    assert body["stream"] is True
    assert ("temperature" in body) is temperature
    assert ("format" in body.get("output_config", {})) is native
    forms = [tool["name"] for tool in body["tools"] if tool["name"] != "read"]
    assert forms == ([] if native else ["structured_answer"])
