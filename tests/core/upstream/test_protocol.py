"""The registry of protocols: what each entry says, and that every entry is complete."""

from __future__ import annotations

import copy
import pickle
import re
from dataclasses import replace

import pytest

from addons.core.protocols.responses.refused_pictures import is_changed
from addons.core.secrets import Origin
from addons.core.upstream.api_keys import BEARER, X_API_KEY, AuthScheme
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target


@pytest.mark.parametrize(
    ("name", "path_suffix", "auth", "headers"),
    [
        ("chat", "/chat/completions", BEARER, ()),
        ("messages", "/messages", X_API_KEY, ((b"anthropic-version", b"2023-06-01"),)),
        ("responses", "/responses", BEARER, ()),
    ],
)
def test_entry_is_what_the_reference_api_documents(
    name: str, path_suffix: str, auth: AuthScheme, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    spec = {str(protocol): protocol.spec for protocol in Protocol}[name]
    assert (spec.path_suffix, spec.auth, spec.headers) == (path_suffix, auth, headers)


def test_only_the_responses_api_needs_no_translator() -> None:
    assert [protocol for protocol in Protocol if not protocol.spec.translator] == ["responses"]


@pytest.mark.parametrize("protocol", Protocol)
def test_member_is_shown_and_found_by_its_name(protocol: Protocol) -> None:
    assert f"{protocol}" == protocol.value == protocol.spec.name
    assert {each.value: each for each in Protocol}[protocol.spec.name] is protocol
    assert copy.deepcopy(protocol) is protocol
    assert pickle.loads(pickle.dumps(protocol)) is protocol  # noqa: S301  our own bytes


@pytest.mark.parametrize("protocol", Protocol)
def test_entry_is_well_formed(protocol: Protocol) -> None:
    spec = protocol.spec
    assert re.fullmatch(r"(/[a-z0-9_-]+)+", spec.path_suffix)
    assert re.fullmatch(r"(/[a-z0-9_-]+)*", spec.version_segment)
    assert all(word == word.lower().strip() for word in spec.providers)
    assert all(name == name.lower() for name, _ in spec.headers)


def test_path_suffixes_are_unique() -> None:
    suffixes = [protocol.spec.path_suffix for protocol in Protocol]
    assert len(set(suffixes)) == len(suffixes)


def test_native_request_is_not_changed_by_its_default_profile() -> None:
    target = Target(
        "row", "Row", "p", "m", Protocol.RESPONSES, Origin("https", "a.test", 443), "/v1/responses"
    )
    target = replace(target, profile=Protocol.RESPONSES.spec.default_profile)
    assert not is_changed(target, ())
