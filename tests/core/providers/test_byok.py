"""What a translated row is sent of a turn, and what cannot be sent."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from addons.core.errors import Problem
from addons.core.headers import Headers
from addons.core.keys import KeyProblem
from addons.core.translate.conversation import Dialects
from addons.core.turn import ClientRequest
from tests.core.providers.byok_turns import error_of, plan_of, sent
from tests.core.providers.rows import CODEX, SDK, TARGET, Key, Parrot, request, with_target


def test_only_listed_headers_go_upstream_and_the_key_is_bound() -> None:
    headers = (*CODEX, (b"cookie", b"c"), (b"x-codex-turn-metadata", b"{}"))
    wire = sent(plan_of(request(headers)).start())
    assert dict(wire.headers) == {
        b"content-type": b"application/json",
        b"accept": b"text/event-stream",
        b"user-agent": b"codex-shim/0.1.0",
        b"x-extra": b"1",
        b"accept-encoding": b"identity",
    }
    assert [one.bound_to for one in wire.secrets] == [TARGET.origin]
    assert (wire.origin, wire.method, wire.path) == (TARGET.origin, "POST", "/v1/chat/completions")
    assert orjson.loads(wire.body)["model"] == "big-model"


def test_messages_are_sent_with_the_version_that_the_api_demands() -> None:
    wire = sent(plan_of(target=with_target(dialect=Dialects.MESSAGES)).start())
    assert (b"anthropic-version", b"2023-06-01") in wire.headers


def test_a_row_may_set_headers_but_none_that_frames_or_compresses() -> None:
    own: Headers = (
        (b"User-Agent", b"mine/1"),
        (b"Anthropic-Version", b"2099"),
        (b"Accept-Encoding", b"gzip"),
        (b"Host", b"evil"),
        (b"Content-Length", b"0"),
        (b"Transfer-Encoding", b"chunked"),
    )
    target = with_target(headers=own, dialect=Dialects.MESSAGES)
    names = [(name.lower(), value) for name, value in sent(plan_of(target=target).start()).headers]
    assert sorted(names) == [
        (b"accept", b"text/event-stream"),
        (b"accept-encoding", b"identity"),
        (b"anthropic-version", b"2099"),
        (b"content-type", b"application/json"),
        (b"user-agent", b"mine/1"),
    ]


@pytest.mark.parametrize(
    ("fields", "asked", "status", "words"),
    [
        ({}, request(SDK, input="unreadable"), 400, "input[0]"),
        ({}, ClientRequest("POST", "/v1/responses", SDK, b"{"), 400, "not valid JSON"),
        ({}, request(SDK, previous_response_id="resp_x"), 400, "store: false"),
        ({"key": Key(KeyProblem("Set X_API_KEY."))}, request(SDK), 401, "Set X_API_KEY."),
        ({"key": Key(KeyProblem("Wait.", passing=True))}, request(SDK), 503, "Wait."),
        ({"target": with_target(headers=((b"x", b"a\nb"),))}, request(SDK), 400, "extra_headers"),
        (
            {"dialect": Parrot(problem=Problem(400, "invalid_prompt", "no"))},
            request(SDK),
            400,
            "no",
        ),
    ],
)
def test_what_cannot_be_sent_is_answered_at_once(
    fields: dict[str, Any], asked: ClientRequest, status: int, words: str
) -> None:
    error = error_of(plan_of(asked, **fields).start())
    assert error["status"] == status
    assert words in error["message"]


def test_a_key_on_its_way_is_worth_another_try_to_codex() -> None:
    pending = error_of(plan_of(key=Key(KeyProblem("Wait.", passing=True))).start())
    missing = error_of(plan_of(key=Key(KeyProblem("Set it."))).start())
    assert (pending["code"], missing["code"]) == ("key_pending", "invalid_prompt")
