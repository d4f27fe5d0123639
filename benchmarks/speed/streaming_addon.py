"""A mitmproxy addon that streams requests and responses, for the bare mitmdump of the benchmark."""

from __future__ import annotations

from mitmproxy import http


def requestheaders(flow: http.HTTPFlow) -> None:
    """Stream the request."""
    flow.request.stream = True


def responseheaders(flow: http.HTTPFlow) -> None:
    """Stream the response."""
    if flow.response:
        flow.response.stream = True
