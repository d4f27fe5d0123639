from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

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
    Reasoning,
    Sampling,
    System,
    Text,
    TextFormat,
    ToolChoice,
    User,
)
from addons.core.protocols.canonical.events import CallKind
from addons.core.protocols.canonical.opaque_reasoning import wrap
from addons.core.protocols.canonical.turns import NO_OUTPUT, anthropic_call_id
from addons.core.protocols.messages.blocks import CONTINUE
from addons.core.protocols.messages.request import ANSWER_TOOL, write_request
from addons.core.protocols.responses.request import read_request
from addons.core.settings.profiles import profile_for
from addons.core.upstream.profile import Profile, SchemaCleaning
from addons.core.upstream.protocol import Protocol
from tests.core.protocols.messages.samples import (
    ADAPTIVE,
    BUDGET,
    HISTORIES,
    ITEMS,
    PLAIN,
    PROFILES,
    SHELL,
    TARGET,
    TOOLS,
    conversation_of,
    target,
    thought,
    units,
    without_cache_control,
    written,
)
from tests.cost import messages_ratio
from tests.histories import extensions, request_of, requests
from tests.strict.messages import validate

ASK = User((Text("What is here?"),))
LS = Call("call_1", "shell", '{"command": "ls"}')
FILES = Output("call_1", (Text("a.py"),))
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
FORM = TextFormat("json_schema", "answer", SCHEMA)


def messages(*items: Item, to: Any = TARGET) -> list[tuple[str, list[dict[str, Any]]]]:
    body = written(conversation_of(*items, tools=TOOLS), to)
    assert validate(body) == []
    return [
        (one["role"], [without_cache_control(block) for block in one["content"]])
        for one in body["messages"]
    ]


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


USED = {"type": "tool_use", "id": "call_1", "name": "shell", "input": {"command": "ls"}}
GIVEN = {"type": "tool_result", "tool_use_id": "call_1", "content": [text("a.py")]}
THOUGHT = {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"}


def test_roles_alternate_and_thinking_comes_first() -> None:
    sent = messages(ASK, thought(), Assistant("Looking."), LS, FILES, Assistant("One file."), ASK)
    assert sent == [
        ("user", [text("What is here?")]),
        ("assistant", [THOUGHT, text("Looking."), USED]),
        ("user", [GIVEN]),
        ("assistant", [text("One file.")]),
        ("user", [text("What is here?")]),
    ]


def test_leading_system_items_are_the_system_and_later_ones_are_user_text() -> None:
    body = written(
        conversation_of(System("Be good."), System("Be quick."), ASK, System("Be brief."))
    )
    assert [block["text"] for block in body["system"]] == ["Be good.", "Be quick."]
    assert body["messages"][0]["content"][1]["text"] == "<system>\nBe brief.\n</system>"


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ('{"a": 1}', {"a": 1}),
        ("", {}),
        ('{"a": ', {"_raw": '{"a": '}),
        ("[1]", {"_raw": "[1]"}),
    ],
)
def test_malformed_arguments_are_kept(arguments: str, given: object) -> None:
    sent = messages(ASK, Call("c", "shell", arguments), Output("c", (Text("ok"),)))
    assert sent[1][1][0]["input"] == given


def test_custom_call_is_wrapped() -> None:
    call = Call("c", "apply_patch", "*** Begin Patch", CallKind.CUSTOM)
    assert messages(ASK, call)[1][1][0]["input"] == {"input": "*** Begin Patch"}


def test_call_without_an_output_gets_a_placeholder_without_a_cache_mark() -> None:
    body = written(conversation_of(ASK, LS, tools=TOOLS))
    (result,) = body["messages"][2]["content"]
    assert result == {"type": "tool_result", "tool_use_id": "call_1", "content": [text(NO_OUTPUT)]}


def test_output_without_a_call_is_user_text() -> None:
    (_, blocks), *_ = messages(Output("call_9", (Text("late"),)))
    assert "call_9" in blocks[0]["text"]
    assert blocks[1] == text("late")


def test_tool_results_precede_text_of_the_same_turn() -> None:
    sent = messages(ASK, LS, FILES, ASK)
    assert sent[2] == ("user", [GIVEN, text("What is here?")])


def test_last_message_is_never_the_assistants() -> None:
    assert messages(ASK, Assistant("Hi. "))[-1] == ("user", [text(CONTINUE)])


