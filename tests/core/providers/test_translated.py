"""The request that a translated row gets, and turns that cannot be sent."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from addons.core.errors import Problem
from addons.core.headers import Headers
from addons.core.turn import ClientRequest, EndsWithTurn, Send, Step
from addons.core.upstream.api_keys import KeyProblem
from addons.core.upstream.protocol import Protocol
from tests.core.providers.rows import CODEX, SDK, TARGET, FakeTranslator, Key, request, with_target
from tests.core.providers.translated_turns import SSE, error_of, plan_of, sent


def test_only_allowed_headers_go_upstream_and_the_key_is_bound() -> None:
    headers = (*CODEX, (b"cookie", b"c"), (b"x-codex-turn-metadata", b"{}"))
    upstream_request = sent(plan_of(request(headers)).start())
    assert dict(upstream_request.headers) == {
        b"content-type": b"application/json",
        b"accept": b"text/event-stream",
        b"user-agent": b"codex-shim/0.1.0",
        b"x-extra": b"1",
        b"accept-encoding": b"identity",
    }
    assert [one.bound_to for one in upstream_request.secrets] == [TARGET.origin]
    assert (upstream_request.origin, upstream_request.method, upstream_request.path) == (
        TARGET.origin,
        "POST",
        "/v1/chat/completions",
    )
    assert orjson.loads(upstream_request.body)["model"] == "big-model"


def test_messages_request_has_the_required_version_header() -> None:
    upstream_request = sent(plan_of(target=with_target(protocol=Protocol.MESSAGES)).start())
    assert (b"anthropic-version", b"2023-06-01") in upstream_request.headers


def test_row_can_set_headers_except_framing_and_compression() -> None:
    own: Headers = (
        (b"User-Agent", b"mine/1"),
        (b"Anthropic-Version", b"2099"),
        (b"Accept-Encoding", b"gzip"),
        (b"Host", b"evil"),
        (b"Content-Length", b"0"),
        (b"Transfer-Encoding", b"chunked"),
    )
    target = with_target(headers=own, protocol=Protocol.MESSAGES)
    names = [(name.lower(), value) for name, value in sent(plan_of(target=target).start()).headers]
    assert sorted(names) == [
        (b"accept", b"text/event-stream"),
        (b"accept-encoding", b"identity"),
        (b"anthropic-version", b"2099"),
        (b"content-type", b"application/json"),
        (b"user-agent", b"mine/1"),
    ]


@pytest.mark.parametrize(
    ("fields", "turn", "status", "reason"),
    [
        ({}, request(SDK, input="unreadable"), 400, "input[0]"),
        ({}, ClientRequest("POST", "/v1/responses", SDK, b"{"), 400, "not valid JSON"),
        ({}, request(SDK, previous_response_id="resp_x"), 400, "store: false"),
        ({"key": Key(KeyProblem("Set X_API_KEY."))}, request(SDK), 401, "Set X_API_KEY."),
        ({"key": Key(KeyProblem("Wait.", is_pending=True))}, request(SDK), 503, "Wait."),
        ({"target": with_target(headers=((b"x", b"a\nb"),))}, request(SDK), 400, "extra_headers"),
        (
            {"translator": FakeTranslator(problem=Problem(400, "invalid_prompt", "no"))},
            request(SDK),
            400,
            "no",
        ),
    ],
)
def test_turn_that_cannot_be_sent_is_answered_at_once(
    fields: dict[str, Any], turn: ClientRequest, status: int, reason: str
) -> None:
    error = error_of(plan_of(turn, **fields).start())
    assert error["status"] == status
    assert reason in error["message"]


def test_pending_key_makes_codex_retry() -> None:
    pending = error_of(plan_of(key=Key(KeyProblem("Wait.", is_pending=True))).start())
    missing = error_of(plan_of(key=Key(KeyProblem("Set it."))).start())
    assert (pending["code"], missing["code"]) == ("key_pending", "invalid_prompt")


@pytest.mark.parametrize(
    "begin",
    [
        lambda plan: sent(plan.start()),
        lambda plan: plan.slice(),
        lambda plan: plan.start().make_ready(),
        lambda plan: (plan.start().make_ready(), plan.on_head(SSE)),
    ],
)
def test_plan_of_an_ended_turn_leaves_memory_without_the_collector(
    begin: Callable[[Any], object],
) -> None:
    """In a cycle it would stay for several turns, with all of their bodies. Also one that ends between two slices."""
    plan = plan_of()
    begin(plan)
    gc.disable()
    try:
        assert isinstance(plan, EndsWithTurn)
        plan.ended()
        left = weakref.ref(plan)
        del plan
        assert left() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("turn", "provider"),
    [
        (request(), {}),
        (request(input="unreadable"), {}),
        (ClientRequest("POST", "/v1/responses", CODEX, b"no JSON"), {}),
        (request(), {"key": Key(KeyProblem("no key: set it"))}),
        (request(), {"other": lambda turn, _: plan_of(turn)}),
    ],
)
def test_turn_whose_work_is_done_in_slices_begins_as_one_that_is_not(
    turn: ClientRequest, provider: dict[str, Any]
) -> None:
    in_one_piece = comparable(plan_of(turn, **provider).start())
    for slices in range(1, 5):
        plan: Any = plan_of(turn, **provider)
        # the request is parsed, read and written one after the other, and nothing is done twice
        assert [plan.slice() for _ in range(slices)] == [True, True, False, False][:slices]
        assert comparable(plan.start()) == in_one_piece


def comparable(step: Step) -> str:
    """Return a step as text, without the address of the plan that made it."""
    return str(step._replace(make_ready=None) if isinstance(step, Send) else step)
