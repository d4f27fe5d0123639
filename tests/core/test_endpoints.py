"""Where a row's turns go, and where they never do."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.endpoints import (
    SUFFIXES,
    EndpointError,
    Rules,
    Versioning,
    composed,
    is_versioned,
    verbatim,
)
from addons.core.translate.conversation import Dialects

CHAT, MESSAGES, RESPONSES = Dialects.CHAT, Dialects.MESSAGES, Dialects.RESPONSES


def url(base: str, dialect: Dialects = CHAT, **versioning: bool | str | None) -> str:
    endpoint = composed(base, dialect, Versioning(**versioning), Rules())  # type: ignore[arg-type]
    return f"{endpoint.origin}{endpoint.path}"


@pytest.mark.parametrize(
    ("base", "asked"),
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
def test_a_version_is_inserted_where_there_is_none(base: str, asked: str) -> None:
    assert url(base) == asked


@pytest.mark.parametrize(
    ("dialect", "path"),
    [
        (CHAT, "/v1/chat/completions"),
        (MESSAGES, "/v1/messages"),
        (RESPONSES, "/v1/responses"),
    ],
)
def test_each_protocol_has_its_own_path(dialect: Dialects, path: str) -> None:
    assert url("https://a.example", dialect) == f"https://a.example{path}"
    assert url("https://a.example/v1", dialect) == f"https://a.example{path}"


def test_a_row_may_say_that_there_is_no_version() -> None:
    assert url("https://a.example", append=False) == "https://a.example/chat/completions"
    assert url("https://a.example/v1", append=True) == "https://a.example/v1/chat/completions"


def test_a_provider_may_have_another_version() -> None:
    assert url("https://a.example", segment="/openai/v1") == (
        "https://a.example/openai/v1/chat/completions"
    )


def test_an_endpoint_url_is_used_as_it_is() -> None:
    endpoint = verbatim("https://a.example/odd/path/?x=1", Rules())
    assert (str(endpoint.origin), endpoint.path) == ("https://a.example", "/odd/path/?x=1")
    assert verbatim("https://a.example", Rules()).path == "/"


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
def test_what_is_no_upstream_is_refused_without_being_quoted(base: str) -> None:
    rules = Rules(own_ports=frozenset({8765}))
    with pytest.raises(EndpointError) as told:
        composed(base, CHAT, Versioning(), rules)
    assert REFUSED[base] in str(told.value)
    assert "hush" not in str(told.value)
    with pytest.raises(EndpointError):
        verbatim(base, rules)


@pytest.mark.parametrize(
    "base",
    ["http://127.0.0.1:9", "http://127.0.0.2:9", "http://localhost:9", "https://10.0.0.7:8765"],
)
def test_this_machine_may_be_http_and_other_machines_may_have_our_port(base: str) -> None:
    endpoint = composed(base, CHAT, Versioning(), Rules(own_ports=frozenset({8765})))
    assert str(endpoint.origin) == base


def test_a_row_may_allow_http() -> None:
    allowed = Rules(allow_http=True)
    assert str(verbatim("http://10.0.0.7/x", allowed).origin) == "http://10.0.0.7"
    with pytest.raises(EndpointError, match="metadata"):
        verbatim("http://169.254.169.254", allowed)


segments = st.lists(
    st.sampled_from(["v1", "v2", "v1beta", "api", "openai", "chat", "x-v1", "vllm"]), max_size=4
)


@given(segments, st.sampled_from(list(Dialects)), st.booleans())
def test_v1_is_never_there_twice_and_the_suffix_never_missing(
    parts: list[str], dialect: Dialects, slash: bool
) -> None:
    path = "".join(f"/{part}" for part in parts)
    asked = composed(f"https://a.example{path}{'/' * slash}", dialect, Versioning(), Rules()).path
    assert asked.endswith(SUFFIXES[dialect])
    assert is_versioned(asked)
    added = asked.count("/v1/") - f"{path}/".count("/v1/")
    assert added == (0 if is_versioned(path) else 1)


@given(st.text(max_size=60))
def test_no_text_makes_it_raise_anything_else(text: str) -> None:
    for base in (text, f"https://{text}", f"https://a.example/{text}"):
        with suppress(EndpointError):
            assert composed(base, CHAT, Versioning(), Rules()).path.endswith("/chat/completions")