def test_redacted_thinking_is_replayed_and_foreign_thinking_is_not() -> None:
    ours = Reasoning("", wrap(TARGET.reasoning_scope, {"redacted_thinking": "ZGF0YQ"}))
    foreign = Reasoning("x", wrap("messages:elsewhere", {"thinking": "x", "signature": "y"}))
    blocks = messages(ASK, ours, foreign, Reasoning("y", "gAAAA"), LS, FILES)[1][1]
    assert blocks == [{"type": "redacted_thinking", "data": "ZGF0YQ"}, USED]


@pytest.mark.parametrize("call_id", ["functions.shell:0", "", "ä", "x" * 65, "a b"])
def test_call_ids_are_legal_and_distinct(call_id: str) -> None:
    assert anthropic_call_id(call_id) == anthropic_call_id(call_id)
    assert anthropic_call_id(call_id) != anthropic_call_id(call_id + "!")
    sent = messages(ASK, Call(call_id, "shell", "{}"), Output(call_id, (Text("a"),)))
    assert sent[1][1][0]["id"] == sent[2][1][0]["tool_use_id"] == anthropic_call_id(call_id)


@pytest.mark.parametrize(
    ("profile", "effort", "thinking"),
    [
        (BUDGET, None, {"type": "enabled", "budget_tokens": 10_240}),
        (BUDGET, "minimal", {"type": "enabled", "budget_tokens": 1_024}),
        (BUDGET, "high", {"type": "enabled", "budget_tokens": 16_000}),
        (BUDGET, "none", None),
        (ADAPTIVE, "high", {"type": "adaptive", "display": "summarized"}),
        (PLAIN, "high", None),
    ],
)
def test_thinking_is_requested_as_the_profile_says(
    profile: Profile, effort: str | None, thinking: object
) -> None:
    body = written(conversation_of(ASK, effort=effort), target(profile))
    assert body.get("thinking") == thinking
    assert validate(body) == []


def test_adaptive_model_receives_its_own_effort_name() -> None:
    body = written(conversation_of(ASK, effort="minimal"), target(ADAPTIVE))
    assert body["output_config"] == {"effort": "low"}
    assert "output_config" not in written(conversation_of(ASK), target(ADAPTIVE))


@pytest.mark.parametrize("model", ["deepseek-v4-pro", "kimi-k2.6", "glm-5"])
def test_default_thinking_is_disabled_after_calls_of_another_model(
    model: str,
) -> None:
    profile = profile_for("any", model, Protocol.MESSAGES)
    foreign = conversation_of(ASK, LS, FILES, Assistant("Done."), ASK, tools=TOOLS)
    assert written(foreign, target(profile))["thinking"] == {"type": "disabled"}
    own = conversation_of(ASK, thought(), LS, FILES, tools=TOOLS)
    assert written(own, target(profile))["thinking"]["type"] == "enabled"


def test_thinking_is_off_if_the_last_calls_came_without_it() -> None:
    assert "thinking" not in written(conversation_of(ASK, LS, FILES, tools=TOOLS))
    assert "thinking" in written(conversation_of(ASK, thought(), LS, FILES, tools=TOOLS))
    assert "thinking" in written(
        conversation_of(ASK, LS, FILES, Assistant("Done."), ASK, tools=TOOLS)
    )


@pytest.mark.parametrize(
    ("choice", "effort", "parallel", "sent"),
    [
        (ToolChoice(), None, None, None),
        (ToolChoice(), None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("none"), None, False, {"type": "none"}),
        (ToolChoice("required"), None, None, {"type": "any"}),
        (ToolChoice("required"), "high", None, None),
        (ToolChoice("named", "shell"), "none", None, {"type": "tool", "name": "shell"}),
    ],
)
def test_tool_choice(
    choice: ToolChoice, effort: str | None, parallel: bool | None, sent: object
) -> None:
    conversation = conversation_of(
        ASK, tools=TOOLS, choice=choice, effort=effort, parallel_tool_calls=parallel
    )
    body = written(conversation)
    assert body.get("tool_choice") == sent
    assert validate(body) == []


def test_schema_is_a_forced_tool() -> None:
    body = written(conversation_of(ASK, text_format=FORM))
    assert body["tool_choice"] == {"type": "tool", "name": ANSWER_TOOL}
    assert "thinking" not in body
    body = written(conversation_of(ASK, tools=TOOLS, text_format=FORM))
    assert body["tool_choice"] == {"type": "any"}
    assert body["tools"][-1]["input_schema"] == SCHEMA
    assert validate(body) == []


