from __future__ import annotations

import pytest

from tests.shim_cli.doctor.findings import section_messages


def test_installed_dependencies_are_ok(env: dict[str, str]) -> None:
    dependencies = section_messages(env, "Dependencies")

    assert {level for level, _ in section_messages(env, "Python") + dependencies} == {"OK"}
    assert dependencies[0][1].startswith("mitmproxy 12.")


@pytest.mark.parametrize(
    ("installed", "level"),
    [
        ("12.2.0", "OK"),
        ("12.3.1", "OK"),
        ("12.4.0", "FAIL"),
        ("12.1.9", "FAIL"),
        ("13.0.0", "FAIL"),
        ("", "FAIL"),
    ],
)
def test_unsupported_mitmproxy_fails(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch, installed: str, level: str
) -> None:
    monkeypatch.setattr("shim_cli.doctor.packages.installed_version", lambda _package: installed)

    assert section_messages(env, "Dependencies")[0][0] == level
