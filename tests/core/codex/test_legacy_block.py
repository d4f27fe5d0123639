"""Blocks of earlier shims: removed with their displaced lines restored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.codex.config_block import install, remove
from addons.core.codex.legacy_block import has_legacy_block, remove_legacy_blocks
from addons.core.codex.provider_config import config_for

OLD = (
    "# >>> codex-shim managed >>>\n"
    '# codex-shim previous-top-level = {"model": "model = \\"o3\\"\\n", "model_provider": "model_provider = \\"p\\""}\n'
    'model = "x"\nmodel_provider = "codex_shim"\nmodel_catalog_json = "/c.json"\n'
    "# <<< codex-shim managed <<<\n"
    "keep = 1 # me\n\n[tui]\ny = 1\n"
    "# >>> codex-shim managed >>>\n"
    '[model_providers.codex_shim]\nname = "Codex Shim"\nexperimental_bearer_token = "dummy"\n'
    '[projects."/p"]\ntrust_level = "trusted"\n'
    "# <<< codex-shim managed <<<\n"
)
CLEAN = (
    'model = "o3"\nmodel_provider = "p"\nkeep = 1 # me\n\n[tui]\ny = 1\n'
    '[projects."/p"]\ntrust_level = "trusted"\n'
)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_legacy_blocks_are_removed_and_displaced_lines_restored(bom: str, newline: str) -> None:
    old = bom + OLD.replace("\n", newline)
    assert has_legacy_block(old)
    assert remove_legacy_blocks(old) == bom + CLEAN.replace("\n", newline)
    assert not has_legacy_block(CLEAN)


def test_own_block_round_trips_next_to_a_legacy_block() -> None:
    installed = install(OLD, config_for("s", 1, "/c"))
    assert has_legacy_block(installed)
    assert remove(installed).text == OLD


def test_key_that_is_set_again_is_not_restored() -> None:
    cleaned = remove_legacy_blocks('model = "new"\n' + OLD)
    assert (cleaned.count("model = "), "o3" in cleaned) == (1, False)


@pytest.mark.parametrize(
    "noted", ["{", "[1]", '{"model": 3}', '{"model": "no line"}', '{"x": "a=1"}']
)
def test_unusable_note_restores_nothing(noted: str) -> None:
    old = f"# >>> codex-shim managed >>>\n# codex-shim previous-top-level = {noted}\nmodel = 1\n# <<< codex-shim managed <<<\n"
    assert remove_legacy_blocks(old) == ""


@given(st.text())
def test_any_text_is_accepted(text: str) -> None:
    remove_legacy_blocks(text)
    if not has_legacy_block(text):
        assert remove_legacy_blocks(text) == text