def test_schema_is_a_native_field_or_an_instruction() -> None:
    body = written(conversation_of(ASK, text_format=FORM), target(ADAPTIVE))
    closed = {**SCHEMA, "additionalProperties": False}
    assert body["output_config"]["format"] == {"type": "json_schema", "schema": closed}
    free = TextFormat("json_schema", "a", {"type": "object", "additionalProperties": True})
    body = written(conversation_of(ASK, text_format=free), target(ADAPTIVE))
    assert '"additionalProperties":true' in body["system"][-1]["text"]
    body = written(
        conversation_of(ASK, text_format=TextFormat("json_schema", "a", {"type": "array"}))
    )
    assert '{"type":"array"}' in body["system"][-1]["text"]


ODD: dict[str, Any] = {
    "type": "object",
    "properties": {"$top": {"type": "integer"}, "deep": {"items": [{"type": "string"}]}},
    "anyOf": [{"required": ["$top"]}, {"required": ["deep"]}],
}


def test_tool_schema_is_one_that_the_api_takes() -> None:
    tool = replace(SHELL, schema=ODD)
    body = written(conversation_of(ASK, tools=(tool,)))
    assert validate(body) == []
    assert "$top, deep" not in body["tools"][0]["input_schema"]["properties"]
    assert "(1) $top; (2) deep" in body["tools"][0]["input_schema"]["description"]


@pytest.mark.parametrize("cleaning", get_args(SchemaCleaning))
def test_tool_schema_is_cleaned_at_every_level(cleaning: Any) -> None:
    tool, profile = replace(SHELL, schema=ODD), replace(ADAPTIVE, schema_cleaning=cleaning)
    assert validate(written(conversation_of(ASK, tools=(tool,)), target(profile))) == []


def test_earlier_call_has_the_names_of_the_sent_schema() -> None:
    tool = replace(SHELL, schema=ODD)
    called = (ASK, Call("c1", tool.upstream_name, '{"$top": 1}'), Output("c1", (Text("done"),)))
    body = written(conversation_of(*called, tools=(tool,)))
    assert validate(body) == []
    (name,) = body["messages"][1]["content"][0]["input"]
    assert name in body["tools"][0]["input_schema"]["properties"]


def test_answer_with_unsupported_keys_is_requested_in_the_prompt() -> None:
    form = TextFormat("json_schema", "answer", ODD)
    for profile in (None, ADAPTIVE):
        body = written(
            conversation_of(ASK, text_format=form), target(profile) if profile else TARGET
        )
        assert '"$top"' in body["system"][-1]["text"]
        assert validate(body) == []


def test_refused_keywords_of_an_answer_are_in_its_description() -> None:
    bounded = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}
    form = TextFormat("json_schema", "answer", bounded)
    body = written(conversation_of(ASK, text_format=form), target(ADAPTIVE))
    assert validate(body) == []
    schema = body["output_config"]["format"]["schema"]
    assert schema["properties"]["n"] == {"type": "integer", "description": "At least 1."}


@pytest.mark.parametrize(
    ("sampling", "sent"),
    [
        (Sampling(temperature=1.5, top_p=0.5), {"temperature": 1.0}),
        (Sampling(top_p=0.5), {"top_p": 0.5}),
    ],
)
def test_sampling_is_sent_only_without_thinking(sampling: Sampling, sent: dict[str, float]) -> None:
    plain = written(conversation_of(ASK, sampling=sampling), target(PLAIN))
    assert {key: plain[key] for key in ("temperature", "top_p") if key in plain} == sent
    assert not {"temperature", "top_p"} & written(conversation_of(ASK, sampling=sampling)).keys()


@pytest.mark.parametrize(
    ("requested", "maximum", "sent"),
    [(None, None, 32_000), (None, 64_000, 64_000), (500, 64_000, 500), (90_000, 64_000, 64_000)],
)
def test_output_limit(requested: int | None, maximum: int | None, sent: int) -> None:
    body = written(
        conversation_of(ASK, sampling=Sampling(max_output_tokens=requested)),
        target(max_output_tokens=maximum),
    )
    assert body["max_tokens"] == sent
    assert validate(body) == []


def test_extra_body_overrides_fields() -> None:
    extra = {"thinking": {"budget_tokens": 2048}, "metadata": {"user_id": "u"}}
    body = written(conversation_of(ASK), target(extra_body=extra))
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    assert body["metadata"] == {"user_id": "u"}


