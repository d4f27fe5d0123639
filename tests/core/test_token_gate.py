from __future__ import annotations

import orjson
import pytest

from addons.core.credential import Secret
from addons.core.front import ShimFront
from addons.core.gate import NO_TOKEN, TokenRule, token_refusal
from addons.core.headers import LABEL
from addons.core.turn import Answer, ClientRequest, Reply
from tests.core.test_front import STATUS, Setup

RULE = TokenRule(required=True, expected=Secret("right"), place="/state/token")
BROKEN = TokenRule(required=True, place="/state/token")
RIGHT, WRONG = Secret("right"), Secret("wrong")


@pytest.mark.parametrize(
    ("rule", "method", "path", "presented", "status"),
    [
        (NO_TOKEN, "POST", "/responses", None, None),
        (RULE, "POST", "/responses", RIGHT, None),
        (RULE, "POST", "/responses", None, 401),
        (RULE, "POST", "/responses", WRONG, 403),
        (RULE, "POST", "/responses", Secret(""), 403),
        (RULE, "POST", "/nowhere", None, 401),
        (RULE, "GET", "/api/models", None, 401),
        (RULE, "HEAD", "/api/models", None, 401),
        (RULE, "GET", "/api/models", RIGHT, None),
        (RULE, "GET", "/health", None, None),
        (RULE, "GET", "/models", None, None),
        (RULE, "GET", "/picker", None, None),
        (BROKEN, "POST", "/responses", RIGHT, 403),
        (BROKEN, "GET", "/health", None, None),
    ],
)
def test_turns_and_data_take_the_token_and_the_rest_does_not(
    rule: TokenRule, method: str, path: str, presented: Secret | None, status: int | None
) -> None:
    problem = token_refusal(rule, method, path, presented)
    assert (problem.status if problem else None) == status
    if problem:
        assert "/state/token" in problem.message
        assert "right" not in problem.message.replace("the right one", "")
        assert (problem.code == "local_token_unusable") is (rule is BROKEN)


def ask(request: ClientRequest) -> Reply:
    setup = Setup()
    front = setup.front
    guarded = ShimFront(front.table, lambda: STATUS, front.body_cap, front.etag, token=lambda: RULE)
    step = guarded.plan(request).start()
    assert isinstance(step, Answer)
    return step.reply


JSON = (b"content-type", b"application/json")
TURN = b'{"model":"gpt-5.5"}'


def test_a_program_is_refused_by_status_and_codex_in_the_form_that_it_shows() -> None:
    plain = ask(ClientRequest("POST", "/v1/responses", (JSON,), TURN))
    assert plain.head.status == 401
    assert orjson.loads(plain.body)["error"]["code"] == "local_token_missing"
    codex = ask(ClientRequest("POST", "/v1/responses", (JSON, (b"originator", b"codex")), TURN))
    assert codex.head.status == 200
    assert b'"code":"invalid_prompt"' in codex.body
    assert b"x-codex-shim-token" in codex.body


def test_the_right_token_lets_a_turn_through_to_its_route() -> None:
    token = {b"x-codex-shim-token": RIGHT}
    assert ask(ClientRequest("POST", "/v1/responses", (JSON,), TURN, token)).head.status == 299


def test_a_replayed_flow_has_the_label_and_no_credential() -> None:
    label = (b"x-codex-shim-token", LABEL)
    assert ask(ClientRequest("POST", "/v1/responses", (JSON, label), TURN)).head.status == 299
    taken = {b"x-codex-shim-token": Secret(LABEL)}
    sent = ClientRequest("POST", "/v1/responses", (JSON, label), TURN, taken)
    assert ask(sent).head.status == 403


def test_data_is_guarded_by_whatever_path_it_is_asked_for() -> None:
    for path in ("/api/models", "/v1/api/models", "/api/models?x=1"):
        assert ask(ClientRequest("GET", path, (), b"")).head.status == 401
