from __future__ import annotations

from pathlib import Path

import pytest

from tests.shim_cli.doctor.findings import put, section_findings, section_messages
from tests.support.certificates import make_authority


def test_custom_certificates_are_loaded(env: dict[str, str], tmp_path: Path) -> None:
    file = make_authority(tmp_path).ca_file
    env |= {"CODEX_SHIM_CA_FILE": str(file)}

    assert section_messages(env, "Certificates") == [
        ("OK", f"upstreams are verified with {file} alone (1 CA certificates)")
    ]


@pytest.mark.parametrize(
    ("content", "expected"), [(None, "does not exist"), ("hello", "holds no PEM certificate")]
)
def test_unusable_certificates_fail(
    env: dict[str, str], tmp_path: Path, content: str | None, expected: str
) -> None:
    if content is not None:
        put(tmp_path / "ca.pem", content)
    env |= {"CODEX_SHIM_CA_FILE": str(tmp_path / "ca.pem")}

    [finding] = section_findings(env, "Certificates")

    assert (finding.level, finding.advice) == ("FAIL", "unset CODEX_SHIM_CA_FILE")
    assert expected in finding.message


@pytest.mark.parametrize(("mode", "level"), [(0o600, "INFO"), (0o644, "WARN")])
def test_ca_key_readable_by_others_is_a_warning(
    env: dict[str, str], tmp_path: Path, mode: int, level: str
) -> None:
    put(tmp_path / ".mitmproxy" / "mitmproxy-ca.pem", "key").chmod(mode)

    assert section_messages(env, "Certificates")[1][0] == level
