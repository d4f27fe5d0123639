"""The emitter: any events in any order give a valid stream."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.canonical.events import (
    CallKind,
    Citation,
    Event,
    Failed,
    Omitted,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    Stopped,
    StopReason,
    TextDelta,
    TextDone,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageSeen,
)
from addons.core.protocols.responses.stop_mapping import Client
from tests.conformance import check
from tests.core.protocols.responses.emitted import PROBLEM, USAGE, emitter

TEXTS = st.text(max_size=5)
INDEXES = st.integers(0, 2)
STEPS: st.SearchStrategy[Event] = st.one_of(
    st.builds(TextDelta, TEXTS),
    st.just(TextDone()),
    st.builds(RefusalDelta, TEXTS),
    st.builds(Citation, TEXTS, TEXTS, st.none() | INDEXES, st.none() | INDEXES),
    st.builds(Omitted, TEXTS, st.just("") | st.just("[Left out.]")),
    st.builds(ReasoningDelta, TEXTS),
    st.builds(ReasoningDone, st.none() | st.text(min_size=1, max_size=5)),
    st.builds(
        ToolCallStart,
        INDEXES,
        st.just("call_x"),
        st.just("exec"),
        st.none() | st.just("ns"),
        st.sampled_from([CallKind.FUNCTION, CallKind.CUSTOM]),
    ),
    st.builds(ToolCallDelta, INDEXES, st.sampled_from(["{}", "{", "}", ""])),
    st.builds(ToolCallEnd, INDEXES),
    st.just(UsageSeen(USAGE)),
)
ENDS: st.SearchStrategy[Event] = st.builds(Stopped, st.sampled_from(StopReason)) | st.just(Failed(PROBLEM))  # fmt: skip


def run(steps: Sequence[Event], cuts: Sequence[int], client: Client) -> bytes:
    writer = emitter(client)
    edges = sorted({0, len(steps), *(cut % (len(steps) + 1) for cut in cuts)})
    return writer.open() + b"".join(writer.emit(steps[a:b]) for a, b in itertools.pairwise(edges))


@given(st.lists(STEPS, max_size=20), ENDS, st.lists(st.integers(0, 30)), st.sampled_from(Client))
def test_any_events_give_a_valid_stream(
    steps: list[Event], end: Event, cuts: list[int], client: Client
) -> None:
    script = [*steps, end]
    whole = run(script, [], client)
    check(whole)
    assert run(script, cuts, client) == whole


@given(st.lists(STEPS, max_size=20), st.sampled_from(Client))
def test_any_events_can_be_followed_by_a_failure(steps: list[Event], client: Client) -> None:
    writer = emitter(client)
    sent = writer.emit(steps)
    check(sent + writer.fail(PROBLEM))
