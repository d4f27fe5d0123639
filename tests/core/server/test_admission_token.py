"""The local token: what needs it, and how its absence is reported."""

from __future__ import annotations

import orjson
import pytest

from addons.core.headers import REDACTION_LABEL
from addons.core.masking.credentials import take_credentials
from addons.core.secrets import Secret
from addons.core.server.admission import NO_TOKEN, TokenRule, token_refusal
from addons.core.turn import Answer, ClientRequest, Reply
from tests.core.server.sources import Setup

RULE = TokenRule(required=True, expected=Secret("right"), path="/state/token")
BROKEN = TokenRule(required=True, path="/state/token")
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
def test_turns_and_data_need_the_token_and_other_paths_do_not(
    rule: TokenRule, method: str, path: str, presented: Secret | None, status: int | None
) -> None:
    problem = token_refusal(rule, method, path, [presented] if presented else [])
    assert (problem.status if problem else None) == status
    if problem:
        assert "/state/token" in problem.message
        assert "right" not in problem.message.replace("the right one", "")
        assert (problem.code == "local_token_unusable") is (rule is BROKEN)


def ask(request: ClientRequest) -> Reply:
    step = Setup(token=RULE).router.plan(request).start()
    assert isinstance(step, Answer)
    return step.reply


JSON = (b"content-type", b"application/json")
TURN = b'{"model":"gpt-5.5"}'


def test_missing_token_is_an_http_status_and_for_codex_a_failed_stream() -> None:
    plain = ask(ClientRequest("POST", "/v1/responses", (JSON,), TURN))
    assert plain.head.status == 401
    assert orjson.loads(plain.body)["error"]["code"] == "local_token_missing"
    codex = ask(ClientRequest("POST", "/v1/responses", (JSON, (b"originator", b"codex")), TURN))
    assert codex.head.status == 200
    assert b'"code":"invalid_prompt"' in codex.body
    assert b"x-codex-shim-token" in codex.body


@pytest.mark.parametrize(
    ("values", "status"), [(("right", "right"), 299), (("wrong", "right"), 403), (("right", "wrong"), 403)]
)  # fmt: skip
def test_each_of_several_tokens_must_be_the_right_one(values: tuple[str, ...], status: int) -> None:
    sent = tuple((name, value.encode()) for name, value in zip((b"X-Codex-Shim-Token", b"x_codex_shim_token"), values, strict=True))  # fmt: skip
    taken = take_credentials((JSON, *sent), "/")
    request = ClientRequest("POST", "/v1/responses", taken.headers, TURN, taken.credentials)
    assert ask(request).head.status == status


def test_right_token_admits_a_turn_to_its_route() -> None:
    token = {b"x-codex-shim-token": RIGHT}
    assert ask(ClientRequest("POST", "/v1/responses", (JSON,), TURN, token)).head.status == 299


def test_replayed_flow_is_admitted_by_its_label_without_a_credential() -> None:
    label = (b"x-codex-shim-token", REDACTION_LABEL)
    assert ask(ClientRequest("POST", "/v1/responses", (JSON, label), TURN)).head.status == 299
    taken = {b"x-codex-shim-token": Secret(REDACTION_LABEL)}
    sent = ClientRequest("POST", "/v1/responses", (JSON, label), TURN, taken)
    assert ask(sent).head.status == 403


def test_token_is_needed_with_v1_and_with_a_query() -> None:
    for path in ("/api/models", "/v1/api/models", "/api/models?x=1"):
        assert ask(ClientRequest("GET", path, (), b"")).head.status == 401
