from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.codex_block import unwire, wire
from addons.core.codex_provider import config_of
from addons.core.older_block import has_older_block, without_older_blocks

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
def test_an_older_shims_blocks_come_out_and_what_they_displaced_comes_back(
    bom: str, newline: str
) -> None:
    old = bom + OLD.replace("\n", newline)
    assert has_older_block(old)
    assert without_older_blocks(old) == bom + CLEAN.replace("\n", newline)
    assert not has_older_block(CLEAN)


def test_our_block_goes_in_beside_theirs_and_out_again() -> None:
    wired = wire(OLD, config_of("s", 1, "/c"))
    assert has_older_block(wired)
    assert unwire(wired).text == OLD


def test_a_key_that_was_set_anew_is_not_put_back_twice() -> None:
    cleaned = without_older_blocks('model = "new"\n' + OLD)
    assert (cleaned.count("model = "), "o3" in cleaned) == (1, False)


@pytest.mark.parametrize(
    "noted", ["{", "[1]", '{"model": 3}', '{"model": "no line"}', '{"x": "a=1"}']
)
def test_a_note_that_cannot_be_used_restores_nothing(noted: str) -> None:
    old = f"# >>> codex-shim managed >>>\n# codex-shim previous-top-level = {noted}\nmodel = 1\n# <<< codex-shim managed <<<\n"
    assert without_older_blocks(old) == ""


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    without_older_blocks(text)
    if not has_older_block(text):
        assert without_older_blocks(text) == text
