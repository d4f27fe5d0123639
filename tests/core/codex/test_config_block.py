"""Invariant of this file: after any sequence of installs, `remove` restores the user's bytes."""

from __future__ import annotations

import tomllib

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from addons.core.codex.config_block import (
    BEGIN,
    END,
    MARK,
    ConfigBlockError,
    active_model,
    install,
    remove,
    root_lines,
)
from addons.core.codex.provider_config import Values, config_for, token_in_file
from tests.core.codex.configs import configs

SLUG = "gpt-5.5"


def config(slug: str = SLUG, port: int = 8765) -> Values:
    return config_for(slug, port, "/state/cätalog.json", token_in_file("t0ken"))


slugs = st.sampled_from([SLUG, "a/b:c", 'quote"d \\ ü', "tab\tdel\x7f"])


@given(configs(), st.lists(st.tuples(slugs, st.integers(1, 65535)), min_size=1, max_size=4))
def test_remove_restores_the_bytes_after_any_installs(
    text: str, installs: list[tuple[str, int]]
) -> None:
    try:
        text_now = text
        for slug, port in installs:
            text_now = install(text_now, config(slug, port))
            assert active_model(text_now) == slug
            assert install(text_now, config(slug, port)) == text_now
    except ConfigBlockError:
        assert "model_providers" in tomllib.loads(text.removeprefix("\ufeff"))
        return
    taken = remove(text_now)
    assert (taken.text, taken.found, taken.is_new) == (text, True, False)
    assert remove(taken.text).found is False
    assert tomllib.loads(text_now.removeprefix("\ufeff"))["model_providers"]["codex_shim"] == (
        {**config(*installs[-1])["model_providers"]["codex_shim"]}  # type: ignore[index]
    )


@given(configs())
def test_every_user_line_stays_while_the_block_is_installed(text: str) -> None:
    try:
        installed = install(text, config())
    except ConfigBlockError:
        return
    lines = {line.rstrip("\r") for line in installed.removeprefix("\ufeff").split("\n")}
    for line in text.removeprefix("\ufeff").split("\n"):
        assert not line.strip() or lines & {line.rstrip("\r"), MARK + line.rstrip("\r")}


@given(configs())
def test_edit_by_another_tool_survives_removal(text: str) -> None:
    try:
        document = tomlkit.parse(install(text, config()).removeprefix("\ufeff"))
    except ConfigBlockError:
        return
    document["model"] = "chosen-in-codex"
    document.add("added_by_codex", tomlkit.item({"trust": 1}))
    taken = remove(tomlkit.dumps(document))
    assert taken.found
    values = tomllib.loads(taken.text)
    assert values.pop("added_by_codex") == {"trust": 1}
    assert values == tomllib.loads(text.removeprefix("\ufeff"))


def test_installed_block_text() -> None:
    text = '# mine\nmodel = "o3"  # best\nsandbox = "x"\n\n# tables\n[tui]\nx = 1\n'
    assert install(text, config()) == (
        "# mine\n"
        '#codex-shim# model = "o3"  # best\n'
        'sandbox = "x"\n'
        "# >>> codex-shim >>> `codex-shim disable` removes this block and restores the lines marked #codex-shim#\n"
        'model = "gpt-5.5"\n'
        'model_provider = "codex_shim"\n'
        'model_catalog_json = "/state/cätalog.json"\n'
        "[model_providers.codex_shim]\n"
        'name = "codex-shim"\n'
        'base_url = "http://127.0.0.1:8765/v1"\n'
        'wire_api = "responses"\n'
        "stream_idle_timeout_ms = 600000\n"
        "supports_websockets = false\n"
        'http_headers = { "x-codex-shim-token" = "t0ken" }\n'
        "# <<< codex-shim <<<\n"
        "\n# tables\n[tui]\nx = 1\n"
    )


@pytest.mark.parametrize(
    "text", ["", "\n", "a = 1", "a = 1\r\nb = 2", "# c", "[t]", "\ufeff", "\ufeffa=1"]
)
def test_small_file_round_trips(text: str) -> None:
    installed = install(text, config())
    assert remove(installed).text == text
    assert tomllib.loads(installed.removeprefix("\ufeff"))["model_provider"] == "codex_shim"


