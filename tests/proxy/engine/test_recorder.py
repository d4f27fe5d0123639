"""The record of a turn: every attempt with its outcome, and no secret."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest
from mitmproxy import http
from mitmproxy import io as mitmproxy_io
from mitmproxy.test import tflow

from addons.core.masking.credentials import REDACTED
from addons.core.secrets import Origin
from addons.core.telemetry.record import METADATA_KEY, TurnRecord
from addons.core.turn import (
    CapturedInput,
    ClientRequest,
    Head,
    Plan,
    Sink,
    StreamLocal,
    UpstreamRequest,
)
from addons.proxy.engine import recorder
from addons.proxy.engine.recorder import MAX_READS, Recorder
from tests.boundary.row_turns import ANSWERS_BY_PROTOCOL, CODEX, KEY, body, plans, says
from tests.boundary.scripts import BODY, DONE, EVENT, SSE_HEAD, OneStep, answer, begins, raw, turn
from tests.support.client import client
from tests.support.engine import BEARER, QUICK, MakePlan, Plain, engine, to_ports
from tests.support.upstream import upstream
from tests.support.waiting import until

CAPTURE = 100_000
ORIGIN = Origin("http", "localhost", 8080)
THREAD = b"thread-id: t-1"


def noted(make: MakePlan) -> MakePlan:
    """Plans of turns that the front has read."""

    def noting(request: ClientRequest) -> Plan:
        request.notes.note_slug("row", request.header(b"thread-id"))
        request.notes.note_route("fake", "big")
        return make(request)

    return noting


def of(flow: http.HTTPFlow) -> dict[str, Any]:
    found: dict[str, Any] = flow.metadata[METADATA_KEY]
    return found


def saved_and_read(flow: http.HTTPFlow) -> http.HTTPFlow:
    buffer = io.BytesIO()
    mitmproxy_io.FlowWriter(buffer).add(flow)
    buffer.seek(0)
    (read,) = mitmproxy_io.FlowReader(buffer).stream()
    assert isinstance(read, http.HTTPFlow)
    return read


async def test_a_translated_turn_is_noted_with_both_sides_of_its_wire() -> None:
    answers = ANSWERS_BY_PROTOCOL["messages"]
    ended: list[TurnRecord] = []
    async with (
        upstream(says(answers.text, answers.end)) as up,
        engine(noted(plans(answers, up.port))) as proxy,
        client(proxy.port) as c,
    ):
        proxy.engine.capture_bytes = CAPTURE
        proxy.engine._on_turn = ended.append
        proxy.engine.on_progress = displayed
        await c.post("/v1/responses", body(), CODEX, THREAD)
        response = await c.response()
        await proxy.hooks("response")
        flow = proxy.flow
    record = of(flow)
    (attempt,) = record["attempts"]
    assert attempt["url"] == f"http://127.0.0.1:{up.port}/v1/messages"
    assert attempt["request"]["body"] == up.requests[0].body
    assert ["authorization", REDACTED] in attempt["request"]["headers"]
    assert attempt["answer"]["body"] == answers.text + answers.end
    assert not attempt["answer"]["cut"]
    times = [at for at, _ in attempt["answer"]["reads"]]
    assert times == sorted(times)
    assert attempt["first_byte"] <= times[0] + 1e-4
    assert times[-1] <= attempt["seconds"] + 1e-4
    assert attempt["answer"]["reads"][-1][1] == len(attempt["answer"]["body"])
    assert (attempt["outcome"], attempt["reason"]) == ("200", "")
    assert 0 <= attempt["first_byte"] <= attempt["seconds"] <= record["seconds"]
    assert record["usage"] == {
        "input": 100,
        "cached": 90,
        "cache_written": 0,
        "output": 5,
        "reasoning": 0,
    }
    assert record["terminal"] == "response.completed"
    assert (record["slug"], record["route"], record["model"]) == ("row", "fake", "big")
    assert record["thread"] == "t-1"
    assert record["bytes_in"] == len(body())
    assert record["bytes_out"] == len(response.body)
    assert 0 < record["ttft"] <= record["seconds"]
    assert flow.comment.startswith("row → big · 200 · TTFT ")
    assert flow.comment.endswith("in 100 (cached 90) out 5 · via fake")
    assert flow.marked == ""
    assert [one.plain() for one in ended] == [record]
    copied = saved_and_read(flow)
    assert copied.metadata == flow.metadata
    assert copied.comment == flow.comment
    assert KEY not in repr(flow.get_state()).encode()


async def test_without_capture_no_body_and_no_header_is_kept() -> None:
    async with (
        upstream(turn) as up,
        engine(noted(to_ports(up.port))) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        await c.response()
        await proxy.hooks("response")
    (attempt,) = of(proxy.flow)["attempts"]
    assert attempt["request"] == {"method": "POST", "headers": [], "body": b"", "cut": True}
    assert (attempt["answer"]["status"], attempt["answer"]["body"]) == (200, b"")


async def test_what_is_captured_of_a_body_is_capped() -> None:
    async with (
        upstream(turn) as up,
        engine(noted(to_ports(up.port))) as proxy,
        client(proxy.port) as c,
    ):
        proxy.engine.capture_bytes = len(EVENT) + 3
        await c.post("/v1/responses", b"x" * 1000)
        await c.response()
        await proxy.hooks("response")
    (attempt,) = of(proxy.flow)["attempts"]
    assert (attempt["request"]["body"], attempt["request"]["cut"]) == (
        b"x" * (len(EVENT) + 3),
        True,
    )
    assert (attempt["answer"]["body"], attempt["answer"]["cut"]) == (EVENT + DONE[:3], True)


async def test_each_attempt_is_noted_with_why_it_was_made() -> None:
    async with (
        upstream(answer(b"503 Busy", b'{"error":1}')) as busy,
        upstream(raw(b"")) as closing,
        upstream(turn) as good,
        engine(
            noted(to_ports(busy.port, closing.port, 1, good.port, retry_on=frozenset({503})))
        ) as proxy,
        client(proxy.port) as c,
    ):
        proxy.engine.capture_bytes = CAPTURE
        proxy.engine.on_progress = displayed
        await c.post("/v1/responses", BODY)
        assert (await c.response()).status == 200
        await proxy.hooks("response")
    attempts = of(proxy.flow)["attempts"]
    assert [one["outcome"] for one in attempts] == ["503", "reset", "connect", "200"]
    assert [one["reason"] for one in attempts] == ["", "after 503", "after reset", "after connect"]
    assert [one["answer"] and one["answer"]["status"] for one in attempts] == [503, None, None, 200]
    assert proxy.flow.marked == ":yellow_circle:"
    assert "4 attempts" in proxy.flow.comment
    assert BEARER not in repr(proxy.flow.get_state()).encode()


def displayed(_: http.HTTPFlow) -> None:
    """Flows are displayed, so they have comments."""


def kill(flow: http.HTTPFlow) -> None:
    flow.kill()


@pytest.mark.parametrize(
    ("ends", "ended", "terminal"),
    [(kill, "killed", ""), (None, "client_left", "")],
)
async def test_record_names_what_ended_the_turn(
    ends: Callable[[http.HTTPFlow], None] | None, ended: str, terminal: str
) -> None:
    records: list[TurnRecord] = []
    async with (
        upstream(begins(EVENT)) as up,
        engine(noted(to_ports(up.port))) as proxy,
        client(proxy.port) as c,
    ):
        proxy.engine._on_turn = records.append
        proxy.engine.on_progress = displayed
        await c.post("/v1/responses", BODY)
        await c.head()
        assert await c.chunk() == EVENT
        if ends:
            ends(proxy.flow)
        else:
            c.abort()
        await until(lambda: bool(records))
    (record,) = records
    assert (record.ended, record.terminal) == (ended, terminal)
    assert record.status == 200
    assert not record.ok
    assert proxy.flow.marked == ":red_circle:"
    assert ended in proxy.flow.comment


async def test_an_upstream_that_falls_silent_is_noted() -> None:
    quick = replace(QUICK, stall_seconds=0.05)
    async with (
        upstream(begins(EVENT)) as up,
        engine(noted(to_ports(up.port)), quick) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        await c.response()
        await proxy.hooks("error")
    record = of(proxy.flow)
    assert (record["ended"], record["attempts"][0]["outcome"]) == ("stall", "stall")


async def test_a_refusal_is_noted_with_its_code() -> None:
    answers = ANSWERS_BY_PROTOCOL["chat"]
    refusal = orjson.dumps({"error": {"message": "no", "code": "invalid_api_key"}})
    async with (
        upstream(answer(b"401 Unauthorized", refusal)) as up,
        engine(noted(plans(answers, up.port))) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", body(), CODEX)
        await c.response()
        await proxy.hooks("response")
    record = of(proxy.flow)
    assert record["terminal"] == "response.failed"
    assert record["error"] == "invalid_prompt"
    assert record["attempts"][0]["outcome"] == "401"


async def test_what_is_no_turn_leaves_no_record() -> None:
    async with (
        upstream(turn) as up,
        engine(to_ports(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        records: list[TurnRecord] = []
        proxy.engine._on_turn = records.append
        await c.post("/v1/responses", BODY)
        await c.response()
        await proxy.hooks("response")
    assert records == []
    assert METADATA_KEY not in proxy.flow.metadata
    assert proxy.flow.comment == ""


async def test_comment_follows_the_turn_where_flows_are_displayed() -> None:
    async with (
        upstream(answer(b"503 Busy", b"")) as busy,
        upstream(turn) as good,
        engine(noted(to_ports(busy.port, good.port, retry_on=frozenset({503})))) as proxy,
        client(proxy.port) as c,
    ):
        seen: list[tuple[str, str]] = []
        proxy.engine.on_progress = lambda flow: seen.append((flow.comment, flow.marked))
        await c.post("/v1/responses", BODY)
        await c.response()
        await proxy.hooks("response")
    assert [comment for comment, _ in seen] == [
        "row → big · waiting for the answer",
        "row → big · 503 · waiting for the answer",
        "row → big · attempt 2 · waiting for the answer",
        "row → big · attempt 2 · 200 · answering",
    ]
    assert {mark for _, mark in seen} == {""}
    assert proxy.flow.comment.startswith("🟡 row → big · 200 · 2 attempts")


async def test_comment_of_a_running_turn_holds_no_secret() -> None:
    def leaking(request: ClientRequest) -> Plan:
        request.notes.note_slug(BEARER.decode(), None)
        return to_ports(good.port)(request)

    async with upstream(turn) as good, engine(leaking) as proxy, client(proxy.port) as c:
        seen: list[str] = []
        proxy.engine.on_progress = lambda flow: seen.append(flow.comment)
        await c.post("/v1/responses", BODY)
        await c.response()
        await proxy.hooks("response")
    assert [BEARER.decode() in comment for comment in seen] == [True, False, False]


def test_times_of_reads_are_bounded_and_the_last_size_is_right() -> None:
    now = iter(number * 0.011 for number in range(10_000))
    recorder = Recorder(TurnRecord(), CAPTURE, lambda: next(now))
    recorder.attempt_begins(
        UpstreamRequest(Origin.of("http://127.0.0.1:1"), "POST", "/v1", (), b""), tflow.tflow()
    )
    recorder.head(Head(200, ()), tflow.tflow())
    for _ in range(3 * MAX_READS):
        recorder.upstream_active(b"x")
    (attempt,) = recorder.record.attempts
    assert len(attempt.reads) == MAX_READS
    assert attempt.reads[-1][1] == 3 * MAX_READS


async def test_input_and_output_of_a_local_source_are_an_attempt() -> None:
    async def origin(sink: Sink) -> None:
        await sink.write(EVENT)
        await sink.write(DONE)

    asked = CapturedInput("a-program --print", b"the whole prompt")

    def make(request: ClientRequest) -> Plan:
        return OneStep(request, StreamLocal(SSE_HEAD, origin, Plain(), asked))

    for capture, kept, said in ((9, b"the whole", EVENT[:9]), (0, b"", b"")):
        async with engine(noted(make)) as proxy, client(proxy.port) as c:
            proxy.engine.capture_bytes = capture
            await c.post("/v1/responses", BODY)
            await c.response()
            await proxy.hooks("response")
        (attempt,) = of(proxy.flow)["attempts"]
        assert (attempt["url"], attempt["outcome"]) == ("a-program --print", "200")
        assert attempt["request"] == {"method": "RUN", "headers": [], "body": kept, "cut": True}
        assert (attempt["answer"]["status"], attempt["answer"]["body"]) == (200, said)


def quoting(secret: bytes) -> bytes:
    return b'{"error":{"message":"Incorrect API key provided: %s. Header: Bearer %s"}}' % (secret, secret)  # fmt: skip


async def test_what_an_upstream_quotes_of_its_credentials_is_kept_nowhere() -> None:
    refusal, header = quoting(KEY), b"x-you-sent: Bearer " + KEY
    async with (
        upstream(answer(b"401 Unauthorized", refusal, header)) as up,
        engine(noted(plans(ANSWERS_BY_PROTOCOL["chat"], up.port))) as proxy,
        client(proxy.port) as c,
    ):
        # the second one is cut within the key, the third keeps the head alone
        for capture in (CAPTURE, refusal.index(KEY) + len(KEY) - 2, 0):
            proxy.engine.capture_bytes = capture
            await c.post("/v1/responses", body(), CODEX)
            await c.response()
            await until(lambda: proxy.engine.live_turns == 0)
            (attempt,) = of(proxy.flow)["attempts"]
            assert (b"Incorrect API key" in attempt["answer"]["body"]) is bool(capture)
            assert KEY[:5] not in repr(proxy.flow.get_state()).encode()
    assert b"<secret>" not in attempt["answer"]["body"]


def test_path_that_holds_a_key_is_redacted_each_time_and_not_remembered() -> None:
    key = f"/v1/sk-{'8Qm2vZr5Tn0wXk7Lb3Jd9Yc6'}"
    asked = [
        UpstreamRequest(ORIGIN, "POST", path, (), b"") for path in (key, "/v1/a", key, "/v1/a")
    ]
    urls = []
    for request in asked:
        kept = Recorder(TurnRecord(), 0, lambda: 0.0)
        kept.attempt_begins(request, tflow.tflow())
        urls.append(kept.record.attempts[0].url)
    assert urls == [f"{ORIGIN}/v1/{REDACTED}", f"{ORIGIN}/v1/a"] * 2
    assert key not in recorder._PUBLIC_PATHS


def test_paths_that_are_remembered_are_bounded() -> None:
    for number in range(3 * recorder.MAX_PATHS):
        path = f"/v1/{number}"
        assert recorder._shown(path) == recorder._shown(path) == path
    assert recorder._shown("/a" * recorder.MAX_PATH_LENGTH) not in recorder._PUBLIC_PATHS
    assert len(recorder._PUBLIC_PATHS) <= recorder.MAX_PATHS
