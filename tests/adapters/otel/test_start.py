"""When the export of turns starts, and what is said when it does not."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from addons.adapters.otel.start import REQUIREMENT, start_export
from addons.core.settings.traces import Traces

TRACES = Traces("http://127.0.0.1:1")


def test_nothing_starts_without_a_collector() -> None:
    problems: list[str] = []
    assert start_export(Traces(), {}, problems.append) is None
    assert problems == []


def test_missing_extra_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "addons.adapters.otel.exporter", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)
    problems: list[str] = []
    assert start_export(TRACES, {}, problems.append) is None
    [problem] = problems
    command = problem.split("`")[1]
    assert shlex.split(command)[-1] == REQUIREMENT
    assert "then start codex-shim again" in problem


def test_wrong_variable_is_a_problem_and_no_failure() -> None:
    problems: list[str] = []
    env = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert start_export(TRACES, env, problems.append) is None
    [problem] = problems
    assert problem == (
        "Turns are not exported: OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' is not supported, only http/protobuf. "
        "Correct it, then start codex-shim again."
    )


def test_opentelemetry_is_not_imported_while_nothing_is_exported() -> None:
    code = (
        "import sys\n"
        "import addons.proxy.addon\n"
        "from addons.adapters.otel.start import start_export\n"
        "from addons.core.settings.traces import Traces\n"
        "start_export(Traces(), {}, print)\n"
        "print(sorted(name for name in sys.modules if name.startswith('opentelemetry')))\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_named_requirement_is_that_of_the_extra() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert REQUIREMENT in project["optional-dependencies"]["otel"]
