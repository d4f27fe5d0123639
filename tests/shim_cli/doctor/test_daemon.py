from __future__ import annotations

import json

import pytest

from addons.core.version import VERSION
from tests.shim_cli.doctor.findings import section_findings, section_messages
from tests.shim_cli.health_server import HEALTHY, answering


def test_running_shim_of_this_version_is_ok(env: dict[str, str]) -> None:
    with answering(200, json.dumps({**HEALTHY, "version": VERSION}).encode()) as port:
        assert section_messages(env, "Daemon", port=port) == [
            ("OK", f"running at http://127.0.0.1:{port}, 3 models"),
            ("OK", f"version {VERSION}, the same as this command"),
        ]


@pytest.mark.parametrize(("version", "expected"), [("9.9.9", "version 9.9.9"), (None, "an older")])
def test_running_shim_of_another_version_is_a_warning(
    env: dict[str, str], version: str | None, expected: str
) -> None:
    report = {**HEALTHY, "version": version, "problems": ["models.json: broken"]}
    with answering(200, json.dumps(report).encode()) as port:
        [_, mismatch, problem] = section_messages(env, "Daemon", port=port)

    assert (mismatch[0], expected in mismatch[1]) == ("WARN", True)
    assert problem == ("WARN", "it reports: models.json: broken")


def test_another_program_on_the_port_fails_and_suggests_another_port(env: dict[str, str]) -> None:
    with answering(404, b"") as port:
        [finding] = section_findings(env, "Daemon", port=port)

    assert (finding.level, finding.advice) == ("FAIL", f"codex-shim start --port {port + 1}")


@pytest.mark.parametrize(
    ("problem", "advice"),
    [
        ("the region or the owner is unknown: refused. Run `codex login` to renew it.", "codex login"),
        ("models.json: `x` is wrong", "codex-shim status --port {port}"),
    ],
)  # fmt: skip
def test_problem_of_the_running_shim_comes_with_its_command(
    env: dict[str, str], problem: str, advice: str
) -> None:
    report = {**HEALTHY, "version": VERSION, "problems": [problem]}
    with answering(200, json.dumps(report).encode()) as port:
        found = section_findings(env, "Daemon", port=port)[-1]

    assert (found.level, found.message) == ("WARN", f"it reports: {problem}")
    assert found.advice == advice.format(port=port)
