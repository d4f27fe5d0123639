"""Requests that a server refuses: each thread goes on, and what was learnt is paid for once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.field.cases_requests import CASES
from tests.field.rig import Case, judge, params, run


@pytest.mark.parametrize("case", params(CASES))
async def test_thread_goes_on(case: Case, tmp_path: Path) -> None:
    judge(case, await run(case, tmp_path))
