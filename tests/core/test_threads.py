"""Helper calls of Codex go to their thread's model; turns of the user's own never move."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.headers import Headers
from addons.core.threads import METADATA, Threads
from addons.core.turn import ClientRequest


def request(kind: object = None, *extra: tuple[bytes, bytes], **metadata: object) -> ClientRequest:
    told = metadata if kind is None else {"request_kind": kind, **metadata}
    headers: Headers = ((METADATA, orjson.dumps(told)), *extra)
    return ClientRequest("POST", "/v1/responses", headers, b"{}")


THREAD = (b"thread-id", b"t1")
SESSION = (b"session-id", b"s1")


def known() -> Threads:
    threads = Threads()
    threads.note(request("turn", THREAD, SESSION), "mine")
    return threads


@pytest.mark.parametrize(
    "helper",
    [
        request("auto_review", THREAD),
        request("title", SESSION),
        request("title", (b"thread-id", b"t2"), SESSION),
        request("title", thread_id="t1"),
        request("title", thread_id="t2", parent_thread_id="t1"),
        request("title", session_id="s1"),
    ],
)
def test_a_helper_is_found_by_each_name_of_its_thread(helper: ClientRequest) -> None:
    assert known().slug_for_helper(helper) == "mine"


@pytest.mark.parametrize("kind", [None, "", "turn", "compaction", 7, ["title"]])
def test_a_turn_of_the_users_own_stays(kind: object) -> None:
    assert known().slug_for_helper(request(kind, THREAD)) is None


def test_a_thread_that_was_never_seen_is_not_guessed() -> None:
    assert known().slug_for_helper(request("title", (b"thread-id", b"t9"))) is None


def test_the_last_model_counts() -> None:
    threads = known()
    threads.note(request("turn", THREAD), "other")
    assert threads.slug_for_helper(request("title", THREAD)) == "other"


def test_only_the_last_threads_are_kept() -> None:
    threads = Threads(most=2)
    for number in (b"1", b"2", b"1", b"3"):
        threads.note(request("turn", (b"thread-id", number)), "mine")
    found = [
        threads.slug_for_helper(request("title", (b"thread-id", number)))
        for number in (b"1", b"2", b"3")
    ]
    assert found == ["mine", None, "mine"]


@given(st.binary(max_size=60))
def test_any_metadata_is_read_or_left(value: bytes) -> None:
    asked = ClientRequest("POST", "/v1/responses", ((METADATA, value),), b"{}")
    assert Threads().slug_for_helper(asked) is None
