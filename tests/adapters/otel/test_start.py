"""When the export of turns starts, and what is said when it does not."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from addons.adapters.otel.start import REQUIREMENT, start_export
from addons.core.secrets import Secret
from addons.core.settings.key_refs import EnvKey, FileKey, InlineKey
from addons.core.settings.traces import HeaderRef, Traces
from tests.adapters.otel.test_exporter import ended
from tests.fakes.otlp_collector import Collector

TRACES = Traces("http://127.0.0.1:1")
HERE = Path()


def test_nothing_starts_without_a_collector() -> None:
    problems: list[str] = []
    assert start_export(Traces(), {}, HERE, problems.append) is None
    assert problems == []


def test_missing_extra_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "addons.adapters.otel.exporter", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)
    problems: list[str] = []
    assert start_export(TRACES, {}, HERE, problems.append) is None
    [problem] = problems
    command = problem.split("`")[1]
    assert shlex.split(command)[-1] == REQUIREMENT
    assert "then start codex-shim again" in problem


def test_wrong_variable_is_a_problem_and_no_failure() -> None:
    problems: list[str] = []
    env = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert start_export(TRACES, env, HERE, problems.append) is None
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
        "start_export(Traces(), {}, None, print)\n"
        "print(sorted(name for name in sys.modules if name.startswith('opentelemetry')))\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_named_requirement_is_that_of_the_extra() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert REQUIREMENT in project["optional-dependencies"]["otel"]


def test_header_without_a_value_is_a_problem_that_quotes_nothing(tmp_path: Path) -> None:
    (tmp_path / "two").write_text("planted-key-9\nplanted-key-9")
    for ref, problem in (
        (EnvKey(("KEY",)), "the environment variable KEY is not set where codex-shim runs"),
        (EnvKey(("ODD",)), "the environment variable ODD does not hold the value of a header"),
        (FileKey("none"), f"the file {tmp_path}/none does not exist"),
        (FileKey("~/none"), f"the file {tmp_path}/home/none does not exist"),
        (FileKey("two"), f"the file {tmp_path}/two does not hold the value of a header"),
    ):
        problems: list[str] = []
        traces = Traces(TRACES.endpoint, headers=(("x-key", ref),))
        env = {"ODD": "planted-key-9\n2", "HOME": f"{tmp_path}/home"}
        assert start_export(traces, env, tmp_path, problems.append) is None
        end = "Correct it, then start codex-shim again."
        assert problems == [f"Turns are not exported: traces.headers.x-key: {problem}. {end}"]


def test_each_header_reaches_the_collector_that_it_is_bound_to(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("planted-key-2\n")
    refs: dict[str, HeaderRef] = {"X-One": InlineKey(Secret("Bearer planted-key-1")), "x-two": FileKey("key"), "x-three": EnvKey(("K",))}  # fmt: skip
    with Collector() as collector:
        traces = Traces(collector.url, headers=tuple(refs.items()))
        export = start_export(traces, {"K": "planted-key-3"}, tmp_path, print)
        assert export is not None
        assert "planted" not in repr(vars(export))
        export.turn_ended(ended())
        export.close()
    assert len(collector.headers) == 2
    for headers in collector.headers:
        assert [headers[name] for name in ("x-one", "x-two", "x-three")] == [
            "Bearer planted-key-1",
            "planted-key-2",
            "planted-key-3",
        ]


def test_redirect_of_a_collector_is_not_followed() -> None:
    headers = (("x-key", InlineKey(Secret("planted-key-1"))),)
    with Collector() as other, Collector(status=307, location=other.url) as moved:
        export = start_export(Traces(moved.url, headers=headers), {}, HERE, print)
        assert export is not None
        export.turn_ended(ended())
        export.close()
        assert moved.headers[0]["x-key"] == "planted-key-1"
        assert other.headers == []
