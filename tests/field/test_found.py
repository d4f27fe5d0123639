"""Cases found in public issue threads, of every kind: requests, refusals and answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.field.cases_found import CASES
from tests.field.cases_found_more import CASES as MORE
from tests.field.cases_later import CASES as LATER
from tests.field.cases_review import CASES as REVIEW
from tests.field.rig import Case, judge, params, run


@pytest.mark.parametrize("case", params([*CASES, *MORE, *REVIEW, *LATER]))
async def test_outcome_is_right(case: Case, tmp_path: Path) -> None:
    judge(case, await run(case, tmp_path))
