"""The shapes of models.json, and rows that are invalid."""

from __future__ import annotations

import json
from collections.abc import Mapping

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.settings.models_file import NO_ROWS, ModelRows, parse_models

ROW: Mapping[str, object] = {
    "model": "m-1",
    "provider": "generic-chat-completion-api",
    "base_url": "https://a.example/v1",
}


def parse(root: object, before: ModelRows = NO_ROWS) -> ModelRows:
    return parse_models(orjson.dumps(root), "models.json", before=before)


@pytest.mark.parametrize(
    "root",
    [
        [ROW],
        {"models": [ROW]},
        {"customModels": [ROW]},
        {"custom_models": [ROW]},
        {"launchModels": [ROW]},
        {"launch_models": [ROW]},
        {"models": [ROW], "customModels": [{**ROW, "model": "other"}]},
    ],
)
def test_every_root_shape_holds_rows(root: object) -> None:
    read = parse(root)
    assert [row.slug for row in read.rows] == ["m-1"]
    assert read.problems == ()


@pytest.mark.parametrize("root", [[], {}, {"models": []}, {"limits": {}}, 7, "x", None])
def test_file_without_rows_gives_no_rows(root: object) -> None:
    assert parse(root) == NO_ROWS


def test_missing_file_gives_no_rows() -> None:
    assert parse_models(None, "models.json", before=parse([ROW])) == NO_ROWS


def test_bare_string_is_a_local_ollama_model() -> None:
    [row] = parse(["qwen3:30b"]).rows
    assert row.target
    assert (row.slug, row.provider) == ("qwen3-30b", "ollama")
    assert f"{row.target.origin}{row.target.path}" == "http://127.0.0.1:11434/v1/chat/completions"
    assert not any(header.required for header in row.keys)


def test_index_orders_the_rows() -> None:
    rows = [{**ROW, "model": "a"}, {**ROW, "model": "b", "index": 0}, {**ROW, "model": "c"}]
    assert [row.model for row in parse(rows).rows] == ["a", "b", "c"]
    rows[2]["index"] = -1
    assert [row.model for row in parse(rows).rows] == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("row", "field", "reason"),
    [
        ({"provider": "openai"}, "model", "it is required"),
        ({**ROW, "model": ""}, "model", "at least 1 character"),
        ({**ROW, "model": 7}, "model", "it is not text"),
        (7, "model", "it is not text"),
        ({**ROW, "base_url": "http://a.example"}, "base_url", "http to another machine"),
        ({"model": "m", "provider": "generic"}, "base_url", "it is required"),
        ({"model": "m"}, "base_url", "it is required"),
        ({**ROW, "endpoint_url": "ftp://x"}, "endpoint_url", "http or https"),
        ({**ROW, "api_key": "a\nb"}, "api_key", "visible ASCII"),
        ({**ROW, "apiKey": 7}, "apiKey", "visible ASCII"),
        *(
            ({**ROW, "api_key": text}, "api_key", "api_key_env")
            for text in (
                "$KEY",
                "${KEY}",
                "${env:KEY}",
                "$env:KEY",
                "{env:KEY}",
                "env:KEY",
                "os.environ/KEY",
                "%KEY%",
                "{{KEY}}",
                "<your-key>",
            )
        ),
        ({**ROW, "api_key_env": "sk-hush"}, "api_key_env", "name of an environment variable"),
        ({**ROW, "max_context_limit": "many"}, "max_context_limit", "it is not a whole number"),
        ({**ROW, "maxOutputTokens": 0}, "maxOutputTokens", "greater than or equal to 1"),
        ({**ROW, "enabled": "perhaps"}, "enabled", "it is not true or false"),
        ({**ROW, "thinking": "deeply"}, "thinking", "one of"),
        ({**ROW, "model_verbosity": "loud"}, "model_verbosity", "'low', 'medium' or 'high'"),
        ({**ROW, "auth_ttl_seconds": 0}, "auth_ttl_seconds", "greater than 0"),
        ({**ROW, "fallback": [7]}, "fallback.0", "it is not text"),
        ({**ROW, "slug": "two words"}, "slug", "one word"),
        *(
            ({**ROW, "extra_headers": {name: "evil"}}, f"extra_headers.{name}", "sets this header")
            for name in ("Host", "content-length", "Content-Type", "accept-encoding", "connection")
        ),
        ({**ROW, "extra_headers": {"x": "hush\r\ny: z"}}, "extra_headers.x", "control character"),
        ({**ROW, "extra_headers": {"x y": "hush"}}, "extra_headers.x y", "not a header name"),
        ({**ROW, "env_http_headers": {"x-key": "$hush"}}, "env_http_headers.x-key", "variable"),
        ({"model": "m", "provider": "cursor-agent"}, "provider", "need no row"),
    ],
)
def test_invalid_row_is_hidden_with_row_field_and_reason(
    row: object, field: str, reason: str
) -> None:
    read = parse([ROW, row])
    assert len(read.rows) == 2
    hidden = read.rows[1]
    assert hidden.target is None
    [problem] = read.problems
    assert problem.startswith("models.json: models[1] ")
    assert f": {field}: " in problem
    assert reason in problem
    assert hidden.unavailable_reason.startswith(problem)
    assert "hush" not in repr(read)


