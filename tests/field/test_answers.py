"""Answers in unusual forms: Codex gets what the model meant, and an empty answer is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.field.cases_answers import CASES
from tests.field.cases_leaks import CASES as LEAKS
from tests.field.rig import Case, judge, params, run


@pytest.mark.parametrize("case", params([*CASES, *LEAKS]))
async def test_answer_is_read_whole(case: Case, tmp_path: Path) -> None:
    judge(case, await run(case, tmp_path))
