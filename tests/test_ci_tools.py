"""The CI tools other than tests: the secret scan, the dependency audit and the CI script itself."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from scripts.audit import outcome
from scripts.secret_scan import findings, scan, tracked

ROOT = Path(__file__).parents[1]
SAMPLES = {
    "OpenAI key": "sk-" + "proj-" + "Ab3dEf6hIj9kLm2nOp5qRs8t",
    "Anthropic key": "sk-" + "ant-api03-" + "Ab3dEf6hIj9kLm2nOp5qRs8t",
    "GitHub token": "ghp_" + "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4zAb3d",
    "Google key": "AIza" + "SyAb3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z0",
    "AWS key": "AKIA" + "IOSFODNN7EXAMPLQ",
    "private key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "JWT": "eyJhbGciOiJSUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "x7Qp-2mVb9LsT4cR8nWkZ1aYfGdHuJ3e",
}  # fmt: skip


@pytest.mark.parametrize("kind", SAMPLES)
def test_each_kind_of_secret_is_found_and_not_printed(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text(f"one\ntoken = {SAMPLES[kind]}\n")
    (found,) = findings(file)
    assert found.endswith(f":2: {kind}")
    assert SAMPLES[kind] not in found


@pytest.mark.parametrize(
    "text", ["sk-dummy", "sk-xxxxxxxxxxxxxxxxxxxxxxxx", "Bearer codex-shim", "ghp_short"]
)
def test_placeholder_is_not_a_secret(text: str, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text(text)
    assert list(findings(file)) == []


def test_folder_is_scanned_recursively(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "flows.mitm").write_bytes(b"\x00\xff" + SAMPLES["JWT"].encode())
    assert len(scan([tmp_path])) == 1


def test_checkout_holds_no_secret() -> None:
    files = tracked(ROOT)
    assert len(files) > 300
    assert scan(files) == []


@pytest.mark.parametrize("kind", ["e2e", "sdk", "browser"])
def test_ci_script_collects_the_only_folder_with_tests_of_real_clients(kind: str) -> None:
    files = (ROOT / "tests").rglob("test_*.py")
    marked = [file for file in files if f"pytest.mark.{kind}" in file.read_text()]
    assert marked
    assert [file for file in marked if not file.is_relative_to(ROOT / "tests" / kind)] == []
    assert f"pytest tests/{kind} -m {kind} " in (ROOT / ".ci" / "run").read_text()


def test_ci_script_is_valid_and_has_every_step() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    steps = "structure docs audit secrets fuzz patterns unused simulation lint types tests lowest newest e2e clients sdk browser speed radar"
    for step in steps.split():
        assert f"step {step} " in text, step
    # What runs in the background is waited for: its result counts, and nothing computes beside the step `speed`.
    background, finished = (
        set(re.findall(pattern, text))
        for pattern in (r"(?m)^(?:.*&& | +)?background (\w+) \S", r"finish \"?(\w+)")
    )
    assert background - {"install_lowest", "install_newest"} <= finished
    assert {"types", "clients", "bytecode", "simulation"} <= background
    done = subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("code", "output", "exit_code", "message"),
    [
        (0, "No known vulnerabilities found", 0, "no known"),
        (1, "requests.exceptions.ConnectionError: Max retries exceeded", 0, "skipped"),
        (1, "Found 1 known vulnerability in 1 package. ConnectionError", 1, "FAILED"),
        (2, "usage: pip-audit", 1, "FAILED"),
    ],
)
def test_audit_is_skipped_only_when_the_service_is_unreachable(
    code: int, output: str, exit_code: int, message: str
) -> None:
    found_code, found_message = outcome(code, output)
    assert found_code == exit_code
    assert message in found_message