def test_invalid_row_keeps_its_display_fields() -> None:
    bad = {"base_url": "nonsense"}
    rows = parse(
        [{**bad, "model": "m", "displayName": "M"}, {**bad, "provider": "zai", "name": "N"}, bad]
    ).rows
    assert [(row.slug, row.display_name, row.provider, row.model) for row in rows] == [
        ("m", "M", "unknown", "m"),
        ("n", "N", "zai", "n"),
        ("row-2", "row-2", "unknown", "row-2"),
    ]
    assert all(row.unavailable_reason.endswith(". Correct the row.") for row in rows)


def test_every_invalid_field_is_reported() -> None:
    read = parse([{**ROW, "enabled": "perhaps", "max_output_tokens": "x"}])
    assert len(read.problems) == 2


def test_row_that_becomes_invalid_keeps_its_last_state() -> None:
    good = parse([ROW])
    broken = parse([{**ROW, "base_url": "nonsense"}, {**ROW, "model": "new"}], good)
    assert broken.rows[0] is good.rows[0]
    assert broken.rows[1].target
    assert "stays in force" in broken.problems[0]
    repaired = parse([{**ROW, "base_url": "https://b.example"}], broken)
    assert repaired.problems == ()
    assert repaired.rows[0].target
    assert repaired.rows[0].target.origin.host == "b.example"


@pytest.mark.parametrize("data", [b"", b"{", b'{"models": [', b"\xff"])
def test_file_that_is_not_json_keeps_its_rows(data: bytes) -> None:
    good = parse([ROW])
    assert parse_models(data, "models.json", before=good).rows == good.rows


def test_root_field_without_a_list_keeps_rows_and_is_reported() -> None:
    good = parse([ROW])
    read = parse({"models": {"a": 1}}, good)
    assert read.rows == good.rows
    assert read.problems == ("models.json: models: not a list of rows",)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("anthropc", "anthropic"),
        ("Opnai", "openai"),
        ("openai", ""),
        ("openai-2", ""),
        ("acme", ""),
    ],
)
def test_provider_that_is_nearly_a_known_one_is_noted(word: str, meant: str) -> None:
    read = parse([{**ROW, "provider": word, "base_url": "https://models.example/v1"}])
    said = f'models.json: models[0] "m-1": provider: a name of your own, or did you mean "{meant}"?'
    assert read.notes == ((said,) if meant else ())
    assert read.problems == ()


