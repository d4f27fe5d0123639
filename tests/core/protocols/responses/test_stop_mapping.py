"""The table of stop reasons."""

from __future__ import annotations

import itertools

from addons.core.errors import INVALID_PROMPT
from addons.core.protocols.canonical.events import StopReason
from addons.core.protocols.responses.stop_mapping import (
    INCOMPLETE_CALL,
    NO_ANSWER,
    STOP_MAPPINGS,
    TRUNCATED_CALL,
    Client,
    StopMapping,
)


def test_every_stop_reason_is_mapped_for_every_client() -> None:
    assert set(STOP_MAPPINGS) == set(itertools.product(Client, StopReason))


def test_codex_never_receives_an_incomplete_response() -> None:
    # Codex retries an incomplete response, which costs the turn again and ends the same way.
    statuses = {STOP_MAPPINGS[Client.CODEX, reason].status for reason in StopReason}
    assert statuses == {"completed"}


def test_incomplete_response_has_a_reason_and_a_complete_one_has_none() -> None:
    for key, mapping in STOP_MAPPINGS.items():
        assert (mapping.status == "incomplete") is (mapping.reason is not None), key


NATURAL = (StopReason.END, StopReason.TOOL_CALLS)


def test_natural_end_without_an_answer_is_retried() -> None:
    for client in Client:
        for reason in NATURAL:
            assert STOP_MAPPINGS[client, reason] == StopMapping(without_answer=NO_ANSWER)
    assert NO_ANSWER.code != INVALID_PROMPT


def test_other_failure_without_an_answer_stops_codex_from_retrying() -> None:
    failures = [
        one.without_answer
        for (_, reason), one in STOP_MAPPINGS.items()
        if one.without_answer and reason not in NATURAL
    ]
    assert len(failures) == 4
    assert {failure.code for failure in failures} == {INVALID_PROMPT}


def test_failure_of_a_call_names_the_tool_and_what_to_do() -> None:
    for failure in (INCOMPLETE_CALL, TRUNCATED_CALL):
        text = failure.text.format(tool="exec")
        assert "a call of exec. The call was not run." in text
        assert text.endswith(".")
    # Codex may retry an interrupted call; a truncated one would be truncated again.
    assert INCOMPLETE_CALL.code != INVALID_PROMPT == TRUNCATED_CALL.code
