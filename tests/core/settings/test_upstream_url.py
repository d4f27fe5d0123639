"""Endpoints that a row may have, and addresses that are rejected."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.settings.upstream_url import (
    EndpointError,
    EndpointRules,
    Versioning,
    composed_endpoint,
    is_versioned,
    verbatim_endpoint,
)
from addons.core.upstream.protocol import Protocol

CHAT, MESSAGES, RESPONSES = Protocol.CHAT, Protocol.MESSAGES, Protocol.RESPONSES


def url(base: str, protocol: Protocol = CHAT, **versioning: bool | str | None) -> str:
    endpoint = composed_endpoint(base, protocol, Versioning(**versioning), EndpointRules())  # type: ignore[arg-type]
    return f"{endpoint.origin}{endpoint.path}"


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("https://a.example", "https://a.example/v1/chat/completions"),
        ("https://a.example/", "https://a.example/v1/chat/completions"),
        ("https://a.example/v1", "https://a.example/v1/chat/completions"),
        ("https://a.example/v1/", "https://a.example/v1/chat/completions"),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1/chat/completions"),
        ("https://api.groq.com/openai/v1", "https://api.groq.com/openai/v1/chat/completions"),
        ("https://ark.example/api/v3", "https://ark.example/api/v3/chat/completions"),
        ("https://api.z.ai/api/paas/v4", "https://api.z.ai/api/paas/v4/chat/completions"),
        ("https://g.example/v1beta/openai", "https://g.example/v1beta/openai/chat/completions"),
        ("https://g.example/v1beta1", "https://g.example/v1beta1/chat/completions"),
        ("https://a.example/vllm", "https://a.example/vllm/v1/chat/completions"),
        ("https://a.example/v1/chat/completions", "https://a.example/v1/chat/completions"),
        ("https://a.example/x/chat/completions", "https://a.example/x/chat/completions"),
        (
            "https://a.example/openai/deployments/d?api-version=2024-10-21",
            "https://a.example/openai/deployments/d/chat/completions?api-version=2024-10-21",
        ),
        ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1/chat/completions"),
        ("http://[::1]:8080", "http://[::1]:8080/v1/chat/completions"),
    ],
)
def test_version_is_inserted_where_there_is_none(base: str, expected: str) -> None:
    assert url(base) == expected


@pytest.mark.parametrize(
    ("protocol", "path"),
    [
        (CHAT, "/v1/chat/completions"),
        (MESSAGES, "/v1/messages"),
        (RESPONSES, "/v1/responses"),
    ],
)
def test_each_protocol_has_its_own_path(protocol: Protocol, path: str) -> None:
    assert url("https://a.example", protocol) == f"https://a.example{path}"
    assert url("https://a.example/v1", protocol) == f"https://a.example{path}"


def test_row_can_forbid_the_version() -> None:
    assert url("https://a.example", append=False) == "https://a.example/chat/completions"
    assert url("https://a.example/v1", append=True) == "https://a.example/v1/chat/completions"


def test_provider_can_have_another_version_segment() -> None:
    assert url("https://a.example", segment="/openai/v1") == (
        "https://a.example/openai/v1/chat/completions"
    )


def test_endpoint_url_is_used_unchanged() -> None:
    endpoint = verbatim_endpoint("https://a.example/odd/path/?x=1", EndpointRules())
    assert (str(endpoint.origin), endpoint.path) == ("https://a.example", "/odd/path/?x=1")
    assert verbatim_endpoint("https://a.example", EndpointRules()).path == "/"


REFUSED = {
    "http://a.example/v1": "http to another machine",
    "http://192.168.1.5/v1": "http to another machine",
    "ftp://a.example": "http or https",
    "a.example/v1": "http or https",
    "https://user:hush@a.example": "user name or password",
    "https://hush@a.example": "user name or password",
    "https://": "names no host",
    "https://a.example:99999": "Port out of range",
    "https://a.example/#hush": "# part",
    "https://a.example/v1\r\nhost: evil": "plain text",
    "https://a.example/v1 x": "plain text",
    "https://a.example/\x00": "plain text",
    "https://bücher.example": "plain text",
    "https://a.example\\@evil.example": "plain text",
    "https://a.example/v1?key=hush": "must not carry a key",
    "https://a.example/v1?api_key=hush": "must not carry a key",
    "https://a.example/v1?access_token=hush": "must not carry a key",
    "https://169.254.169.254/latest": "metadata",
    "http://169.254.169.254": "metadata",
    "https://169.254.10.1": "metadata",
    "https://2852039166": "metadata",
    "https://0xa9fea9fe": "metadata",
    "https://0xa9.254.43518": "metadata",
    "https://0251.0376.0251.0376": "metadata",
    "https://[::ffff:169.254.169.254]": "metadata",
    "https://0xa9.16689662": "metadata",
    "https://100.0x6464c8": "metadata",
    "https://0144.0x64.0144.0310": "metadata",
    "https://0": "metadata",
    "https://[fd00:ec2::254]": "metadata",
    "https://[fe80::1]": "metadata",
    "https://metadata.google.internal": "metadata",
    "https://METADATA.google.internal.": "metadata",
    "https://100.100.100.200": "metadata",
    "https://169.254.170.2": "metadata",
    "https://192.0.0.192": "metadata",
    "https://metadata": "metadata",
    "https://instance-data": "metadata",
    "https://224.0.0.1": "metadata",
    "https://0.0.0.0": "metadata",
    "https://[::]": "metadata",
    "http://127.0.0.1:8765/v1": "own port",
    "http://localhost:8765": "own port",
    "https://[::1]:8765": "own port",
    "http://127.9.9.9:8765": "own port",
}


@pytest.mark.parametrize("base", REFUSED)
def test_invalid_address_is_rejected_without_quoting_it(base: str) -> None:
    rules = EndpointRules(own_ports=frozenset({8765}))
    with pytest.raises(EndpointError) as raised:
        composed_endpoint(base, CHAT, Versioning(), rules)
    assert REFUSED[base] in str(raised.value)
    assert "hush" not in str(raised.value)
    with pytest.raises(EndpointError):
        verbatim_endpoint(base, rules)


@pytest.mark.parametrize(
    "base",
    ["http://127.0.0.1:9", "http://127.0.0.2:9", "http://localhost:9", "https://10.0.0.7:8765"],
)
def test_loopback_may_use_http_and_other_hosts_may_use_our_port(base: str) -> None:
    endpoint = composed_endpoint(
        base, CHAT, Versioning(), EndpointRules(own_ports=frozenset({8765}))
    )
    assert str(endpoint.origin) == base


def test_row_can_allow_http() -> None:
    allowed = EndpointRules(allow_http=True)
    assert str(verbatim_endpoint("http://10.0.0.7/x", allowed).origin) == "http://10.0.0.7"
    with pytest.raises(EndpointError, match="metadata"):
        verbatim_endpoint("http://169.254.169.254", allowed)


segments = st.lists(
    st.sampled_from(["v1", "v2", "v1beta", "api", "openai", "chat", "x-v1", "vllm"]), max_size=4
)


@given(segments, st.sampled_from(list(Protocol)), st.booleans())
def test_version_is_never_repeated_and_suffix_never_missing(
    parts: list[str], protocol: Protocol, slash: bool
) -> None:
    path = "".join(f"/{part}" for part in parts)
    expected = composed_endpoint(
        f"https://a.example{path}{'/' * slash}", protocol, Versioning(), EndpointRules()
    ).path
    assert expected.endswith(protocol.spec.path_suffix)
    assert is_versioned(expected)
    added = expected.count("/v1/") - f"{path}/".count("/v1/")
    assert added == (0 if is_versioned(path) else 1)


@given(st.text(max_size=60))
def test_any_text_raises_endpoint_error_or_nothing(text: str) -> None:
    for base in (text, f"https://{text}", f"https://a.example/{text}"):
        with suppress(EndpointError):
            path = composed_endpoint(base, CHAT, Versioning(), EndpointRules()).path
            assert path.partition("?")[0].endswith("/chat/completions")


@pytest.mark.parametrize(
    ("base", "segment", "path"),
    [
        ("https://a.example/v1/chat", "/v1", "/v1/chat/completions"),
        ("https://a.example/openai", "/openai/v1", "/openai/v1/chat/completions"),
        ("https://a.example/api/chat", "/v1", "/api/chat/v1/chat/completions"),
        ("https://a.example/my-openai", "/openai/v1", "/my-openai/openai/v1/chat/completions"),
    ],
)
def test_segments_of_an_address_copied_in_part_are_not_repeated(
    base: str, segment: str, path: str
) -> None:
    assert composed_endpoint(base, CHAT, Versioning(segment), EndpointRules()).path == path


@pytest.mark.parametrize("base", ["", "/publishers/anthropic", "/publishers/anthropic/models/"])
def test_own_path_completes_an_address(base: str) -> None:
    versioning = Versioning(path="/publishers/anthropic/models/m:streamRawPredict")
    url = f"https://a.example/v1/projects/p/locations/l{base}"
    found = composed_endpoint(url, Protocol.MESSAGES, versioning, EndpointRules()).path
    assert found == "/v1/projects/p/locations/l/publishers/anthropic/models/m:streamRawPredict"
