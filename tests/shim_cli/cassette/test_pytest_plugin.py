"""The pytest plugin in a project that knows nothing else of codex-shim."""

from __future__ import annotations

import pytest

from shim_cli.cassette import pytest_plugin
from shim_cli.cassette.pytest_plugin import replaying
from tests.core.cassette.turns import DONE, body, file_of, turn

pytest_plugins = ["pytester"]

FOREIGN_TEST = """
import json, urllib.error, urllib.request
import pytest

def ask(base_url, body):
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(base_url + "/responses", body.encode(), headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
        return answer.read().decode()

BODY = %r
DONE = %r

def test_recorded_turn(codex_cassette):
    assert ask(codex_cassette("turns.jsonl"), BODY) == DONE

def test_other_turn(codex_cassette):
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(codex_cassette("turns.jsonl"), BODY.replace("hi", "ho"))
    assert "has no turn for this request" in caught.value.read().decode()
    assert ask(codex_cassette("turns.jsonl", loose=True), BODY.replace("hi", "ho")) == DONE
"""


@pytest.mark.timeout(60)
def test_fixture_works_in_a_foreign_project(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["shim_cli.cassette.pytest_plugin"]')
    (pytester.path / "turns.jsonl").write_bytes(file_of(turn("hi")))
    pytester.makepyfile(FOREIGN_TEST % (body("hi"), DONE))
    result = pytester.runpytest_subprocess("-q", "-p", "no:randomly", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=2)


def test_file_that_cannot_be_replayed_is_named(pytester: pytest.Pytester) -> None:
    with (
        pytest.raises(RuntimeError, match="missing cannot be read"),
        replaying(pytester.path / "missing"),
    ):
        pass


def test_public_names_are_those_of_the_docs() -> None:
    assert pytest_plugin.__all__ == ["CodexCassette", "codex_cassette", "replaying"]
