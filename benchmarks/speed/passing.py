"""What a bare mitmdump is given, so that it streams both ways instead of collecting bodies."""

from __future__ import annotations

from mitmproxy import http


def requestheaders(flow: http.HTTPFlow) -> None:
    """Pass the request on as it comes."""
    flow.request.stream = True


def responseheaders(flow: http.HTTPFlow) -> None:
    """Pass the answer on as it comes."""
    if flow.response:
        flow.response.stream = True
