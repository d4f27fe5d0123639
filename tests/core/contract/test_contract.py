"""Contracts: written, read, merged and compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.contract.contract import (
    SECTIONS,
    Contract,
    ContractError,
    Difference,
    differences,
    dumps,
    loads,
    merged,
)

NAMES = st.dictionaries(
    st.sampled_from("abc"), st.frozensets(st.sampled_from("xyz"), max_size=3), max_size=3
)
PARTS = st.fixed_dictionaries(dict.fromkeys(SECTIONS, NAMES))
CONTRACTS = st.builds(lambda part: merged("1.2.3", [part]), PARTS)


@given(CONTRACTS)
def test_contract_that_is_read_again_is_the_same(contract: Contract) -> None:
    assert loads(dumps(contract)) == contract


@given(CONTRACTS, CONTRACTS)
def test_differences_are_those_and_no_others(before: Contract, after: Contract) -> None:
    found = differences(before, after)
    assert len(set(found)) == len(found)
    for section in SECTIONS:
        old, new = dict(before.names(section)), dict(after.names(section))
        for one in found:
            if one.section != section:
                continue
            into = old if one.is_new else new
            if one.member:
                into[one.name] |= {one.member}
            else:
                into[one.name] = (new if one.is_new else old)[one.name]
        assert old == new
    assert differences(after, after) == []


def test_new_and_removed_names_and_members_are_told_apart() -> None:
    before = merged("1", [{"tool": {"shell": frozenset({"cmd", "old"}), "gone": frozenset()}}])
    after = merged("2", [{"tool": {"shell": frozenset({"cmd", "new"}), "added": frozenset({"a"})}}])
    assert differences(before, after) == [
        Difference("tool", "added", "", is_new=True),
        Difference("tool", "gone", "", is_new=False),
        Difference("tool", "shell", "new", is_new=True),
        Difference("tool", "shell", "old", is_new=False),
    ]


@given(PARTS, PARTS)
def test_merged_contract_has_everything_of_its_parts(one: dict, other: dict) -> None:  # type: ignore[type-arg]
    whole = merged("1", [one, other])
    for part in (one, other):
        assert not any(each.is_new for each in differences(whole, merged("1", [part])))


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"{", "no JSON"), (b"[]", "format is None"), (b'{"format": 2}', "format is 2")],
)
def test_file_that_is_no_contract_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ContractError, match=reason):
        loads(data)
