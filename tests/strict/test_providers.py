"""The judges of providers refuse what their providers refuse. Each case changes one thing of an accepted request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.strict.provider_apis import CHAT_APIS, MESSAGES_APIS
from tests.strict.providers import Api, Sent, judge

APIS = {api.id: api for api in (*CHAT_APIS, *MESSAGES_APIS)}
KEY = "key-1234"


def accepted(api: Api, **fields: Any) -> Sent:
    body: dict[str, Any] = {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
    }
    if api in MESSAGES_APIS:
        hi = [{"type": "text", "text": "hi"}]
        body |= {"max_tokens": 100, "messages": [{"role": "user", "content": hi}]}
    body |= {name: value for name, value in api.body.items() if value is not None} | fields
    body = {name: value for name, value in body.items() if api.body.get(name, "") is not None}
    name, prefix = api.key
    headers = {name: prefix + KEY} if api.variable else {}
    return Sent(url=api.url, headers=headers | dict(api.headers), body=body)


@pytest.mark.parametrize("api", APIS.values(), ids=lambda api: api.id)
def test_plain_request_is_accepted(api: Api) -> None:
    assert judge(api, accepted(api), KEY) == []


@pytest.mark.parametrize("api", APIS.values(), ids=lambda api: api.id)
def test_wrong_address_key_and_field_are_refused(api: Api) -> None:
    good = accepted(api)
    assert judge(api, replace(good, url=f"{good.url}/v1"), KEY) != []
    assert judge(api, accepted(api, colour="red"), KEY) != []
    assert (
        judge(api, replace(good, headers={**good.headers, "x-api-key": "k", "api-key": "k"}), KEY)
        != []
    )
    if api.variable:
        assert judge(api, replace(good, headers=dict(api.headers)), KEY) != []
        assert judge(api, good, "another") != []


CALL = {"id": "D681PevKs", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
CALLED = [
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "D681PevKs", "content": "x"},
]
NAMED = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("provider", "fields", "words"),
    [
        ("deepseek", {"messages": CALLED, "tools": TOOLS}, "reasoning_content is missing"),
        ("mimo", {"messages": CALLED, "tools": TOOLS}, "reasoning_content is missing"),
        ("deepseek", {"reasoning_effort": "medium"}, "reasoning_effort"),
        ("kimi-k3", {"thinking": {"type": "disabled"}}, "thinking"),
        ("kimi", {"reasoning_effort": "high"}, "reasoning_effort"),
        ("kimi", {"temperature": 1}, "temperature"),
        ("dashscope-coding", {"enable_thinking": True}, "enable_thinking"),
        ("mistral", {"stream_options": {"include_usage": True}}, "stream_options"),
        ("mistral", {"messages": [*CALLED, {"role": "user", "content": "x"}], "tools": TOOLS}, "after role 'tool'"),
        ("groq", {"tools": TOOLS, "response_format": {"type": "json_object"}}, "json mode"),
        ("cerebras", {"parallel_tool_calls": True}, "parallel_tool_calls"),
        ("xai-4.20", {"reasoning_effort": "high"}, "reasoning_effort"),
        ("lmstudio", {"tools": TOOLS, "tool_choice": NAMED}, "tool_choice"),
        ("foundry", {"prompt_cache_key": "x"}, "prompt_cache_key"),
        ("vllm-qwen", {"enable_thinking": True}, "enable_thinking"),
        ("github-models-org", {"max_tokens": 5}, "max_tokens"),
        ("azure", {"messages": [{"role": "developer", "content": "x"}, *CALLED[:1]]}, "role developer"),
    ],
)  # fmt: skip
def test_quirk_of_a_provider_is_judged(provider: str, fields: dict[str, Any], words: str) -> None:
    api = APIS[provider]
    found = judge(api, accepted(api, **fields), KEY)
    assert any(words in fault for fault in found), found


def test_vertex_takes_neither_a_model_nor_another_version() -> None:
    api, good = APIS["vertex"], accepted(APIS["vertex"])
    for change in ({"model": "claude"}, {"anthropic_version": "2023-06-01"}):
        assert judge(api, replace(good, body={**good.body, **change}), KEY) != []
    without = {name: value for name, value in good.body.items() if name != "anthropic_version"}
    assert judge(api, replace(good, body=without), KEY) != []


def test_every_judge_names_its_reference() -> None:
    for api in APIS.values():
        assert api.reference.startswith("https://")
        assert api.read >= "2026-11-29"
