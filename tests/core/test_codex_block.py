"""Invariant of the whole file: whatever is enabled, used and disabled, what the user had comes back to the byte."""

from __future__ import annotations

import tomllib

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from addons.core.codex_block import (
    BEGIN,
    END,
    MARK,
    CannotWireError,
    active_model,
    root_lines,
    unwire,
    wire,
)
from addons.core.codex_provider import Values, config_of, token_in_file
from tests.core.configs import configs

SLUG = "gpt-5.5"


def config(slug: str = SLUG, port: int = 8765) -> Values:
    return config_of(slug, port, "/state/cätalog.json", token_in_file("t0ken"))


slugs = st.sampled_from([SLUG, "a/b:c", 'quote"d \\ ü', "tab\tdel\x7f"])


@given(configs(), st.lists(st.tuples(slugs, st.integers(1, 65535)), min_size=1, max_size=4))
def test_any_row_of_uses_ends_in_the_old_bytes(text: str, uses: list[tuple[str, int]]) -> None:
    try:
        now = text
        for slug, port in uses:
            now = wire(now, config(slug, port))
            assert active_model(now) == slug
            assert wire(now, config(slug, port)) == now
    except CannotWireError:
        assert "model_providers" in tomllib.loads(text.removeprefix("\ufeff"))
        return
    taken = unwire(now)
    assert (taken.text, taken.found, taken.is_new) == (text, True, False)
    assert unwire(taken.text).found is False
    assert tomllib.loads(now.removeprefix("\ufeff"))["model_providers"]["codex_shim"] == (
        {**config(*uses[-1])["model_providers"]["codex_shim"]}  # type: ignore[index]
    )


@given(configs())
def test_every_line_of_the_user_is_still_there_while_we_are_in(text: str) -> None:
    try:
        wired = wire(text, config())
    except CannotWireError:
        return
    lines = {line.rstrip("\r") for line in wired.removeprefix("\ufeff").split("\n")}
    for line in text.removeprefix("\ufeff").split("\n"):
        assert not line.strip() or lines & {line.rstrip("\r"), MARK + line.rstrip("\r")}


@given(configs())
def test_an_edit_made_meanwhile_survives_and_a_library_may_have_made_it(text: str) -> None:
    try:
        document = tomlkit.parse(wire(text, config()).removeprefix("\ufeff"))
    except CannotWireError:
        return
    document["model"] = "chosen-in-codex"
    document.add("added_by_codex", tomlkit.item({"trust": 1}))
    taken = unwire(tomlkit.dumps(document))
    assert taken.found
    values = tomllib.loads(taken.text)
    assert values.pop("added_by_codex") == {"trust": 1}
    assert values == tomllib.loads(text.removeprefix("\ufeff"))


def test_the_block_as_a_person_sees_it() -> None:
    text = '# mine\nmodel = "o3"  # best\nsandbox = "x"\n\n# tables\n[tui]\nx = 1\n'
    assert wire(text, config()) == (
        "# mine\n"
        '#codex-shim# model = "o3"  # best\n'
        'sandbox = "x"\n'
        "# >>> codex-shim >>> `codex-shim disable` takes this block out and puts lines marked #codex-shim# back\n"
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
def test_small_files(text: str) -> None:
    wired = wire(text, config())
    assert unwire(wired).text == text
    assert tomllib.loads(wired.removeprefix("\ufeff"))["model_provider"] == "codex_shim"


def test_a_file_that_was_not_there_is_remembered_as_such() -> None:
    first = wire(None, config())
    again = wire(first, config("other"))
    assert unwire(again).is_new
    assert unwire(again).text == ""
    assert not unwire(wire("", config())).is_new


@pytest.mark.parametrize(
    "text",
    [
        "model_providers = { x = { name = 'x' } }\n",
        "model_providers = 3\n",
        "[[model_providers]]\n",
    ],
)
def test_a_form_that_leaves_no_place_is_refused_in_words(text: str) -> None:
    with pytest.raises(CannotWireError, match="model_providers"):
        wire(text, config())


def test_a_config_of_version_1_1_is_wired_as_codex_reads_it() -> None:
    text = 'model = "o3"\ntui = {\n  theme = "x", # mine\n}\n[t]\ne = "\\e"\n'
    wired = wire(text, config())
    assert active_model(wired) == SLUG
    assert unwire(wired).text == text


def test_a_broken_file_is_refused_and_left() -> None:
    with pytest.raises(CannotWireError, match="not valid TOML"):
        wire("model = \n", config())
    assert unwire("model = \n").found is False
    assert unwire(f"{BEGIN}\nx = [\n").found is False


# What may have become of the block ------------------------------------------------------------------------


ORIGINAL = 'model = "o3"\nkeep = 1\n[t]\nx = 1\n'


def without(text: str, *starts: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(starts))


@pytest.mark.parametrize("lost", [(BEGIN,), (END,), (BEGIN, END), (BEGIN, "model = ")])
def test_a_block_that_lost_a_border_still_comes_out(lost: tuple[str, ...]) -> None:
    assert unwire(without(wire(ORIGINAL, config()), *lost)).text == ORIGINAL


def test_a_block_deleted_by_hand_leaves_marks_that_are_put_back() -> None:
    wired = wire(ORIGINAL, config())
    begin, end = wired.index(BEGIN), wired.index(END)
    assert unwire(wired[:begin] + wired[end + len(END) + 1 :]).text == ORIGINAL


def test_two_blocks_in_a_file_that_was_merged_both_come_out() -> None:
    block = wire("", config())
    merged = wire("keep = 1\n", config()) + block + "# rest\n"
    assert unwire(merged).text == "keep = 1\n# rest\n"


def test_what_looks_like_a_border_inside_a_text_is_left() -> None:
    text = f'x = """\n{BEGIN}\nmodel = 1\n{END}\n"""\n'
    assert unwire(text).found is False
    assert unwire(wire(text, config())).text == text


def test_what_the_user_sets_beside_the_block_wins_over_what_was_displaced() -> None:
    wired = wire(ORIGINAL, config())
    edited = without(wired, 'model = "gpt-5.5"').replace("keep = 1", 'keep = 1\nmodel = "new"')
    assert unwire(edited).text == '# model = "o3"\nkeep = 1\nmodel = "new"\n[t]\nx = 1\n'


def test_without_any_mark_the_journal_tells() -> None:
    rewritten = tomlkit.dumps(tomllib.loads(wire(ORIGINAL, config())))
    taken = unwire(rewritten, root_lines(ORIGINAL))
    assert tomllib.loads(taken.text) == tomllib.loads(ORIGINAL)
    assert unwire(ORIGINAL, "model = 1\n").text == ORIGINAL


def test_a_provider_of_that_name_that_the_user_wrote_is_not_ours() -> None:
    own = 'model_provider = "codex_shim"\n[model_providers.codex_shim]\nname = "x"\n'
    assert unwire(own).found is False
    assert unwire(wire(own, config())).text == own
    assert active_model(own) is None


@pytest.mark.parametrize("text", ["", "a = [", 'model_provider = "codex_shim"\n', MARK])
def test_no_block_names_no_model(text: str) -> None:
    assert active_model(text) is None


def test_a_provider_that_is_no_text_names_nobody() -> None:
    assert unwire("#codex-shim# a = 1\nmodel_provider = oops\n").text == (
        "a = 1\nmodel_provider = oops\n"
    )


def test_root_lines_end_in_a_line_end() -> None:
    assert root_lines('model = "a"') == 'model = "a"\n'
    assert root_lines("[t]\nmodel = 1\n") == ""
    assert root_lines("a = [") == ""