def test_unknown_field_is_noted_unless_earlier_shims_used_it() -> None:
    read = parse([{**ROW, "colour": "red", "supportsCompact": True, "timeout": 5}])
    assert read.notes == ('models.json: models[0] "m-1": colour: no such field',)
    assert read.problems == ()
    assert read.rows[0].target


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("modle_verbosity", "model_verbosity"), ("api_ky", "api_key"), ("extraHeader", "extra_headers"),
        ("maxOutputToken", "max_output_tokens"), ("Base_URL", "base_url"),
    ],
)  # fmt: skip
def test_misspelt_field_of_a_valid_row_is_reported_with_the_right_name(
    wrong: str, meant: str
) -> None:
    read = parse([{**ROW, wrong: "low"}])
    assert read.problems == (
        f'models.json: models[0] "m-1": {wrong}: there is no such field (did you mean "{meant}"?)',
    )
    assert read.notes == ()
    assert read.rows[0].target


@pytest.mark.parametrize(
    ("row", "first"),
    [
        ({"model": "m", "provder": "deepseek"}, 'provder: there is no such field (did you mean "provider"?)'),
        ({"modle": "m", "provider": "deepseek"}, 'modle: there is no such field (did you mean "model"?)'),
        ({"model": "m", "provider": "deepsek"}, 'provider: unknown provider (did you mean "deepseek"?)'),
        ({"model": "m", "provider": "acme"}, "provider: unknown provider; another server needs a base_url"),
    ],
)  # fmt: skip
def test_row_without_its_provider_names_the_typing_error_first(
    row: dict[str, str], first: str
) -> None:
    read = parse([row])
    assert first in read.problems[0]
    assert first in read.rows[0].unavailable_reason


def test_row_is_found_by_slug_then_by_unique_model() -> None:
    read = parse(
        [
            {**ROW, "model": "vendor/a"},
            {**ROW, "model": "b", "slug": "vendor/b"},
            {**ROW, "model": "twice", "slug": "one"},
            {**ROW, "model": "twice", "slug": "two"},
            {**ROW, "model": "one", "slug": "three"},
        ]
    )
    found = {
        name: row.slug if (row := read.find(name)) else None
        for name in ("vendor-a", "vendor/a", "b", "twice", "one", "none")
    }
    assert found == {
        "vendor-a": "vendor-a",
        "vendor/a": "vendor-a",
        "b": "vendor/b",
        "twice": None,
        "one": "one",
        "none": None,
    }
    assert read.by_model == {"vendor/a": "vendor-a", "b": "vendor/b"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*ROW, "api_key", "slug", "name"]), inner, max_size=4)
    ),
    max_leaves=8,
)
roots = json_values | st.fixed_dictionaries({"models": st.lists(json_values, max_size=3)})


@given(roots)
def test_any_json_gives_rows_with_target_or_reason(root: object) -> None:
    read = parse_models(json.dumps(root).encode(), "models.json")
    assert all(row.target or row.unavailable_reason for row in read.rows)
    assert len({row.slug for row in read.rows}) == len(read.rows)


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    parse_models(data, "models.json")


@given(st.sampled_from(["api_key", "apiKey", "bearerToken", "bearer_token", "bearer-token", "x"]))
def test_key_is_in_no_text_of_a_row(field: str) -> None:
    canary = "sk-canary-0123"
    row = {**ROW, field: canary, "extra_headers": {"x-api-key": canary, "cookie": f"a={canary}"}}
    read = parse([row, {**row, "base_url": canary}, {**row, "enabled": canary}])
    assert canary not in repr(read)


@pytest.mark.parametrize("key", ["$2y$10$" + "a" * 22, "$2y10a4", "$1" + "b" * 9, "$" + "mine4you", "%41%", "a<b>", "{a}", "sk-<a>"])  # fmt: skip
def test_key_that_can_be_no_name_is_sent(key: str) -> None:
    assert parse_models(orjson.dumps([{**ROW, "api_key": key}]), "models.json").problems == ()


def test_byte_order_mark_is_no_part_of_the_file() -> None:
    read = parse_models(b"\xef\xbb\xbf" + orjson.dumps([ROW]), "models.json")
    assert [row.slug for row in read.rows] == ["m-1"]
    assert read.problems == ()
