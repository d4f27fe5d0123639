"""The line for web search in config.toml: where it stands, and that it leaves with the block and nothing else does."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from addons.core.codex.config_block import ConfigBlockError, install, remove
from addons.core.codex.config_feature import (
    LINE,
    LINE_IN_BLOCK,
    below_header,
    is_added,
    is_decided,
)
from addons.core.codex.provider_config import Values, config_for, own_search
from addons.core.codex.toml_statements import split_statements
from tests.core.codex.configs import configs


def config(*, searches: bool = True) -> Values:
    return config_for("m", 8765, "c.json", searches=searches)


PLACES = {
    "": LINE_IN_BLOCK,
    'model = "x"\n': LINE_IN_BLOCK,
    "features.shell_tool = true\n": LINE_IN_BLOCK,
    "[features]\nshell_tool = true\n": f"[features]\n{LINE}\nshell_tool = true",
    "[features] # mine\r\n[tui]\r\n": f"[features] # mine\r\n{LINE}\r\n[tui]",
    "[tui]\n[features]\n": f"[features]\n{LINE}\n",
}


def test_line_stands_where_the_text_allows_it() -> None:
    for text, place in PLACES.items():
        installed = install(text, config())
        assert place in installed, text
        assert own_search(tomllib.loads(installed)), text
        assert install(installed, config()) == installed, text
        assert remove(installed).text == text
        assert LINE not in install(installed, config(searches=False)), text


def test_text_without_a_place_gets_the_block_alone() -> None:
    for text in ("features = { shell_tool = true }\n", "[tui]\n[features]"):
        installed = install(text, config())
        assert tomllib.loads(installed)["model_provider"] == "codex_shim"
        assert not own_search(tomllib.loads(installed))
        assert remove(installed).text == text


def test_decision_of_the_user_stays() -> None:
    for value in ("true", "false"):
        text = f"[features]\nstandalone_web_search = {value}\n"
        installed = install(text, config())
        assert LINE not in installed
        assert own_search(tomllib.loads(installed)) is (value == "true")
        assert remove(installed).text == text
    assert is_decided({"features": {"standalone_web_search": False}})
    assert not is_decided({"features": 7})


def test_line_without_its_block_is_removed() -> None:
    installed = install("[features]\na = 1\n", config())
    cut = installed[installed.index("[features]") :]
    assert remove(cut).text == "[features]\na = 1\n"


def test_line_that_the_user_changed_is_the_users() -> None:
    (part,) = split_statements(f"{LINE_IN_BLOCK}\n")
    assert is_added(part)
    for text in (LINE_IN_BLOCK.replace("true", "false"), LINE_IN_BLOCK.partition("#")[0], LINE):
        (other,) = split_statements(text)
        assert not is_added(other), text
    assert below_header(split_statements("[features.apps]\n"), "\n") is None


@given(configs(), st.booleans())
def test_any_text_is_restored(text: str, again: bool) -> None:
    try:
        installed = install(text, config())
        installed = install(installed, config(searches=False)) if again else installed
    except ConfigBlockError:
        return
    assert remove(installed).text == text
