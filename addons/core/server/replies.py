"""The small pieces that the answers of this port are made of.

Never does: decide anything. Invariant: text of the client is quoted in printable form and cut.
"""

from __future__ import annotations

from dataclasses import replace

import orjson

from addons.core.errors import INVALID_PROMPT, JSON_HEADERS, Problem, error_reply
from addons.core.protocols.responses.observer import PassThrough
from addons.core.routes import OneStepPlan
from addons.core.turn import Answer, ClientRequest, Head, LocalSource, Plan, Reply, StreamLocal

MAX_QUOTED_CHARACTERS = 100


def answer(reply: Reply) -> Plan:
    """Return the plan that sends this reply."""
    return OneStepPlan(Answer(reply))


def answer_read(request: ClientRequest, reply: Reply) -> Plan:
    """Return the plan of a GET, or of the HEAD that has the same head and no body."""
    return answer(reply if request.method == "GET" else replace(reply, body=b""))


def answer_json(request: ClientRequest, value: object) -> Plan:
    """Return the plan that answers a GET or HEAD with this value as JSON."""
    return answer_read(request, Reply(Head(200, JSON_HEADERS), orjson.dumps(value)))


def refuse(problem: Problem) -> Plan:
    """Return the plan that answers with this error, as HTTP status and JSON."""
    return answer(problem.reply())


def final_reply(problem: Problem, request: ClientRequest, *, code: str = INVALID_PROMPT) -> Reply:
    """Return the answer after which no Codex sends the request again: it does on other codes, and on a status."""
    if request.expects_stream:
        return error_reply(replace(problem, code=code), to_codex=True)
    return problem.reply()


def not_json() -> Problem:
    """Return the problem for a body that a web page could post without a preflight."""
    return Problem(
        415,
        "unsupported_media_type",
        "codex-shim accepts only JSON: send `content-type: application/json`.",
    )


def stream(head: Head, source: LocalSource) -> Plan:
    """Return the plan that sends what the source writes. Other turns go on meanwhile."""
    return OneStepPlan(StreamLocal(head, source, PassThrough()))


def quote(text: str) -> str:
    """Return the beginning of a client's own text as a quoted literal."""
    return repr(text[:MAX_QUOTED_CHARACTERS])
