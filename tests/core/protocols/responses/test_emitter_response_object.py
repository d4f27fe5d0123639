"""The response object that the opening events announce."""

from __future__ import annotations

from addons.core.protocols.responses.emitter import ECHO, announced_response


def test_request_without_values_gives_the_defaults() -> None:
    response = announced_response("resp_1", 7, "m", {"temperature": None, "reasoning": None})
    assert {key: response[key] for key in ECHO} == ECHO
    assert response["status"] == "in_progress"
    assert list(response)[:8] == [
        "id", "object", "created_at", "status", "error", "incomplete_details", "model", "output",
    ]  # fmt: skip
    assert list(response)[8:] == [*ECHO, "usage"]


def test_objects_of_the_request_are_completed_with_defaults() -> None:
    request = {
        "reasoning": {"effort": "high"},
        "text": {"verbosity": "low"},
        "metadata": {"a": "b"},
    }
    response = announced_response("resp_1", 7, "m", request)
    assert response["reasoning"] == {"effort": "high", "summary": None}
    assert response["text"] == {"format": {"type": "text"}, "verbosity": "low"}
    assert response["metadata"] == {"a": "b"}
    assert ECHO["reasoning"] == {"effort": None, "summary": None}


def test_other_fields_of_the_request_are_not_repeated() -> None:
    request = {
        "model": "other",
        "input": "hi",
        "output": ["x"],
        "usage": {},
        "store": True,
        "text": "x",
    }
    response = announced_response("resp_1", 7, "m", request)
    assert (response["model"], response["output"], response["usage"]) == ("m", [], None)
    assert "input" not in response
    assert (response["store"], response["text"]) == (True, "x")
