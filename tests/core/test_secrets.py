"""Secrets: never shown, and sent to their own origin only."""

from __future__ import annotations

import copy
import pickle

import pytest

from addons.core.secrets import ForeignOriginError, Origin, Secret, SecretHeader

CANARY = "canary-3f9a"
HOME = Origin("https", "chatgpt.com", 443)


@pytest.mark.parametrize(
    "show",
    [repr, str, "{}".format, "{!r:>40}".format, lambda secret: f"{[secret]}", ascii],
)
def test_secret_is_never_printed(show: object) -> None:
    assert callable(show)
    assert CANARY not in show(Secret(CANARY))


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_secret_is_never_copied(take: object) -> None:
    assert callable(take)
    with pytest.raises(TypeError, match="never pickled or copied"):
        take(Secret(CANARY))


def test_secrets_compare_only_through_matches() -> None:
    assert Secret("a").matches(Secret(b"a"))
    assert not Secret("a").matches(Secret("b"))
    assert Secret("a") != Secret("a")


@pytest.mark.parametrize(
    ("url", "origin", "text"),
    [
        ("https://chatgpt.com/backend-api", HOME, "https://chatgpt.com"),
        ("https://CHATGPT.com:443", HOME, "https://chatgpt.com"),
        ("http://[::1]:8080/x?y#z", Origin("http", "::1", 8080), "http://[::1]:8080"),
        ("HTTP://localhost", Origin("http", "localhost", 80), "http://localhost"),
    ],
)
def test_origin_is_parsed_from_a_url(url: str, origin: Origin, text: str) -> None:
    assert Origin.of(url) == origin
    assert str(origin) == text


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "not an http or https URL"),
        ("chatgpt.com", "not an http or https URL"),
        (f"ftp://ada:{CANARY}@host", "not an http or https URL"),
        (f"socks5://ada:{CANARY}@host", "not an http or https URL"),
        (f"https://ada:{CANARY}@host", "must not carry a user name or password"),
        (f"https://{CANARY}@host", "must not carry a user name or password"),
        (f"https://ada:{CANARY}@", "must not carry a user name or password"),
        (f"https://ada:{CANARY}@[host", "not a valid URL"),
        (f"https://ada:{CANARY}\uff0f@host", "not a valid URL"),
        ("https:///path", "names no host"),
        (f"https://host:{CANARY}", "Port out of range"),
        ("https://host:0", "Port out of range"),
        ("https://host:65536", "Port out of range"),
    ],
)
def test_unusable_url_is_refused_without_being_quoted(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        Origin.of(url)
    assert CANARY not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("localhost.evil.com", False)],
)
def test_loopback_is_decided_on_the_whole_host(host: str, local: bool) -> None:
    assert Origin("http", host, 80).is_loopback is local


def test_bound_secret_is_given_to_its_origin() -> None:
    field = SecretHeader(b"authorization", Secret(CANARY), HOME, b"Bearer ")
    assert field.value_for(Origin.of("https://chatgpt.com/any")) == b"Bearer canary-3f9a"
    assert CANARY not in repr(field)


@pytest.mark.parametrize(
    "url",
    [
        "http://chatgpt.com:443",
        "https://chatgpt.com:444",
        "https://chatgpt.com.evil.example",
        "https://chat.gpt.com",
    ],
)
def test_bound_secret_is_given_to_no_other_origin(url: str) -> None:
    field = SecretHeader(b"authorization", Secret(CANARY), HOME)
    with pytest.raises(ForeignOriginError, match=r"authorization is bound to https://chatgpt\.com"):
        field.value_for(Origin.of(url))
