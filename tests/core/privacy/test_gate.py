"""Requests are masked by thread, and answers restored from the request or from what the thread had before."""

from __future__ import annotations

import gzip
from dataclasses import replace
from typing import Any

import orjson
import pytest

from addons.core.hooks.chain import HookError
from addons.core.privacy.gate import Gate, GatedTurn, failed, no_key, shown_counts
from addons.core.privacy.memory import GateMemory
from addons.core.privacy.placeholders import PLACEHOLDER
from addons.core.protocols.responses.websocket_upstream import frame_for
from addons.core.secrets import Origin
from addons.core.settings.privacy import ON
from addons.core.turn import ClientRequest, UpstreamRequest
from tests.core.privacy.values import EMAILS, KEYS, RANDOM

VALUE = EMAILS[0]
MAX = 1 << 20


def _gate(memory: GateMemory | None = None, key: bytes = b"k" * 32) -> Gate:
    return Gate(key, ON, memory or GateMemory())


def _request(
    *headers: tuple[bytes, bytes], frame: bytes | None = None, **fields: object
) -> ClientRequest:
    body = orjson.dumps({"model": "m", **fields})
    return ClientRequest("POST", "/v1/responses", headers, body, frame=frame)


def _thread(name: bytes, session: bytes = b"s") -> tuple[tuple[bytes, bytes], ...]:
    return (b"session-id", session), (b"thread-id", name)


def _shown(turn: GatedTurn) -> str:
    found = PLACEHOLDER.search(turn.request.body.decode())
    assert found
    return found[0]


def _items(*texts: str) -> list[dict[str, Any]]:
    return [{"type": "message", "role": "user", "content": text} for text in texts]


def test_a_thread_has_one_placeholder_and_others_have_their_own() -> None:
    gate = _gate()
    by = {
        name: _shown(gate.mask(_request(*headers, input=f"ask {VALUE}"), MAX))
        for name, headers in {
            "parent": _thread(b"t1", b"s1"), "again": _thread(b"t1", b"s1"), "sub-agent": _thread(b"t2", b"s1"),
            "other": _thread(b"t3", b"s2"), "metadata": ((b"x-codex-turn-metadata", b'{"session_id":"s1"}'),),
        }.items()
    }  # fmt: skip
    assert by["parent"] == by["again"] == by["sub-agent"] == by["metadata"]
    assert by["other"] != by["parent"]
    assert (
        _shown(
            _gate(key=b"x" * 32).mask(_request(*_thread(b"t1", b"s1"), input=f"ask {VALUE}"), MAX)
        )
        != by["parent"]
    )


def test_clients_without_a_thread_have_one_for_each_conversation() -> None:
    gate = _gate()
    one = gate.mask(_request(input=_items(f"ask {VALUE}")), MAX)
    longer = gate.mask(_request(input=_items(f"ask {VALUE}", "and")), MAX)
    other = gate.mask(_request(input=_items(f"tell {VALUE}")), MAX)
    keyed = gate.mask(_request(input=_items(f"tell {VALUE}"), prompt_cache_key="k"), MAX)
    keyed_too = gate.mask(_request(input=f"x {VALUE}", prompt_cache_key="k"), MAX)
    assert _shown(one) == _shown(longer)
    assert len({_shown(one), _shown(other), _shown(keyed)}) == 3
    assert _shown(keyed) == _shown(keyed_too)
    # a request that continues a response belongs to its conversation
    assert one.on_created
    one.on_created("resp_1")
    next_one = gate.mask(
        _request(input=_items(f"again {VALUE}"), previous_response_id="resp_1"), MAX
    )
    assert _shown(next_one) == _shown(one)


def test_an_answer_may_name_what_only_its_thread_had_before() -> None:
    gate = _gate()
    token = f"{RANDOM}{RANDOM}"
    first = gate.mask(_request(*_thread(b"t"), input=f"Authorization: Bearer {token}"), MAX)
    shown = _shown(first)
    # after a compaction that only the upstream can read
    later = gate.mask(_request(*_thread(b"t"), input="go on"), MAX)
    assert later.restorer.text(f"I used {shown}.") == f"I used {token}."
    # the value is in the thread now, also where no finder finds it
    text = f"you said x{token}x"
    third = gate.mask(_request(*_thread(b"t"), input=text), MAX)
    assert token.encode() not in third.request.body
    assert text in third.restorer.text(third.request.body.decode())
    stranger = gate.mask(_request(*_thread(b"t", b"other"), input="go on"), MAX)
    assert stranger.restorer.text(shown) == shown
    assert stranger.restorer.unknown == 1


def test_a_sub_agent_may_name_what_its_parent_handed_over() -> None:
    gate = _gate()
    shown = _shown(gate.mask(_request(*_thread(b"parent"), input=f"ask {VALUE}"), MAX))
    child = gate.mask(_request(*_thread(b"child"), input="an encrypted task"), MAX)
    assert child.restorer.text(shown) == VALUE


def test_body_keeps_its_coding_and_integers() -> None:
    plain = b'{"model":"m","input":"ask %b","n":12345678901234567890123}' % VALUE.encode()
    headers = ((b"content-encoding", b"gzip"), *_thread(b"t"))
    request = ClientRequest("POST", "/v1/responses", headers, gzip.compress(plain))
    masked = _gate().mask(request, MAX).request
    body = gzip.decompress(masked.body)
    assert VALUE.encode() not in body
    assert b"12345678901234567890123" in body
    assert masked.headers == headers


