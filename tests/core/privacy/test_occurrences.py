"""Known values are found wherever they stand, by a few and by many in the same way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from addons.core.privacy import occurrences
from addons.core.privacy.detectors import Span
from addons.core.privacy.occurrences import FEW, KnownValues

VALUES = st.lists(st.text("ab", min_size=4, max_size=7), unique=True)


@given(VALUES, st.text("ab", max_size=30))
def test_many_values_are_found_as_a_few_are(values: list[str], text: str) -> None:
    few = KnownValues(dict.fromkeys(values, "email"))
    others = {f"other{at}": "email" for at in range(FEW + 1)}
    many = KnownValues({**others, **{value: f"masked-email-{value}" for value in values}})
    assert sorted(few.spans(text)) == sorted(many.spans(text))


def test_overlapping_values_are_all_found_with_their_kinds() -> None:
    known = KnownValues({"abab": "ticket", "babc": "masked-host-000000000000"})
    assert sorted(known.spans("ababab babc")) == [
        Span(0, 4, "ticket"), Span(2, 6, "ticket"), Span(7, 11, "host"),
    ]  # fmt: skip
    assert list(known.spans("aba")) == []


def test_time_does_not_grow_with_the_number_of_values() -> None:
    """A table of customers may hold thousands of them, all with the same beginning."""

    class Text(str):
        """Counts its searches."""

        __slots__ = ()
        searches = 0

        def find(self, *arguments: object) -> int:
            Text.searches += 1
            return super().find(*arguments)  # type: ignore[arg-type]

    known = KnownValues({f"person{at:06d}": "email" for at in range(2000)})
    assert len(list(known.spans(Text("person000007 person001999 person00")))) == 2
    assert Text.searches == 0
    assert max(map(len, known._lengths.values())) == 1
    assert occurrences.FEW < 2000
