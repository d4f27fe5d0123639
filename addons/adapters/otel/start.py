"""Starts the export of turns if a collector is configured.

Never does: import OpenTelemetry without need, quote a header's value. Invariant: total; what keeps turns from being
exported is a text for the user, and turns go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from addons.adapters.system.files import CachedFile, FileAccessError
from addons.adapters.system.packages import install_command
from addons.adapters.system.paths import home
from addons.core.secrets import Origin, Secret, SecretHeader
from addons.core.settings.key_refs import EnvKey, FileKey, InlineKey
from addons.core.settings.traces import (
    Export,
    HeaderRef,
    Traces,
    export_for,
    is_header_value,
)
from addons.core.upstream.api_keys import KeyProblem

if TYPE_CHECKING:
    from addons.adapters.otel.exporter import TurnExporter

REQUIREMENT = "opentelemetry-exporter-otlp-proto-http>=1.45,<2"
"""It depends on the rest of the extra `otel`."""
_NOT_EXPORTED = "Turns are not exported: {}. Correct it, then start codex-shim again."


def start_export(
    traces: Traces, env: Mapping[str, str], folder: Path, problem: Callable[[str], None]
) -> TurnExporter | None:
    """Return what exports turns; None without a collector, or after `problem` was called.

    `folder` is that of models.json, where relative paths of key files start.
    """
    try:
        export = export_for(traces, env)
    except ValueError as error:
        problem(_NOT_EXPORTED.format(error))
        return None
    found = tuple(_headers(traces, env, folder)) if export else ()
    headers = tuple(each for each in found if isinstance(each, SecretHeader))
    for each in found:
        if isinstance(each, KeyProblem):
            problem(_NOT_EXPORTED.format(each.message))
    return _exporter(export, env, headers, problem) if export and headers == found else None


def _headers(
    traces: Traces, env: Mapping[str, str], folder: Path
) -> Iterator[SecretHeader | KeyProblem]:
    """Yield each header, bound to the collector, or the reason why it has no value."""
    for name, ref in traces.headers:
        found = _resolved(ref, env, folder)
        yield (
            SecretHeader(name.encode(), found, Origin.of(traces.endpoint))
            if isinstance(found, Secret)
            else KeyProblem(f"traces.headers.{name}: {found.message}")
        )


def key_file(ref: FileKey, env: Mapping[str, str], folder: Path) -> Path:
    """Return the path of the file that holds a value."""
    return home(env) / ref.path[2:] if ref.path.startswith("~/") else folder / ref.path


def _resolved(ref: HeaderRef, env: Mapping[str, str], folder: Path) -> Secret | KeyProblem:
    """Return a value, or the reason why there is none."""
    if isinstance(ref, InlineKey):
        return ref.secret
    if isinstance(ref, EnvKey):
        [variable] = ref.variables
        where, text = f"the environment variable {variable}", env.get(variable, "").strip()
        if not text:
            return KeyProblem(f"{where} is not set where codex-shim runs")
    else:
        path = key_file(ref, env, folder)
        try:
            data = CachedFile(path).read()
        except FileAccessError as error:
            return KeyProblem(f"the file {error}")
        if data is None:
            return KeyProblem(f"the file {path} does not exist")
        where, text = f"the file {path}", data.decode("latin-1").strip()
    if is_header_value(text):
        return Secret(text)
    return KeyProblem(f"{where} does not hold the value of a header")


def _exporter(
    export: Export,
    env: Mapping[str, str],
    headers: tuple[SecretHeader, ...],
    problem: Callable[[str], None],
) -> TurnExporter | None:
    try:
        from addons.adapters.otel.exporter import TurnExporter  # noqa: PLC0415  an optional extra
    except ImportError:
        problem(
            "Turns are not exported: a collector is configured, and OpenTelemetry is not installed. "
            f"Type `{install_command(REQUIREMENT)}`, then start codex-shim again."
        )
        return None
    return TurnExporter(export, env, headers)
