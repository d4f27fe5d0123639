"""A LiteLLM proxy as a real upstream, with both protocols: its mocks, and tool loops through its translation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.http_messages import Request
from tests.fakes.messages_upstream import MessagesUpstream
from tests.fakes.model_upstream import Json, ModelUpstream, Refuse, Usage, call, say
from tests.sdk.line import Line, line
from tests.sdk.litellm_proxy import MASTER_KEY, MOCKED, litellm_proxy

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(240)]

ROW_PROVIDERS = {"chat": "openai", "messages": "anthropic"}
"""Protocol towards LiteLLM → provider of the row."""
OTHER_PROTOCOL = {"chat": "messages", "messages": "chat"}
"""Protocol towards LiteLLM → protocol of LiteLLM towards the fake; they differ, so both translate."""
MODELS = ("mock", "asks-chat", "asks-messages")
COUNTED = Usage(1200, 1000, 0, 34, 0)


class Lenient(ChatUpstream):
    """An upstream that accepts what LiteLLM sends."""

    def objections_to(self, body: Json) -> list[str]:  # noqa: ARG002
        return []


class LenientMessages(MessagesUpstream):
    """An upstream that accepts what LiteLLM sends."""

    def objections_to(self, body: Json) -> list[str]:  # noqa: ARG002
        return []

    def is_known(self, request: Request) -> bool:  # noqa: ARG002
        return True


@dataclass(frozen=True, slots=True)
class Route:
    """A path from a client through codex-shim and LiteLLM to a fake."""

    line: Line
    fakes: Mapping[str, ModelUpstream]


@pytest.fixture(scope="module")
def route(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Route]:
    """Both fakes, LiteLLM in front of them, then the shim. Slugs are `<protocol>-<model of LiteLLM>`."""
    with ExitStack() as stack:
        fakes: dict[str, ModelUpstream] = {
            "chat": stack.enter_context(Lenient()),
            "messages": stack.enter_context(LenientMessages()),
        }
        addresses = {protocol: fake.base_url for protocol, fake in fakes.items()}
        proxy = stack.enter_context(litellm_proxy(tmp_path_factory.mktemp("litellm"), addresses))
        rows = [
            {
                "slug": f"{protocol}-{model}",
                "model": model,
                "provider": provider,
                "base_url": proxy,
                "api_key": MASTER_KEY,
            }
            for protocol, provider in ROW_PROVIDERS.items()
            for model in MODELS
        ]
        yield Route(stack.enter_context(line(tmp_path_factory.mktemp("shim"), rows)), fakes)


@pytest.mark.parametrize("protocol", list(ROW_PROVIDERS))
def test_mock_answer_is_complete(route: Route, protocol: str) -> None:
    saw = route.line.run("openai_client", "streamed", f"{protocol}-mock")

    assert saw["text"] == saw["deltas"] == MOCKED
    assert saw["status"] == "completed"
    assert saw["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("protocol", list(ROW_PROVIDERS))
def test_tool_loop_through_litellm(route: Route, protocol: str) -> None:
    fake = route.fakes[OTHER_PROTOCOL[protocol]]
    fake.reset()
    fake.play(
        say("", call("add_one", "call_a", n=41), call("note", "call_b", input="it is 42")),
        say("It is 42.", usage=COUNTED),
    )

    saw = route.line.run(
        "openai_client", "tool_loop", f"{protocol}-asks-{OTHER_PROTOCOL[protocol]}"
    )

    assert saw["text"] == "It is 42."
    assert saw["kinds"] == [["function_call", "custom_tool_call"], ["message"]]
    assert saw["usage"]["input_tokens"] == 1200
    assert saw["usage"]["input_tokens_details"]["cached_tokens"] == 1000
    assert "noted: it is 42" in json.dumps(fake.bodies[1])


@pytest.mark.parametrize("protocol", list(ROW_PROVIDERS))
def test_agent_through_litellm(route: Route, protocol: str) -> None:
    fake = route.fakes[OTHER_PROTOCOL[protocol]]
    fake.reset()
    fake.play(say("", call("add_one", n=41)), say("It is 42."))

    saw = route.line.run("agents_client", "streamed", f"{protocol}-asks-{OTHER_PROTOCOL[protocol]}")

    assert saw["final"] == "It is 42."


@pytest.mark.parametrize("protocol", list(ROW_PROVIDERS))
def test_errors_of_litellm_keep_their_kind(route: Route, protocol: str) -> None:
    fake = route.fakes[OTHER_PROTOCOL[protocol]]
    fake.reset()
    fake.default_answer = Refuse(429, "slow down")

    errors = route.line.run(
        "openai_client", "refused", f"{protocol}-asks-{OTHER_PROTOCOL[protocol]}"
    )["errors"]

    assert {one["class"] for one in errors} == {"RateLimitError"}
