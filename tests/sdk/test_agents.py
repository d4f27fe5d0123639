"""The `openai-agents` package with models of models.json: its tool loop, with both protocols."""

from __future__ import annotations

from functools import partial

import pytest

from tests.fakes.model_upstream import Json, ScriptedAnswer, call, say
from tests.sdk.conftest import Clients
from tests.sdk.test_openai import in_form

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(180)]


def with_result(body: Json) -> ScriptedAnswer:
    """Answer with the output of the tool, so that a lost output is detected."""
    return say("It is 42." if '"42"' in str(body).replace("'", '"') else "The result is missing.")


@pytest.mark.parametrize("case", ["loop", "streamed"])
def test_tool_loop(clients: Clients, case: str) -> None:
    clients.upstream.play(say("", call("add_one", n=41), thought="Hm."), with_result)

    saw = clients.run("agents_client", case)

    assert saw["final"] == "It is 42."
    seen = saw.get("items") or saw["names"]
    assert {"tool_call_item", "tool_call_output_item"} <= set(seen) or {
        "tool_called",
        "tool_output",
    } <= set(seen)


def test_tool_loop_ends_with_structured_output(clients: Clients) -> None:
    clients.upstream.play(say("", call("add_one", n=41)), partial(in_form, clients))

    assert clients.run("agents_client", "formed") == {"final": 42}


def test_agent_hands_off_to_another(clients: Clients) -> None:
    clients.upstream.play(say("", call("transfer_to_speaker")), say("I speak."))

    assert clients.run("agents_client", "handed_off") == {"final": "I speak.", "last": "speaker"}
