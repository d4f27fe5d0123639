"""LOG.md: every case is listed there with its source."""

from __future__ import annotations

import re
from pathlib import Path

from tests.field import (
    cases_answers,
    cases_found,
    cases_found_more,
    cases_later,
    cases_leaks,
    cases_refusals,
    cases_requests,
    cases_review,
)

LOG = Path(__file__).with_name("LOG.md").read_text(encoding="utf-8")
CASES = [
    *cases_requests.CASES,
    *cases_refusals.CASES,
    *cases_answers.CASES,
    *cases_leaks.CASES,
    *cases_found.CASES,
    *cases_found_more.CASES,
    *cases_review.CASES,
    *cases_later.CASES,
]


def test_every_case_is_listed() -> None:
    listed = set(re.findall(r"[\w-]+", " ".join(re.findall(r"^\| ([^|]+) \|", LOG, re.MULTILINE))))
    names = {case.id for case in CASES}
    assert {name for name in names if not {name, name.partition("-")[0]} & listed} == set()


def test_case_has_one_name() -> None:
    assert len({case.id for case in CASES}) == len(CASES)
