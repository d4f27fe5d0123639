"""Starts the export of turns if a collector is configured.

Never does: import OpenTelemetry without need. Invariant: total; what keeps turns from being exported is a text for the
user, and turns go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from addons.adapters.system.packages import install_command
from addons.core.settings.traces import Export, Traces, export_for

if TYPE_CHECKING:
    from addons.adapters.otel.exporter import TurnExporter

REQUIREMENT = "opentelemetry-exporter-otlp-proto-http>=1.45,<2"
"""It depends on the rest of the extra `otel`."""


def start_export(
    traces: Traces, env: Mapping[str, str], problem: Callable[[str], None]
) -> TurnExporter | None:
    """Return what exports turns; None without a collector, or after `problem` was called."""
    try:
        export = export_for(traces, env)
    except ValueError as error:
        problem(f"Turns are not exported: {error}. Correct it, then start codex-shim again.")
        return None
    return _exporter(export, env, problem) if export else None


def _exporter(
    export: Export, env: Mapping[str, str], problem: Callable[[str], None]
) -> TurnExporter | None:
    try:
        from addons.adapters.otel.exporter import TurnExporter  # noqa: PLC0415  an optional extra
    except ImportError:
        problem(
            "Turns are not exported: a collector is configured, and OpenTelemetry is not installed. "
            f"Type `{install_command(REQUIREMENT)}`, then start codex-shim again."
        )
        return None
    return TurnExporter(export, env)
