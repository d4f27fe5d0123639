"""Faults of a WebSocket to ChatGPT, as docs/faults.md lists them. Each row names the test that shows it."""

from __future__ import annotations

from typing import NamedTuple

from addons.core.providers.chatgpt_socket import REFUSED_SECONDS
from addons.proxy.engine.websocket.upstream_socket import MAX_AGE_SECONDS

ENDS = "tests/boundary/test_socket_ends.py"
FAULTS = "tests/boundary/test_socket_faults.py"
TURNS = "tests/boundary/test_socket_turns.py"


class SocketFault(NamedTuple):
    """One row."""

    what: str
    outcome: str
    requests: str
    """What the backend is asked in all for this turn: frames, and requests by HTTP."""
    file: str
    test: str


SOCKET_FAULTS = (
    SocketFault(
        "answers the upgrade with anything but 101 and 401, breaks it, or does not answer it within `connect_seconds`",
        "the answer by HTTP",
        "1 by HTTP",
        FAULTS,
        "test_turn_without_a_websocket_goes_by_http",
    ),
    SocketFault(
        "does so for a warm-up (`generate: false`)",
        "an empty response, made here",
        "none",
        FAULTS,
        "test_warm_up_without_a_websocket_is_answered_here",
    ),
    SocketFault(
        "answers the upgrade or the frame with 401",
        "with a newer login in auth.json the whole answer, else the 401",
        "1 frame at most",
        FAULTS,
        "test_401_is_tried_again_with_a_newer_login_only",
    ),
    SocketFault(
        "sends an error frame with a status instead of an answer",
        "that status and its error, unchanged",
        "1 frame",
        FAULTS,
        "test_error_frame_becomes_a_status",
    ),
    SocketFault(
        "sends an error frame without a status",
        "an `error` event",
        "1 frame",
        FAULTS,
        "test_error_frame_without_a_status_ends_the_turn",
    ),
    SocketFault(
        "says that it cannot read the frame (closes with 1002, 1003, 1007 or 1009), and nothing else",
        "the answer by HTTP",
        "1 frame that was not read, 1 by HTTP",
        FAULTS,
        "test_frame_that_the_backend_cannot_read_goes_by_http",
    ),
    SocketFault(
        "closes or resets a new connection before an event",
        "`upstream_closed`",
        "1 frame",
        ENDS,
        "test_turn_that_may_have_been_worked_on_is_not_sent_again",
    ),
    SocketFault(
        "closes or resets it inside an answer",
        "`stream_interrupted`",
        "1 frame",
        ENDS,
        "test_turn_that_may_have_been_worked_on_is_not_sent_again",
    ),
    SocketFault(
        "closes or resets it between two turns",
        "the whole answer, after the whole history was sent on a new one",
        "1 frame",
        ENDS,
        "test_socket_that_ended_between_turns_is_replaced",
    ),
    SocketFault(
        "ends it within a round trip of a later frame, without an event",
        "the whole answer, on a new one",
        "2 frames, of which 1 was not read",
        ENDS,
        "test_end_of_an_idle_socket_that_crosses_a_frame",
    ),
    SocketFault(
        "says `websocket_connection_limit_reached` instead of an answer",
        "the whole answer, on a new one; by HTTP if that says so as well",
        "1, and those refused",
        ENDS,
        "test_connection_limit_leads_to_another_socket_and_then_to_http",
    ),
    SocketFault(
        "does not know a response that it made on this connection",
        "the whole answer, after the whole history was sent on a new one",
        "1 frame, and 1 refused",
        ENDS,
        "test_forgotten_response_is_sent_as_history",
    ),
    SocketFault(
        "sends a binary frame, two texts in one frame with an end among them, or more than `event_bytes` in one message",
        "`upstream_protocol`, inside an answer `stream_interrupted`",
        "1 frame",
        ENDS,
        "test_frame_that_breaks_a_rule_ends_the_turn",
    ),
)

SOCKETS = f"""## A WebSocket to ChatGPT
One for each connection of a client, for turns that came by one, or for all with `chatgpt.transport`. A turn is sent again
only if nothing of it can have been worked on. An upstream that opened no WebSocket is not asked for one again for
{REFUSED_SECONDS / 60:g} minutes. The backend ends a WebSocket after an hour, so one of {MAX_AGE_SECONDS / 60:g} minutes is replaced between two turns.
After a refusal, as Codex does, nothing more is sent on its connection. A heartbeat, a kill, a stalled upstream and a
client that leaves have the outcomes of the other tables; the last three end the WebSocket.
"""
