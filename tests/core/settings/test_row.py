"""What a row knows about its keys."""

from __future__ import annotations

from addons.core.secrets import Secret
from addons.core.settings.key_refs import (
    CommandKey,
    EnvKey,
    FileKey,
    InlineKey,
    KeyRef,
    SecretHeaderSpec,
)
from addons.core.settings.row import ModelRow
from addons.core.upstream.api_keys import BEARER


def row(*keys: KeyRef) -> ModelRow:
    headers = tuple(SecretHeaderSpec(BEARER, key, "api_key") for key in keys)
    return ModelRow("s", "S", "p", "m", keys=headers)


def test_variables_are_those_of_all_environment_keys() -> None:
    found = row(EnvKey(("A", "B")), FileKey("f"), EnvKey(("C",)), CommandKey(("get",)))
    assert found.variables == {"A", "B", "C"}
    assert row().variables == frozenset()


def test_only_an_inline_key_is_held_by_the_file() -> None:
    assert row(EnvKey(("A",)), InlineKey(Secret("k"))).holds_key
    assert not row(EnvKey(("A",)), FileKey("f"), CommandKey(("get",))).holds_key


def test_row_never_shows_its_key() -> None:
    assert "hush" not in repr(row(InlineKey(Secret("hush")), CommandKey(("get", "hush"))))
