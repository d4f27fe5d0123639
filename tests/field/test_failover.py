"""Refusals and orders of events from public threads about failover: a fallback answers, and the upstream is asked when it should be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.faults.fallback_faults import FALLBACK
from tests.faults.outcomes import WHOLE
from tests.faults.refusals import answers
from tests.faults.routes import WITH_UPSTREAM
from tests.faults.shim import complete_answer
from tests.faults.test_fallback_faults import failover

HOUR, PAUSE = 3_600, 30


@dataclass(frozen=True)
class Refusal:
    """What an upstream says when an account is used up, and for how long it is not asked then."""

    id: str
    status: str
    body: str
    seconds: int


REFUSALS = (
    Refusal("f01", "429 Too Many Requests",
            '{"error":{"code":"model_cooldown","message":"All credentials for model gpt-5.6-sol are cooling down",'
            '"model":"gpt-5.6-sol","reset_seconds":561635,"reset_time":"156h0m34s"}}', 561_635),
    Refusal("f02", "429 Too Many Requests",
            '{"error":{"message":"Individual quota reached. Resets in 166h27m18s."}}', 599_238),
    Refusal("f03", "429 Too Many Requests",
            '{"error":{"type":"usage_limit_reached","message":"Your workspace is out of credits",'
            '"rate_limit_reached_type":"workspace_member_credits_depleted"}}', PAUSE),
    Refusal("f04", "400 Bad Request",
            '{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the '
            'Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."}}', PAUSE),
    Refusal("f05", "400 Bad Request",
            '{"error":{"message":"Budget has been exceeded! Current cost: 10.1, Max budget: 10.0","type":"budget_exceeded",'
            '"param":null,"code":"400"}}', PAUSE),
    Refusal("f06", "400 Bad Request",
            '{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT",'
            '"details":[{"reason":"API_KEY_INVALID"}]}}', PAUSE),
    Refusal("f07", "402 Payment Required", '{"detail":{"code":"deactivated_workspace"}}', PAUSE),
)  # fmt: skip
ROWS = [route for route in WITH_UPSTREAM if route.row]


async def test_account_that_is_used_up_is_left_alone_for_as_long_as_it_says(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    for number, route in enumerate(ROWS):
        folder = tmp_path / str(number)
        (folder / "tmp").mkdir(parents=True)
        async with failover(route, folder) as running:
            for case in REFUSALS:
                running.shim.play(answers(case.status, case.body.encode())(route))
                for turn in range(2):
                    seen, who = await running.turn(turn)
                    assert (who, WHOLE.differs(seen)) == (FALLBACK, []), (case, route)
                assert running.shim.model_requests() == 1, (case, route)
                circuit = running.route(route.slug).circuit
                assert circuit.opening
                assert round(circuit.opening.until - running.now) == case.seconds, (case, route)
                circuit.succeeded()


async def test_other_bad_requests_are_not_sent_to_another_service(tmp_path: Path) -> None:
    """f04: the status alone says nothing about the account."""
    body = b'{"error":{"message":"messages.3: tool_use ids were found without tool_result blocks"}}'
    (tmp_path / "tmp").mkdir()
    async with failover(ROWS[0], tmp_path) as running:
        running.shim.play(answers("400 Bad Request", body)(ROWS[0]))
        for turn in range(2):
            assert (await running.turn(turn))[1] != FALLBACK
        running.shim.play(complete_answer(ROWS[0]))
        assert (await running.turn(0))[1] != FALLBACK
        assert running.spare.requests == []