def test_request_without_a_value_is_the_same_object() -> None:
    request = _request(
        *_thread(b"t"), (b"x-codex-turn-metadata", b'{"thread_id":"t"}'), input="hello", frame=b"{}"
    )
    turn = _gate().mask(request, MAX)
    assert turn.request is request
    assert turn.counts == {}


def test_nothing_is_sent_of_members_with_the_same_name_but_the_last() -> None:
    """JSON readers keep the last one, and an upstream that gets the bytes gets them all."""
    quotes = b'"a\\"b","c\\\\","\\u0022"'
    twice = b'{"model":"m","input":"ask %b","input":[%b]}' % (VALUE.encode(), quotes)
    number = b'{"model":"m","card":4111111111111111,"card":1,"input":[%b]}' % quotes
    for body in (twice, number):
        for frame in (None, b'{"type":"response.create",' + body[1:]):
            request = ClientRequest("POST", "/v1/responses", _thread(b"t"), body, frame=frame)
            masked = _gate().mask(request, MAX).request
            whole = orjson.dumps(orjson.loads(body))
            sent = ClientRequest("POST", "/v1/responses", _thread(b"t"), whole)
            assert masked.body == whole
            assert VALUE.encode() not in (masked.frame or b"")
            # what has each member once is sent as it came
            assert _gate().mask(sent, MAX).request is sent


def test_frame_is_written_anew_for_members_of_its_own_with_the_same_name() -> None:
    frame = b'{"type":"response.create","input":"ask %b","input":"hello"}' % VALUE.encode()
    turn = _gate().mask(_request(*_thread(b"t"), input=_items("hello"), frame=frame), MAX)
    assert turn.request.frame is None
    odd = b'{"input":"%b","input":[]}' % VALUE.encode()
    turn = _gate().mask(_request(*_thread(b"t"), input=[], frame=odd), MAX)
    assert turn.request.frame == b'{"input":[]}'


def test_texts_that_were_masked_with_other_settings_are_masked_again() -> None:
    memory = GateMemory()
    request = _request(*_thread(b"t"), input=_items(f"ask {VALUE}"))
    phones = Gate(b"k" * 32, replace(ON, sets=("phones",)), memory)
    assert VALUE.encode() in phones.mask(request, MAX).request.body
    assert VALUE.encode() not in _gate(memory).mask(request, MAX).request.body


def test_frame_of_a_socket_holds_the_masked_end_of_the_history() -> None:
    gate = _gate()
    history = _items(f"ask {VALUE}", f"ask {KEYS[0]}", "go on")
    own = {
        "type": "response.create",
        "previous_response_id": "resp_1",
        "model": "m",
        "instructions": VALUE,
        "input": history[1:],
    }
    request = _request(*_thread(b"t"), input=history, instructions=VALUE, frame=orjson.dumps(own))
    masked = gate.mask(request, MAX).request
    assert masked.frame
    frame, body = orjson.loads(masked.frame), orjson.loads(masked.body)
    assert frame == {**own, "instructions": body["instructions"], "input": body["input"][1:]}
    assert VALUE not in str(frame)
    assert KEYS[0] not in str(frame)
    # it goes as it is while the server knows what it continues
    sent = UpstreamRequest(
        Origin.of("https://example.com"), "POST", "/", (), masked.body, frame=masked.frame
    )
    assert frame_for(sent, "resp_1") == masked.frame
    # whatever is not the end of the history goes as a frame of its own
    odd = replace(request, frame=orjson.dumps({**own, "input": _items("something else")}))
    assert gate.mask(odd, MAX).request.frame is None
    assert gate.mask(request, MAX).request == masked


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"not json", "not valid JSON"),
        (b"[]", "not an object"),
        (b'{"a":' * 900 + b"1" + b"}" * 900, "nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_not_sent(body: bytes, part: str) -> None:
    with pytest.raises(HookError, match=part) as raised:
        _gate().mask(ClientRequest("POST", "/v1/responses", (), body), MAX)
    assert raised.value.problem.status == 400
    assert "privacy" in raised.value.problem.message


def test_a_body_over_the_limit_is_not_sent() -> None:
    with pytest.raises(HookError, match="larger than 10 bytes"):
        _gate().mask(_request(input="hello there"), 10)


def test_a_failure_of_the_gate_refuses_the_request_and_quotes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def raises(*_: object) -> None:
        raise KeyError(VALUE)

    monkeypatch.setattr("addons.core.privacy.gate.masked_body", raises)
    with pytest.raises(HookError, match="KeyError") as raised:
        _gate().mask(_request(input=VALUE), MAX)
    assert VALUE not in raised.value.problem.message
    assert raised.value.problem.status == 500


def test_two_values_with_one_placeholder_are_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "addons.core.privacy.placeholders.Namer.placeholder", lambda *_: "masked-email-000000000000"
    )
    with pytest.raises(HookError, match="same placeholder"):
        _gate().mask(_request(input=f"{VALUE} {EMAILS[1]}"), MAX)


def test_texts_for_people() -> None:
    assert shown_counts({"key": 1, "email": 2}) == "email 2, key 1"
    assert "privacy.key: gone" in no_key("privacy.key: gone").message
    assert "ValueError" in failed(ValueError(VALUE)).problem.message
