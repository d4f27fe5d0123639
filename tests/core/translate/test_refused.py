"""What is remembered of refused reasoning: digests, of the newest threads."""

from __future__ import annotations

import orjson
import pytest

from addons.core.credential import Origin
from addons.core.translate.refused import (
    MOST_OF_A_THREAD,
    MOST_THREADS,
    Refused,
    SecondTry,
    digest,
)
from addons.core.turn import ClientRequest, Head, WireRequest

THEIRS = {"type": "reasoning", "encrypted_content": "blob"}
REFUSAL = b'{"error": {"code": "invalid_encrypted_content"}}'


def wire(*items: object) -> WireRequest:
    body = orjson.dumps({"input": list(items)})
    return WireRequest(Origin("https", "up.example", 443), "POST", "/v1/responses", (), body)


def second_try() -> SecondTry:
    return SecondTry(Refused(), of(b"a"), 1_000_000)


def of(thread: bytes) -> ClientRequest:
    headers = ((b"thread-id", thread),) if thread else ()
    return ClientRequest("POST", "/v1/responses", headers, b"{}")


def test_what_a_thread_was_refused_adds_up() -> None:
    refused = Refused()
    refused.note(of(b"a"), {digest("1")})
    refused.note(of(b"a"), {digest("2")})
    assert refused.of(of(b"a")) == {digest("1"), digest("2")}
    assert refused.of(of(b"b")) == frozenset()


def test_a_request_without_a_thread_leaves_nothing() -> None:
    refused = Refused()
    refused.note(of(b""), {digest("1")})
    assert refused.of(of(b"")) == frozenset()


def test_the_oldest_threads_are_forgotten() -> None:
    refused = Refused()
    for number in range(MOST_THREADS):
        refused.note(of(b"%d" % number), {digest("1")})
    refused.note(of(b"0"), {digest("2")})
    refused.note(of(b"new"), {digest("1")})
    assert refused.of(of(b"0"))
    assert not refused.of(of(b"1"))
    assert refused.of(of(b"new"))


def test_a_thread_with_more_than_can_be_meant_is_not_remembered() -> None:
    refused = Refused()
    refused.note(of(b"a"), {digest(str(number)) for number in range(MOST_OF_A_THREAD + 1)})
    assert refused.of(of(b"a")) == frozenset()
    refused.note(of(b"a"), {digest(str(number)) for number in range(MOST_OF_A_THREAD)})
    assert len(refused.of(of(b"a"))) == MOST_OF_A_THREAD


def test_a_digest_says_nothing_of_a_blob_and_takes_any() -> None:
    assert digest("blob") == digest("blob") != digest("blob2")
    assert len(digest("x" * 10_000)) == 12
    assert digest("\ud800")


def test_a_turn_gets_one_second_try() -> None:
    trying, asked, refusal = second_try(), wire(THEIRS), Head(400)
    assert trying.may_help(refusal, asked)
    assert trying.after(REFUSAL, asked) == wire()
    assert trying.after(REFUSAL, asked) is None
    assert not trying.may_help(refusal, asked)


@pytest.mark.parametrize(
    "item", [{**THEIRS, "type": "compaction"}, {**THEIRS, "encrypted_content": None}, "encrypted"]
)
def test_what_is_no_encrypted_reasoning_is_worth_no_second_try(item: object) -> None:
    assert second_try().after(REFUSAL, wire(item)) is None
    assert second_try().after(REFUSAL, wire(item, THEIRS)) == wire(item)


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"input": "encrypted_content"}'])
def test_a_body_without_items_is_worth_no_second_try(body: bytes) -> None:
    asked = WireRequest(Origin("https", "up.example", 443), "POST", "/", (), body)
    assert second_try().after(REFUSAL, asked) is None


def test_a_body_over_the_cap_is_not_looked_into() -> None:
    trying = SecondTry(Refused(), of(b"a"), 10)
    assert not trying.may_help(Head(400), wire(THEIRS))
    assert trying.after(REFUSAL, wire(THEIRS)) is None


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
def test_a_refusal_is_known_by_its_words(message: str | None, is_one: bool) -> None:
    refusal = orjson.dumps({"error": {"message": message}})
    assert (second_try().after(refusal, wire(THEIRS)) is not None) is is_one
