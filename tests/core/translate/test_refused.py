"""What is remembered of refused reasoning: digests, of the newest threads."""

from __future__ import annotations

from addons.core.translate.refused import MOST_OF_A_THREAD, MOST_THREADS, Refused, digest
from addons.core.turn import ClientRequest


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
