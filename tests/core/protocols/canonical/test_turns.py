from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.canonical.conversation import (
    Assistant,
    Call,
    Item,
    Output,
    System,
    Text,
    User,
)
from addons.core.protocols.canonical.turns import NO_OUTPUT, Exchange, Turn, group_turns

U = User((Text("hi"),))
IDS = st.sampled_from(("a", "b", "c"))
ITEMS = st.lists(
    st.builds(Call, IDS, st.just("run"), st.just("{}"))
    | st.builds(Output, IDS, st.just((Text("out"),)))
    | st.sampled_from((U, System("s"), Assistant("t"))),
    max_size=12,
)


def call(call_id: str) -> Call:
    return Call(call_id, "run", "{}")


def output(call_id: str, text: str = "out") -> Output:
    return Output(call_id, (Text(text),))


def blocks(turns: tuple[Turn, ...]) -> list[object]:
    """Return all blocks in order, without the placeholders at the end of the history."""
    found: list[object] = []
    for index, turn in enumerate(turns):
        if isinstance(turn, Exchange):
            last = index == len(turns) - 1
            found += [*turn.blocks, *turn.outputs, *(() if last else turn.missing)]
        else:
            found.append(turn)
    return found


def test_parallel_calls_and_their_outputs_are_one_exchange() -> None:
    turns = group_turns([U, Assistant("t"), call("a"), call("b"), output("b"), output("a")])
    assert turns == (
        U,
        Exchange((Assistant("t"), call("a"), call("b")), (output("b"), output("a"))),
    )


def test_call_after_an_output_starts_a_new_exchange() -> None:
    turns = group_turns([call("a"), output("a"), call("b"), output("b")])
    assert turns == (
        Exchange((call("a"),), (output("a"),)),
        Exchange((call("b"),), (output("b"),)),
    )


def test_text_between_a_call_and_its_output_stays_in_the_exchange() -> None:
    turns = group_turns([call("a"), Assistant("t"), output("a")])
    assert turns == (Exchange((call("a"), Assistant("t")), (output("a"),)),)


def test_unanswered_call_gets_a_placeholder() -> None:
    turns = group_turns([call("a"), call("b"), output("b"), U])
    assert turns == (
        Exchange((call("a"), call("b")), (output("b"),), (output("a", NO_OUTPUT),)),
        U,
    )


def test_stray_output_becomes_user_text_with_its_call_id() -> None:
    (turn,) = group_turns([output("call_9", "kept")])
    assert isinstance(turn, User)
    note, kept = turn.parts
    assert isinstance(note, Text)
    assert "call_9" in note.text
    assert kept == Text("kept")


def test_repeated_call_id_is_renamed_with_its_output() -> None:
    _, again = group_turns([call("a"), output("a"), call("a"), output("a", "second")])
    assert again == Exchange((call("a_2"),), (output("a_2", "second"),))


@given(ITEMS)
def test_every_call_has_one_output_and_a_unique_id(items: list[Item]) -> None:
    seen: list[str] = []
    for turn in group_turns(items):
        if isinstance(turn, Exchange):
            call_ids = [call.call_id for call in turn.calls]
            assert sorted(call_ids) == sorted(answer.call_id for answer in turn.answers)
            seen += call_ids
    assert len(seen) == len(set(seen))


@given(ITEMS, ITEMS)
def test_blocks_of_a_history_are_a_prefix_of_its_extension(
    items: list[Item], more: list[Item]
) -> None:
    before, after = blocks(group_turns(items)), blocks(group_turns(items + more))
    assert after[: len(before)] == before


@given(ITEMS)
def test_no_item_is_lost(items: list[Item]) -> None:
    kept = sum(
        len(turn.blocks) + len(turn.outputs) if isinstance(turn, Exchange) else 1
        for turn in group_turns(items)
    )
    assert kept == len(items)
