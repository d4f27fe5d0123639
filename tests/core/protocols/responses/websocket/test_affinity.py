"""Later requests of a turn have the state of its first answer, and those of another turn have none."""

from __future__ import annotations

import pytest

from addons.core.protocols.responses.websocket.affinity import Affinity


def state(value: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"X-Codex-Turn-State", value),)


def test_first_state_of_a_turn_is_returned_until_the_turn_ends() -> None:
    affinity = Affinity()
    affinity.begin("t1")
    assert not affinity.joined(())
    affinity.note(())
    affinity.note(state(b"one"))
    affinity.note(state(b"two"))
    affinity.begin("t1")
    assert affinity.joined(()) == ((b"x-codex-turn-state", b"one"),)
    affinity.begin("t2")
    assert not affinity.joined(())


def test_request_without_a_turn_has_no_state() -> None:
    affinity = Affinity()
    affinity.begin("")
    affinity.note(state(b"one"))
    affinity.begin("")
    assert not affinity.joined(())


@pytest.mark.parametrize("turn_id", ["t1", ""])
def test_state_of_the_upgrade_belongs_to_the_first_turn(turn_id: str) -> None:
    affinity = Affinity(state(b"one"))
    affinity.begin(turn_id)
    assert affinity.joined(()) == ((b"x-codex-turn-state", b"one"),)
    affinity.begin("t2")
    assert not affinity.joined(())


def test_state_that_a_request_names_itself_is_the_only_one() -> None:
    affinity, own = Affinity(state(b"one")), ((b"x-codex-turn-state", b"own"), (b"a", b"b"))
    affinity.begin("t1")
    assert affinity.joined(own) == own
    assert affinity.joined(own[1:]) == (own[1], (b"x-codex-turn-state", b"one"))
