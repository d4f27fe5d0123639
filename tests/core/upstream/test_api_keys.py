"""The headers that carry keys."""

from __future__ import annotations

import pytest

from addons.core.secrets import ForeignOriginError, Origin, Secret, SecretHeader
from addons.core.upstream.api_keys import API_KEY, BEARER, X_API_KEY, AuthScheme, KeyProblem

ORIGIN = Origin("https", "a.example", 443)


@pytest.mark.parametrize(
    ("scheme", "line"),
    [
        (BEARER, b"authorization: Bearer k"),
        (X_API_KEY, b"x-api-key: k"),
        (API_KEY, b"api-key: k"),
    ],
)
def test_scheme_gives_the_header_line_of_its_api(scheme: AuthScheme, line: bytes) -> None:
    header = SecretHeader(scheme.header, Secret("k"), ORIGIN, scheme.prefix)
    assert header.name + b": " + header.value_for(ORIGIN) == line
    with pytest.raises(ForeignOriginError):
        header.value_for(Origin("https", "b.example", 443))


def test_key_problem_is_final_by_default() -> None:
    assert not KeyProblem("no key").is_pending
