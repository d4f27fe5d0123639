"""The parsers of the official Prometheus client, which refuse what the formats do not allow."""

from __future__ import annotations

from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families


def parse_openmetrics(text: bytes) -> list[Metric]:
    """Read OpenMetrics 1.0. Raise ValueError for what it does not allow."""
    return list(openmetrics.text_string_to_metric_families(text.decode()))  # type: ignore[no-untyped-call]


def parse_text(text: bytes) -> list[Metric]:
    """Read the text format 0.0.4. Raise ValueError for what it does not allow."""
    return list(text_string_to_metric_families(text.decode()))
