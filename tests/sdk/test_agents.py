"""The `openai-agents` package at models of one's own: its own tool loop, in both dialects."""

from __future__ import annotations

from functools import partial

import pytest

from tests.fakes.model_upstream import Json, Say, call, say
from tests.sdk.conftest import Clients
from tests.sdk.test_openai import in_form

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(180)]


def with_result(body: Json) -> Say:
    """Says what the tool gave, so that a lost result is seen."""
    return say("It is 42." if '"42"' in str(body).replace("'", '"') else "The result is missing.")


@pytest.mark.parametrize("case", ["loop", "streamed"])
def test_a_tool_loop(clients: Clients, case: str) -> None:
    clients.upstream.play(say("", call("add_one", n=41), thought="Hm."), with_result)

    saw = clients.run("agents_client", case)

    assert saw["final"] == "It is 42."
    seen = saw.get("items") or saw["names"]
    assert {"tool_call_item", "tool_call_output_item"} <= set(seen) or {
        "tool_called",
        "tool_output",
    } <= set(seen)


def test_a_tool_loop_that_ends_in_a_form(clients: Clients) -> None:
    clients.upstream.play(say("", call("add_one", n=41)), partial(in_form, clients))

    assert clients.run("agents_client", "formed") == {"final": 42}


def test_an_agent_gives_the_turn_to_another(clients: Clients) -> None:
    clients.upstream.play(say("", call("transfer_to_speaker")), say("I speak."))

    assert clients.run("agents_client", "handed_off") == {"final": "I speak.", "last": "speaker"}
