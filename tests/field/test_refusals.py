"""Refusals as gateways phrase them: Codex gets their meaning, and no request is repeated in vain."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.field.cases_refusals import CASES
from tests.field.rig import Case, judge, params, run


@pytest.mark.parametrize("case", params(CASES))
async def test_refusal_keeps_its_meaning(case: Case, tmp_path: Path) -> None:
    judge(case, await run(case, tmp_path))
