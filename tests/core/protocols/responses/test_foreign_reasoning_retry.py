"""Reasoning that an upstream refused: what is remembered, and the single retry."""

from __future__ import annotations

import orjson
import pytest

from addons.core.protocols.responses.foreign_reasoning import (
    MAX_DIGESTS_PER_THREAD,
    MAX_THREADS,
    ReasoningRetry,
    RejectedReasoning,
    reasoning_digest,
)
from addons.core.secrets import Origin
from addons.core.turn import ClientRequest, Head, UpstreamRequest

FOREIGN = {"type": "reasoning", "encrypted_content": "blob"}
REFUSAL = b'{"error": {"code": "invalid_encrypted_content"}}'


def upstream_request(*items: object) -> UpstreamRequest:
    body = orjson.dumps({"input": list(items)})
    return UpstreamRequest(Origin("https", "up.example", 443), "POST", "/v1/responses", (), body)


def new_retry() -> ReasoningRetry:
    return ReasoningRetry(RejectedReasoning(), client_request(b"a"), 1_000_000)


def client_request(thread: bytes) -> ClientRequest:
    headers = ((b"thread-id", thread),) if thread else ()
    return ClientRequest("POST", "/v1/responses", headers, b"{}")


def test_rejected_reasoning_of_a_thread_accumulates() -> None:
    rejected = RejectedReasoning()
    rejected.add(client_request(b"a"), {reasoning_digest("1")})
    rejected.add(client_request(b"a"), {reasoning_digest("2")})
    assert rejected.digests_for(client_request(b"a")) == {
        reasoning_digest("1"),
        reasoning_digest("2"),
    }
    assert rejected.digests_for(client_request(b"b")) == frozenset()


def test_request_without_a_thread_is_not_remembered() -> None:
    rejected = RejectedReasoning()
    rejected.add(client_request(b""), {reasoning_digest("1")})
    assert rejected.digests_for(client_request(b"")) == frozenset()


def test_oldest_threads_are_forgotten() -> None:
    rejected = RejectedReasoning()
    for number in range(MAX_THREADS):
        rejected.add(client_request(b"%d" % number), {reasoning_digest("1")})
    rejected.add(client_request(b"0"), {reasoning_digest("2")})
    rejected.add(client_request(b"new"), {reasoning_digest("1")})
    assert rejected.digests_for(client_request(b"0"))
    assert not rejected.digests_for(client_request(b"1"))
    assert rejected.digests_for(client_request(b"new"))


def test_number_of_digests_of_a_thread_is_limited() -> None:
    rejected = RejectedReasoning()
    rejected.add(
        client_request(b"a"),
        {reasoning_digest(str(number)) for number in range(MAX_DIGESTS_PER_THREAD + 1)},
    )
    assert rejected.digests_for(client_request(b"a")) == frozenset()
    rejected.add(
        client_request(b"a"),
        {reasoning_digest(str(number)) for number in range(MAX_DIGESTS_PER_THREAD)},
    )
    assert len(rejected.digests_for(client_request(b"a"))) == MAX_DIGESTS_PER_THREAD


def test_digest_has_a_fixed_size_for_any_text() -> None:
    assert reasoning_digest("blob") == reasoning_digest("blob") != reasoning_digest("blob2")
    assert len(reasoning_digest("x" * 10_000)) == 12
    assert reasoning_digest("\ud800")


def test_turn_is_retried_once() -> None:
    retry, sent, refusal = new_retry(), upstream_request(FOREIGN), Head(400)
    assert retry.may_apply(refusal, sent)
    assert retry.request_after(REFUSAL, sent) == upstream_request()
    assert retry.request_after(REFUSAL, sent) is None
    assert not retry.may_apply(refusal, sent)


@pytest.mark.parametrize(
    "item", [{**FOREIGN, "type": "compaction"}, {**FOREIGN, "encrypted_content": None}, "encrypted"]
)
def test_item_without_encrypted_reasoning_is_not_retried(item: object) -> None:
    assert new_retry().request_after(REFUSAL, upstream_request(item)) is None
    assert new_retry().request_after(REFUSAL, upstream_request(item, FOREIGN)) == upstream_request(
        item
    )


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"input": "encrypted_content"}'])
def test_body_without_items_is_not_retried(body: bytes) -> None:
    sent = UpstreamRequest(Origin("https", "up.example", 443), "POST", "/", (), body)
    assert new_retry().request_after(REFUSAL, sent) is None


def test_oversized_body_is_not_read() -> None:
    retry = ReasoningRetry(RejectedReasoning(), client_request(b"a"), 10)
    assert not retry.may_apply(Head(400), upstream_request(FOREIGN))
    assert retry.request_after(REFUSAL, upstream_request(FOREIGN)) is None


@pytest.mark.parametrize(
    ("message", "is_one"),
    [
        ("The encrypted content X could not be verified.", True),
        ("Could not decrypt the provided encrypted_content.", True),
        ("The encrypted content is too long.", False),
        ("Your organization must be verified.", False),
        ("Could not decrypt the key.", False),
        (None, False),
    ],
)
def test_refusal_is_recognized_by_its_message(message: str | None, is_one: bool) -> None:
    refusal = orjson.dumps({"error": {"message": message}})
    assert (new_retry().request_after(refusal, upstream_request(FOREIGN)) is not None) is is_one
