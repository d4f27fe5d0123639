"""Helper calls of Codex are known by each of their marks, and belong to a thread."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.codex.threads import (
    AUTO_REVIEW,
    MEMGEN,
    MEMORIES,
    METADATA,
    PARENT,
    PICTURE,
    PURPOSE,
    REVIEW,
    SUB_AGENT,
    SUBAGENT,
    TITLE,
    USER,
    WHAT_IF,
    Threads,
    agent_of,
    parent_thread_for,
    root_thread_for,
    thread_id_in_metadata,
)
from addons.core.headers import Headers
from addons.core.turn import ClientRequest


def request(kind: object = None, *extra: tuple[bytes, bytes], **metadata: object) -> ClientRequest:
    fields = metadata if kind is None else {"request_kind": kind, **metadata}
    headers: Headers = ((METADATA, orjson.dumps(fields)), *extra)
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
        request("turn", (b"thread-id", b"t2"), (PARENT, b"t1")),
    ],
)
def test_helper_call_is_matched_by_any_thread_id(helper: ClientRequest) -> None:
    assert known().slug_for(helper) == "mine"


@pytest.mark.parametrize("kind", [None, "", "turn", "compaction", "prewarm", 7, ["title"]])
def test_user_turn_is_not_a_helper_call(kind: object) -> None:
    assert agent_of(request(kind, THREAD), "gpt-6.1-terra") == USER


LITE = (b"x-openai-internal-codex-responses-lite", b"true")
MEASURED = [
    (request("turn", THREAD, thread_source="user", agent_name="/lead"), "gpt-5.5", USER),
    (request("turn", THREAD, (SUBAGENT, b"collab_spawn"), (PARENT, b"t0"), subagent_kind="thread_spawn", thread_source="subagent"), "gpt-5.5", SUB_AGENT),
    (request("turn", THREAD, (SUBAGENT, b"review"), (PARENT, b"t0"), subagent_kind="review", thread_source="subagent"), "gpt-5.5", REVIEW),
    (request("turn", THREAD, (SUBAGENT, b"guardian"), (PARENT, b"t0"), subagent_kind="guardian", thread_source="guardian_review"), "gpt-5.5", AUTO_REVIEW),
    (request("memory", THREAD, LITE, thread_source="memory_consolidation"), "gpt-6-luna", MEMORIES),
    (request("turn", THREAD, LITE, (SUBAGENT, b"memory_consolidation"), (MEMGEN, b"true"), thread_source="memory_consolidation"), "gpt-6.1-terra", MEMORIES),
]  # fmt: skip
"""The marks of requests of Codex 0.169 and 0.171."""


@pytest.mark.parametrize(("call", "slug", "agent"), MEASURED)
def test_requests_of_codex(call: ClientRequest, slug: str, agent: str) -> None:
    assert agent_of(call, slug) == agent


@pytest.mark.parametrize(
    ("call", "slug", "agent"),
    [
        (request(), "codex-auto-review", AUTO_REVIEW),
        (request(None, (MEMGEN, b"true")), "x", MEMORIES),
        (request(None, (SUBAGENT, b"compact")), "x", USER),
        (request(None, (SUBAGENT, b"new_kind")), "x", "new_kind"),
        (request("new_kind"), "x", "new_kind"),
        (request(thread_source="thread_title"), "x", TITLE),
        (request(subagent_kind="guardian"), "x", AUTO_REVIEW),
        (request(thread_source={}), "x", USER),
    ],
)
def test_each_mark_alone(call: ClientRequest, slug: str, agent: str) -> None:
    assert agent_of(call, slug) == agent


def test_sub_agent_and_helper_leave_the_model_of_the_session() -> None:
    threads = known()
    child = request("turn", (b"thread-id", b"t2"), SESSION)
    threads.note(child, "other", SUB_AGENT)
    threads.note(request("turn", THREAD, SESSION), "helper", REVIEW)
    assert threads.slug_for(request("title", THREAD)) == "mine"
    assert threads.slug_for(request("title", SESSION)) == "mine"
    assert threads.slug_for(child) == "other"
    assert threads.last_slug == "mine"


@pytest.mark.parametrize(
    ("headers", "root"),
    [
        ((THREAD, SESSION), SESSION[1]),
        ((THREAD, (PARENT, b"p")), b"p"),
        ((THREAD,), THREAD[1]),
        (((b"session-id", b""), THREAD), THREAD[1]),
        ((), None),
    ],
)
def test_sub_agent_belongs_to_the_thread_of_its_session(
    headers: tuple[tuple[bytes, bytes], ...], root: bytes | None
) -> None:
    assert root_thread_for(ClientRequest("POST", "/", headers, b"")) == root


def test_parent_is_the_thread_that_the_client_names() -> None:
    named = ClientRequest("POST", "/", (THREAD, SESSION, (PARENT, b"p")), b"")
    assert parent_thread_for(named) == b"p"
    assert parent_thread_for(ClientRequest("POST", "/", (THREAD, SESSION), b"")) is None


def test_unknown_thread_gives_no_slug() -> None:
    assert known().slug_for(request("title", (b"thread-id", b"t9"))) is None


def test_latest_model_wins() -> None:
    threads = known()
    threads.note(request("turn", THREAD), "other")
    assert threads.slug_for(request("title", THREAD)) == "other"


def test_oldest_thread_is_dropped() -> None:
    threads = Threads(max_threads=2)
    for number in (b"1", b"2", b"1", b"3"):
        threads.note(request("turn", (b"thread-id", number)), "mine")
    found = [
        threads.slug_for(request("title", (b"thread-id", number))) for number in (b"1", b"2", b"3")
    ]
    assert found == ["mine", None, "mine"]


@given(st.binary(max_size=60))
def test_any_metadata_is_accepted(value: bytes) -> None:
    helper = ClientRequest("POST", "/v1/responses", ((METADATA, value),), b"{}")
    assert Threads().slug_for(helper) is None


@pytest.mark.parametrize(
    ("metadata", "thread"),
    [
        (b'{"thread_id":"t9","session_id":"s"}', b"t9"),
        (b'{"thread_id":9}', None),
        (b"[]", None),
        (b"{", None),
        (None, None),
    ],
)
def test_thread_of_a_call_beside_the_turns_is_in_its_metadata(
    metadata: bytes | None, thread: bytes | None
) -> None:
    headers = ((b"x-codex-turn-metadata", metadata),) if metadata is not None else ()
    request = ClientRequest("POST", "/v1/alpha/search", headers, b"")
    assert thread_id_in_metadata(request) == thread


def test_request_for_a_description_is_known_by_its_purpose_and_changes_no_thread() -> None:
    asked = request("turn", THREAD, SESSION, (PURPOSE, b"picture"))
    assert agent_of(asked, "eyes") == PICTURE
    threads = known()
    threads.note(asked, "eyes", PICTURE)
    assert threads.slug_for(asked) == threads.last_slug == "mine"


def test_turn_of_a_comparison_is_known_by_its_purpose_and_changes_no_thread() -> None:
    asked = request("turn", THREAD, SESSION, (PURPOSE, b"what-if"))
    assert agent_of(asked, "other") == WHAT_IF
    threads = known()
    threads.note(asked, "other", WHAT_IF)
    assert threads.slug_for(asked) == threads.last_slug == "mine"