def test_new_file_is_remembered() -> None:
    first = install(None, config())
    again = install(first, config("other"))
    assert remove(again).is_new
    assert remove(again).text == ""
    assert not remove(install("", config())).is_new


@pytest.mark.parametrize(
    "text",
    [
        "model_providers = { x = { name = 'x' } }\n",
        "model_providers = 3\n",
        "[[model_providers]]\n",
    ],
)
def test_form_without_room_for_the_table_is_rejected(text: str) -> None:
    with pytest.raises(ConfigBlockError, match="model_providers"):
        install(text, config())


def test_toml_1_1_config_round_trips() -> None:
    text = 'model = "o3"\ntui = {\n  theme = "x", # mine\n}\n[t]\ne = "\\e"\n'
    installed = install(text, config())
    assert active_model(installed) == SLUG
    assert remove(installed).text == text


def test_invalid_file_is_rejected_and_left_unchanged() -> None:
    with pytest.raises(ConfigBlockError, match="not valid TOML"):
        install("model = \n", config())
    assert remove("model = \n").found is False
    assert remove(f"{BEGIN}\nx = [\n").found is False


# Damaged blocks -----------------------------------------------------------------------


ORIGINAL = 'model = "o3"\nkeep = 1\n[t]\nx = 1\n'


def without(text: str, *starts: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(starts))


@pytest.mark.parametrize("lost", [(BEGIN,), (END,), (BEGIN, END), (BEGIN, "model = ")])
def test_block_without_a_border_is_removed(lost: tuple[str, ...]) -> None:
    assert remove(without(install(ORIGINAL, config()), *lost)).text == ORIGINAL


def test_marked_lines_are_restored_when_the_block_was_deleted_by_hand() -> None:
    installed = install(ORIGINAL, config())
    begin, end = installed.index(BEGIN), installed.index(END)
    assert remove(installed[:begin] + installed[end + len(END) + 1 :]).text == ORIGINAL


def test_both_blocks_of_a_merged_file_are_removed() -> None:
    block = install("", config())
    merged = install("keep = 1\n", config()) + block + "# rest\n"
    assert remove(merged).text == "keep = 1\n# rest\n"


def test_border_inside_a_string_is_ignored() -> None:
    text = f'x = """\n{BEGIN}\nmodel = 1\n{END}\n"""\n'
    assert remove(text).found is False
    assert remove(install(text, config())).text == text


def test_key_set_outside_the_block_wins_over_the_displaced_one() -> None:
    installed = install(ORIGINAL, config())
    edited = without(installed, 'model = "gpt-5.5"').replace("keep = 1", 'keep = 1\nmodel = "new"')
    assert remove(edited).text == '# model = "o3"\nkeep = 1\nmodel = "new"\n[t]\nx = 1\n'


def test_journal_restores_a_file_without_marks() -> None:
    rewritten = tomlkit.dumps(tomllib.loads(install(ORIGINAL, config())))
    taken = remove(rewritten, root_lines(ORIGINAL))
    assert tomllib.loads(taken.text) == tomllib.loads(ORIGINAL)
    assert remove(ORIGINAL, "model = 1\n").text == ORIGINAL


def test_user_provider_of_the_same_name_is_left_unchanged() -> None:
    own = 'model_provider = "codex_shim"\n[model_providers.codex_shim]\nname = "x"\n'
    assert remove(own).found is False
    assert remove(install(own, config())).text == own
    assert active_model(own) is None


@pytest.mark.parametrize("text", ["", "a = [", 'model_provider = "codex_shim"\n', MARK])
def test_no_active_model_without_a_block(text: str) -> None:
    assert active_model(text) is None


def test_provider_that_is_not_a_string_is_ignored() -> None:
    assert remove("#codex-shim# a = 1\nmodel_provider = oops\n").text == (
        "a = 1\nmodel_provider = oops\n"
    )


def test_root_lines_end_with_a_line_feed() -> None:
    assert root_lines('model = "a"') == 'model = "a"\n'
    assert root_lines("[t]\nmodel = 1\n") == ""
    assert root_lines("a = [") == ""
