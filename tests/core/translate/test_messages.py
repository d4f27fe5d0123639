from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.errors import Problem
from addons.core.target import Profile
from addons.core.translate.call_ids import anthropic_id
from addons.core.translate.conversation import (
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
from addons.core.translate.events import CallKind
from addons.core.translate.grouping import NO_OUTPUT
from addons.core.translate.messages import write_request
from addons.core.translate.messages_blocks import GO_ON
from addons.core.translate.messages_knobs import FORMAT_TOOL
from addons.core.translate.reading import read_request
from addons.core.translate.replay import seal
from tests.core.translate.messages_samples import (
    ADAPTIVE,
    BUDGET,
    HISTORIES,
    ITEMS,
    PLAIN,
    PROFILES,
    SHELL,
    TARGET,
    TOOLS,
    bare,
    talk,
    target,
    thought,
    units,
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
    body = written(talk(*items, tools=TOOLS), to)
    assert validate(body) == []
    return [(one["role"], [bare(block) for block in one["content"]]) for one in body["messages"]]


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


USED = {"type": "tool_use", "id": "call_1", "name": "shell", "input": {"command": "ls"}}
GIVEN = {"type": "tool_result", "tool_use_id": "call_1", "content": [text("a.py")]}
THOUGHT = {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"}


def test_an_agent_turn_alternates_and_keeps_thinking_first() -> None:
    said = messages(ASK, thought(), Assistant("Looking."), LS, FILES, Assistant("One file."), ASK)
    assert said == [
        ("user", [text("What is here?")]),
        ("assistant", [THOUGHT, text("Looking."), USED]),
        ("user", [GIVEN]),
        ("assistant", [text("One file.")]),
        ("user", [text("What is here?")]),
    ]


def test_leading_authority_is_the_system_and_later_one_is_marked_user_text() -> None:
    body = written(talk(System("Be good."), System("Be quick."), ASK, System("Be brief.")))
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
def test_arguments_of_earlier_calls_survive(arguments: str, given: object) -> None:
    said = messages(ASK, Call("c", "shell", arguments), Output("c", (Text("ok"),)))
    assert said[1][1][0]["input"] == given


def test_a_custom_call_goes_back_as_it_was_declared() -> None:
    call = Call("c", "apply_patch", "*** Begin Patch", CallKind.CUSTOM)
    assert messages(ASK, call)[1][1][0]["input"] == {"input": "*** Begin Patch"}


def test_a_call_without_an_output_gets_a_stand_in_and_no_marker() -> None:
    body = written(talk(ASK, LS, tools=TOOLS))
    (result,) = body["messages"][2]["content"]
    assert result == {"type": "tool_result", "tool_use_id": "call_1", "content": [text(NO_OUTPUT)]}


def test_an_output_without_a_call_is_told_as_text() -> None:
    (_, blocks), *_ = messages(Output("call_9", (Text("late"),)))
    assert "call_9" in blocks[0]["text"]
    assert blocks[1] == text("late")


def test_tool_results_come_before_the_text_of_the_same_turn() -> None:
    said = messages(ASK, LS, FILES, ASK)
    assert said[2] == ("user", [GIVEN, text("What is here?")])


def test_an_answer_at_the_end_is_no_prefill() -> None:
    assert messages(ASK, Assistant("Hi. "))[-1] == ("user", [text(GO_ON)])


def test_redacted_thinking_goes_back_and_foreign_thinking_does_not() -> None:
    ours = Reasoning("", seal(TARGET.lineage, {"redacted_thinking": "ZGF0YQ"}))
    foreign = Reasoning("x", seal("messages:elsewhere", {"thinking": "x", "signature": "y"}))
    blocks = messages(ASK, ours, foreign, Reasoning("y", "gAAAA"), LS, FILES)[1][1]
    assert blocks == [{"type": "redacted_thinking", "data": "ZGF0YQ"}, USED]


@pytest.mark.parametrize("call_id", ["functions.shell:0", "", "ä", "x" * 65, "a b"])
def test_ids_become_legal_and_stay_apart(call_id: str) -> None:
    assert anthropic_id(call_id) == anthropic_id(call_id)
    assert anthropic_id(call_id) != anthropic_id(call_id + "!")
    said = messages(ASK, Call(call_id, "shell", "{}"), Output(call_id, (Text("a"),)))
    assert said[1][1][0]["id"] == said[2][1][0]["tool_use_id"] == anthropic_id(call_id)


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
def test_thinking_is_asked_for(profile: Profile, effort: str | None, thinking: object) -> None:
    body = written(talk(ASK, effort=effort), target(profile))
    assert body.get("thinking") == thinking
    assert validate(body) == []


def test_an_adaptive_model_is_told_the_effort_in_its_own_word() -> None:
    body = written(talk(ASK, effort="minimal"), target(ADAPTIVE))
    assert body["output_config"] == {"effort": "low"}
    assert "output_config" not in written(talk(ASK), target(ADAPTIVE))


def test_thinking_rests_where_the_last_calls_came_without_it() -> None:
    assert "thinking" not in written(talk(ASK, LS, FILES, tools=TOOLS))
    assert "thinking" in written(talk(ASK, thought(), LS, FILES, tools=TOOLS))
    assert "thinking" in written(talk(ASK, LS, FILES, Assistant("Done."), ASK, tools=TOOLS))


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
    asked = talk(ASK, tools=TOOLS, choice=choice, effort=effort, parallel_tool_calls=parallel)
    body = written(asked)
    assert body.get("tool_choice") == sent
    assert validate(body) == []


def test_a_form_is_a_tool_that_must_be_called() -> None:
    body = written(talk(ASK, text_format=FORM))
    assert body["tool_choice"] == {"type": "tool", "name": FORMAT_TOOL}
    assert "thinking" not in body
    body = written(talk(ASK, tools=TOOLS, text_format=FORM))
    assert body["tool_choice"] == {"type": "any"}
    assert body["tools"][-1]["input_schema"] == SCHEMA
    assert validate(body) == []


def test_a_form_is_native_where_the_model_has_it_and_words_where_it_is_no_object() -> None:
    body = written(talk(ASK, text_format=FORM), target(ADAPTIVE))
    assert body["output_config"]["format"] == {"type": "json_schema", "schema": SCHEMA}
    body = written(talk(ASK, text_format=TextFormat("json_schema", "a", {"type": "array"})))
    assert '{"type":"array"}' in body["system"][-1]["text"]


def test_a_schema_that_the_api_refuses_is_told_in_words() -> None:
    tool = replace(SHELL, schema={"anyOf": [{"required": ["a"]}], "properties": {"a": {}}})
    body = written(talk(ASK, tools=(tool,)))
    assert validate(body) == []
    assert '"anyOf":[{"required":["a"]}]' in body["tools"][0]["description"]


@pytest.mark.parametrize("key", ["oneOf", "anyOf", "allOf"])
def test_a_choice_of_schemas_is_told_behind_what_a_tool_says(key: str) -> None:
    for said, before in (("Runs.", "Runs.\n\n"), ("", "")):
        tool = replace(SHELL, description=said, schema={key: [{"x": 1}], "type": "string"})
        (sent,) = written(talk(ASK, tools=(tool,)))["tools"]
        told = sent["description"]
        assert told == f'{before}The arguments must also match: {{"{key}":[{{"x":1}}]}}'
        assert sent["input_schema"] == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("sampling", "sent"),
    [
        (Sampling(temperature=1.5, top_p=0.5), {"temperature": 1.0}),
        (Sampling(top_p=0.5), {"top_p": 0.5}),
    ],
)
def test_sampling_goes_where_nobody_thinks(sampling: Sampling, sent: dict[str, float]) -> None:
    plain = written(talk(ASK, sampling=sampling), target(PLAIN))
    assert {key: plain[key] for key in ("temperature", "top_p") if key in plain} == sent
    assert not {"temperature", "top_p"} & written(talk(ASK, sampling=sampling)).keys()


@pytest.mark.parametrize(
    ("asked", "most", "sent"),
    [(None, None, 32_000), (None, 64_000, 64_000), (500, 64_000, 500), (90_000, 64_000, 64_000)],
)
def test_the_output_limit(asked: int | None, most: int | None, sent: int) -> None:
    body = written(
        talk(ASK, sampling=Sampling(max_output_tokens=asked)), target(max_output_tokens=most)
    )
    assert body["max_tokens"] == sent
    assert validate(body) == []


def test_the_rows_own_fields_are_laid_over_the_body() -> None:
    extra = {"thinking": {"budget_tokens": 2048}, "metadata": {"user_id": "u"}}
    body = written(talk(ASK), target(extra_body=extra))
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    assert body["metadata"] == {"user_id": "u"}


def test_what_json_cannot_hold_is_refused_with_the_next_thing_to_do() -> None:
    deep: dict[str, Any] = {}
    for _ in range(400):
        deep = {"a": deep}
    problem = write_request(talk(ASK, tools=(replace(SHELL, schema=deep),)), TARGET)
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
def test_strict_upstreams_take_every_conversation(asked: Conversation, profile: Profile) -> None:
    assert validate(written(asked, target(profile))) == []


@given(HISTORIES, st.lists(ITEMS, max_size=6).map(tuple), st.sampled_from(PROFILES))
def test_a_history_is_a_prefix_of_its_extension(
    items: tuple[Item, ...], more: tuple[Item, ...], profile: Profile
) -> None:
    # A system item after nothing but system items is not an extension of the turns.
    items = (System("Be good."), ASK, *items)
    short = units(written(talk(*items, tools=TOOLS), target(profile)))
    longer = units(written(talk(*items, *more, tools=TOOLS), target(profile)))
    while short and _stands_in(short[-1][1]):
        short.pop()
    assert longer[: len(short)] == short


@pytest.mark.parametrize("profile", PROFILES, ids=lambda one: one.name)
@given(requests())
def test_strict_upstreams_take_every_request(profile: Profile, payload: dict[str, object]) -> None:
    assert validate(translated(payload, profile)) == []


@pytest.mark.parametrize("profile", PROFILES, ids=lambda one: one.name)
@given(extensions())
def test_what_a_client_sends_is_a_prefix_of_what_it_sends_next(
    profile: Profile, pair: tuple[list[Any], list[Any]]
) -> None:
    short, long = (translated(request_of(items), profile) for items in pair)
    before, after = units(short), units(long)
    late = len(long["tools"]) - len(short["tools"])
    # Tools that arrive later come before the messages: the one thing that cannot stay a prefix.
    del after[len(short["tools"]) : len(short["tools"]) + late]
    while before and _stands_in(before[-1][1]):
        before.pop()
    assert after[: len(before)] == before


def translated(payload: dict[str, object], profile: Profile) -> dict[str, Any]:
    to = target(profile)
    conversation = read_request(payload, to.lineage)
    assert isinstance(conversation, Conversation)
    return written(conversation, to)


def _stands_in(block: dict[str, Any]) -> bool:
    return block == text(GO_ON) or block.get("content") == [text(NO_OUTPUT)]


def session(turns: int, calls: int = 1) -> list[dict[str, Any]]:
    """What an agent sends that calls tools `turns` times, `calls` at once."""
    items: list[Item] = [System("Be good. " * 800), System("Sandbox." * 50), ASK]
    bodies = []
    for turn in range(turns):
        bodies.append(written(talk(*items, tools=TOOLS)))
        ids = [f"call_{turn}_{number}" for number in range(calls)]
        items += [thought(f"Step {turn}. " * 20)]
        items += [Call(one, "shell", f'{{"command": "cat {one}"}}') for one in ids]
        items += [Output(one, (Text(f"line {one}\n" * 60),)) for one in ids]
    return bodies


@pytest.mark.parametrize("calls", [1, 5, 15, 30])
def test_a_session_of_thirty_requests_is_cached_almost_perfectly(calls: int) -> None:
    bodies = session(30, calls)
    assert [fault for body in bodies for fault in validate(body)] == []
    assert messages_ratio(bodies) <= 1.02


def test_the_figure_is_high_where_nothing_is_marked() -> None:
    bodies = [
        {**body, "tools": [], "system": [bare(one) for one in body["system"]], "messages": [
            {**one, "content": [bare(block) for block in one["content"]]} for one in body["messages"]
        ]}
        for body in session(30)
    ]  # fmt: skip
    assert messages_ratio(bodies) > 3
