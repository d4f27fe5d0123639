"""Where traces and metrics of turns are exported to: `traces` of models.json, and OpenTelemetry's own variables.

Source: the OTLP exporter specification of OpenTelemetry. Never does: read a variable that holds a header, quote the value
of one. Invariant: total; without an endpoint, or with a wrong one, nothing is exported. Each header is a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from addons.core.headers import HOP_BY_HOP, bad_header
from addons.core.limits import shown
from addons.core.secrets import Origin, Secret
from addons.core.settings.key_refs import EnvKey, FileKey, InlineKey
from addons.core.settings.near_miss import nearest

FIELDS = ("endpoint", "text", "headers")
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_SIGNAL_ENDPOINT = "OTEL_EXPORTER_OTLP_{}_ENDPOINT"
_SIGNAL_EXPORTER = "OTEL_{}_EXPORTER"
DISABLED = "OTEL_SDK_DISABLED"
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
HTTP_PROTOCOL = "http/protobuf"

SET_BY_LIBRARY = HOP_BY_HOP | {b"host", b"content-length", b"content-type", b"content-encoding"}
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOT_PLAIN = "its value is empty, or not plain text of ASCII characters on one line"
_KINDS = ("env", "file")
_VALUE_FORMS = 'it is neither text, {"env": "VARIABLE"} nor {"file": "PATH"}'

Wrong = Callable[[tuple[str, ...], str], None]
"""Takes the path of a value and what is wrong with it."""
HeaderRef = InlineKey | EnvKey | FileKey
"""Where the value of a header comes from."""


@dataclass(frozen=True, slots=True)
class Traces:
    """`traces` of models.json."""

    endpoint: str = ""
    """The base URL of a collector."""
    text: bool = False
    """Whether spans have the text of turns."""
    headers: tuple[tuple[str, HeaderRef], ...] = ()
    """Name → where its value comes from, of the headers that the collector gets. Only with an endpoint."""

    @property
    def holds_key(self) -> bool:
        """Whether models.json itself holds the value of a header."""
        return any(isinstance(ref, InlineKey) for _, ref in self.headers)


@dataclass(frozen=True, slots=True)
class Export:
    """What is exported to where. An empty URL: nothing."""

    spans_url: str
    metrics_url: str
    text: bool = False


def traces_from(values: Mapping[str, object], wrong: Wrong) -> Traces | None:
    """Return the settings of an object; None, after a call of `wrong` for each problem, if it has any."""
    problems = {name: _unknown(name) for name in sorted(values.keys() - set(FIELDS))}
    endpoint, text = values.get("endpoint", ""), values.get("text", False)
    if not isinstance(endpoint, str):
        problems["endpoint"] = f"{shown(endpoint)} is not a URL"
    elif "endpoint" in values:
        try:
            Origin.of(endpoint)
        except ValueError as error:
            problems["endpoint"] = str(error)
    if not isinstance(text, bool):
        problems["text"] = f"{shown(text)} is neither true nor false"
    headers = _headers(values.get("headers", {}), problems)
    if headers and not problems and (reason := _unsafe(str(endpoint))):
        problems["headers"] = reason
    for name, reason in problems.items():
        wrong(("traces", *name.split(".", 1)), reason)
    return None if problems else Traces(str(endpoint), text is True, headers)


def _unknown(name: str) -> str:
    near = nearest(name, FIELDS)
    meant = f". Did you mean {near!r}?" if near else f": they are {', '.join(FIELDS)}"
    return f"there is no such setting{meant}"


def _unsafe(endpoint: str) -> str:
    """Return why headers cannot be sent to an address."""
    if not endpoint:
        return f'name the "endpoint" that gets them, or put them into the variable {HEADERS}'
    origin = Origin.of(endpoint)
    if origin.scheme == "http" and not origin.is_loopback:
        return f"they may be keys, and {origin} is another machine without encryption: use https"
    return ""


def _headers(values: object, problems: dict[str, str]) -> tuple[tuple[str, HeaderRef], ...]:
    """Return the headers of an object, and note what is wrong with them. No problem quotes a value."""
    if not isinstance(values, dict):
        problems["headers"] = "not an object of names and values"
        return ()
    found: list[tuple[str, HeaderRef]] = []
    for name, value in values.items():
        ref = _value(value)
        reason = _name_problem(name)
        if not reason and isinstance(ref, str):
            reason = ref
        if reason:
            problems[f"headers.{ascii(name)[1:-1][:60]}"] = reason
        elif not isinstance(ref, str):
            found.append((name.strip(), ref))
    return tuple(found)


def _name_problem(name: str) -> str:
    try:
        header = name.strip().encode("ascii")
    except UnicodeEncodeError:
        header = b""
    if bad_header(((header, b""),)) is not None:
        return "its name is not a header name"
    return "the exporter sets this header itself" if header.lower() in SET_BY_LIBRARY else ""


def _value(value: object) -> HeaderRef | str:
    """Return where a value comes from, or what is wrong with it."""
    if isinstance(value, str):
        return InlineKey(Secret(value.strip())) if is_header_value(value) else _NOT_PLAIN
    if not isinstance(value, dict) or len(value) != 1:
        return _VALUE_FORMS
    [(kind, where)] = value.items()
    if kind not in _KINDS:
        near = nearest(kind, _KINDS)
        return f"{_VALUE_FORMS}. Did you mean {near!r}?" if near else _VALUE_FORMS
    if not isinstance(where, str) or not where:
        return _VALUE_FORMS
    if kind == "env":
        # the text may be the value itself, so it is not quoted
        named = _VARIABLE.fullmatch(where)
        return EnvKey((where,)) if named else '"env" is not the name of an environment variable'
    return FileKey(where)


def is_header_value(text: str) -> bool:
    """Return whether a text can be sent as the value of a header."""
    return _HEADER_VALUE.fullmatch(text.strip()) is not None


def export_for(traces: Traces, env: Mapping[str, str]) -> Export | None:
    """Return what is exported. None when nothing is. Raise ValueError, with a text for the user, for a wrong variable."""
    if env.get(DISABLED, "").strip().lower() == "true":
        return None
    spans, metrics = (_url(traces, env, signal) for signal in ("TRACES", "METRICS"))
    if not spans and not metrics:
        return None
    protocol = env.get(PROTOCOL, "").strip() or HTTP_PROTOCOL
    if protocol != HTTP_PROTOCOL:
        msg = f"{PROTOCOL}: {shown(protocol)} is not supported, only {HTTP_PROTOCOL}"
        raise ValueError(msg)
    return Export(spans, metrics, traces.text)


def _url(traces: Traces, env: Mapping[str, str], signal: str) -> str:
    if env.get(_SIGNAL_EXPORTER.format(signal), "").strip().lower() == "none":
        return ""
    path = f"/v1/{signal.lower()}"
    if traces.endpoint:
        return traces.endpoint.rstrip("/") + path
    variable = _SIGNAL_ENDPOINT.format(signal)
    if whole := env.get(variable, "").strip():
        return _checked(variable, whole)
    base = env.get(ENDPOINT, "").strip()
    return _checked(ENDPOINT, base).rstrip("/") + path if base else ""


def _checked(variable: str, url: str) -> str:
    try:
        Origin.of(url)
    except ValueError as error:
        msg = f"{variable}: {error}"
        raise ValueError(msg) from None
    return url