def test_unwritable_json_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(400):
        deep = {"a": deep}
    problem = write_request(conversation_of(ASK), target(extra_body=deep))
    assert isinstance(problem, Problem)
    assert problem.code == "invalid_prompt"
    assert "byok-claude" in problem.message


CONVERSATIONS = st.builds(
    Conversation,
    HISTORIES,
    st.sampled_from([(), TOOLS]),
    st.sampled_from([ToolChoice(), ToolChoice("none"), ToolChoice("required")]),
    st.sampled_from([None, True, False]),
    st.sampled_from([None, "none", "minimal", "medium", "xhigh", "ultra"]),
    st.sampled_from([None, FORM, TextFormat("json_object")]),
    sampling=st.sampled_from([None, 1, 1_500, 3_000, 90_000]).map(
        lambda limit: Sampling(limit, 1.7, 0.2)
    ),
)


@given(CONVERSATIONS, st.sampled_from(PROFILES))
def test_strict_upstream_accepts_every_conversation(
    conversation: Conversation, profile: Profile
) -> None:
    assert validate(written(conversation, target(profile))) == []


@given(HISTORIES, st.lists(ITEMS, max_size=6).map(tuple), st.sampled_from(PROFILES))
def test_history_is_a_prefix_of_its_extension(
    items: tuple[Item, ...], more: tuple[Item, ...], profile: Profile
) -> None:
    # A system item after only system items changes the system field, not the turns.
    items = (System("Be good."), ASK, *items)
    short = units(written(conversation_of(*items, tools=TOOLS), target(profile)))
    longer = units(written(conversation_of(*items, *more, tools=TOOLS), target(profile)))
    while short and _is_placeholder(short[-1][1]):
        short.pop()
    assert longer[: len(short)] == short


@pytest.mark.parametrize("profile", PROFILES, ids=lambda one: one.name)
@given(requests())
def test_strict_upstream_accepts_every_request(
    profile: Profile, payload: dict[str, object]
) -> None:
    assert validate(translated(payload, profile)) == []


@pytest.mark.parametrize("profile", PROFILES, ids=lambda one: one.name)
@given(extensions())
def test_request_is_a_prefix_of_the_next_one(
    profile: Profile, pair: tuple[list[Any], list[Any]]
) -> None:
    short, long = (translated(request_of(items), profile) for items in pair)
    before, after = units(short), units(long)
    late = len(long["tools"]) - len(short["tools"])
    # Tools of later items precede the messages, so the messages cannot stay a prefix.
    del after[len(short["tools"]) : len(short["tools"]) + late]
    while before and _is_placeholder(before[-1][1]):
        before.pop()
    assert after[: len(before)] == before


def translated(payload: dict[str, object], profile: Profile) -> dict[str, Any]:
    to = target(profile)
    conversation = read_request(payload, to.reasoning_scope)
    assert isinstance(conversation, Conversation)
    return written(conversation, to)


def _is_placeholder(block: dict[str, Any]) -> bool:
    return block == text(CONTINUE) or block.get("content") == [text(NO_OUTPUT)]


def session(turns: int, calls: int = 1) -> list[dict[str, Any]]:
    """Return the requests of an agent that calls tools `turns` times, `calls` at once."""
    items: list[Item] = [System("Be good. " * 800), System("Sandbox." * 50), ASK]
    bodies = []
    for turn in range(turns):
        bodies.append(written(conversation_of(*items, tools=TOOLS)))
        ids = [f"call_{turn}_{number}" for number in range(calls)]
        items += [thought(f"Step {turn}. " * 20)]
        items += [Call(one, "shell", f'{{"command": "cat {one}"}}') for one in ids]
        items += [Output(one, (Text(f"line {one}\n" * 60),)) for one in ids]
    return bodies


@pytest.mark.parametrize("calls", [1, 5, 15, 30])
def test_session_of_thirty_requests_is_cached_almost_perfectly(calls: int) -> None:
    bodies = session(30, calls)
    assert [fault for body in bodies for fault in validate(body)] == []
    assert messages_ratio(bodies) <= 1.02


def test_session_without_marks_is_expensive() -> None:
    bodies = [
        {**body, "tools": [], "system": [without_cache_control(one) for one in body["system"]], "messages": [
            {**one, "content": [without_cache_control(block) for block in one["content"]]} for one in body["messages"]
        ]}
        for body in session(30)
    ]  # fmt: skip
    assert messages_ratio(bodies) > 3
