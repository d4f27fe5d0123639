"""A LiteLLM proxy as a real upstream, in both dialects: its mocks, and tool loops through its own translation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.messages_upstream import MessagesUpstream
from tests.fakes.model_upstream import Json, ModelUpstream, Refuse, Usage, call, say
from tests.fakes.wire import Request
from tests.sdk.line import Line, line
from tests.sdk.litellm_proxy import MASTER_KEY, MOCKED, litellm_proxy

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(240)]

OURS = {"chat": "openai", "messages": "anthropic"}
"""The dialect that we speak to it → the provider of our row."""
FAR = {"chat": "messages", "messages": "chat"}
"""The dialect that we speak → the one that it then speaks to the fake, so that both translate."""
MODELS = ("mock", "asks-chat", "asks-messages")
COUNTED = Usage(1200, 1000, 0, 34, 0)


class Lenient(ChatUpstream):
    """What LiteLLM sends is its own affair."""

    def objections_to(self, body: Json) -> list[str]:  # noqa: ARG002
        return []


class LenientMessages(MessagesUpstream):
    """What LiteLLM sends is its own affair."""

    def objections_to(self, body: Json) -> list[str]:  # noqa: ARG002
        return []

    def is_known(self, request: Request) -> bool:  # noqa: ARG002
        return True


@dataclass(frozen=True, slots=True)
class Route:
    """From a client through us and LiteLLM to a fake."""

    line: Line
    fakes: Mapping[str, ModelUpstream]


@pytest.fixture(scope="module")
def route(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Route]:
    """Both fakes, LiteLLM before them, and the shim before that: rows are `<our dialect>-<its model>`."""
    with ExitStack() as stack:
        fakes: dict[str, ModelUpstream] = {
            "chat": stack.enter_context(Lenient()),
            "messages": stack.enter_context(LenientMessages()),
        }
        addresses = {dialect: fake.base_url for dialect, fake in fakes.items()}
        proxy = stack.enter_context(litellm_proxy(tmp_path_factory.mktemp("litellm"), addresses))
        rows = [
            {
                "slug": f"{dialect}-{model}",
                "model": model,
                "provider": provider,
                "base_url": proxy,
                "api_key": MASTER_KEY,
            }
            for dialect, provider in OURS.items()
            for model in MODELS
        ]
        yield Route(stack.enter_context(line(tmp_path_factory.mktemp("shim"), rows)), fakes)


@pytest.mark.parametrize("dialect", list(OURS))
def test_its_mock_is_told_whole(route: Route, dialect: str) -> None:
    saw = route.line.run("openai_client", "streamed", f"{dialect}-mock")

    assert saw["text"] == saw["deltas"] == MOCKED
    assert saw["status"] == "completed"
    assert saw["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("dialect", list(OURS))
def test_a_tool_loop_through_its_translation(route: Route, dialect: str) -> None:
    fake = route.fakes[FAR[dialect]]
    fake.reset()
    fake.play(
        say("", call("add_one", "call_a", n=41), call("note", "call_b", input="it is 42")),
        say("It is 42.", usage=COUNTED),
    )

    saw = route.line.run("openai_client", "tool_loop", f"{dialect}-asks-{FAR[dialect]}")

    assert saw["text"] == "It is 42."
    assert saw["kinds"] == [["function_call", "custom_tool_call"], ["message"]]
    assert saw["usage"]["input_tokens"] == 1200
    assert saw["usage"]["input_tokens_details"]["cached_tokens"] == 1000
    assert "noted: it is 42" in json.dumps(fake.bodies[1])


@pytest.mark.parametrize("dialect", list(OURS))
def test_an_agent_through_its_translation(route: Route, dialect: str) -> None:
    fake = route.fakes[FAR[dialect]]
    fake.reset()
    fake.play(say("", call("add_one", n=41)), say("It is 42."))

    saw = route.line.run("agents_client", "streamed", f"{dialect}-asks-{FAR[dialect]}")

    assert saw["final"] == "It is 42."


@pytest.mark.parametrize("dialect", list(OURS))
def test_its_refusals_keep_their_kind(route: Route, dialect: str) -> None:
    fake = route.fakes[FAR[dialect]]
    fake.reset()
    fake.otherwise = Refuse(429, "slow down")

    said = route.line.run("openai_client", "refused", f"{dialect}-asks-{FAR[dialect]}")["said"]

    assert {one["class"] for one in said} == {"RateLimitError"}
