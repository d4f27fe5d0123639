"""Every shape that the file may have, and what becomes of rows that cannot be read."""

from __future__ import annotations

import json
from collections.abc import Mapping

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.models_file import NO_ROWS, ModelRows, parse_models

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
def test_each_root_shape_holds_rows(root: object) -> None:
    read = parse(root)
    assert [row.slug for row in read.rows] == ["m-1"]
    assert read.problems == ()


@pytest.mark.parametrize("root", [[], {}, {"models": []}, {"limits": {}}, 7, "x", None])
def test_a_file_without_rows_has_none(root: object) -> None:
    assert parse(root) == NO_ROWS


def test_no_file_is_no_rows() -> None:
    assert parse_models(None, "models.json", before=parse([ROW])) == NO_ROWS


def test_a_bare_string_is_a_model_of_the_ollama_on_this_machine() -> None:
    [row] = parse(["qwen3:30b"]).rows
    assert row.target
    assert (row.slug, row.provider) == ("qwen3-30b", "ollama")
    assert f"{row.target.origin}{row.target.path}" == "http://127.0.0.1:11434/v1/chat/completions"
    assert not any(slot.required for slot in row.keys)


def test_an_index_orders_the_rows() -> None:
    rows = [{**ROW, "model": "a"}, {**ROW, "model": "b", "index": 0}, {**ROW, "model": "c"}]
    assert [row.model for row in parse(rows).rows] == ["a", "b", "c"]
    rows[2]["index"] = -1
    assert [row.model for row in parse(rows).rows] == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("row", "field", "reason"),
    [
        ({"provider": "openai"}, "model", "it is required"),
        ({**ROW, "model": ""}, "model", "at least 1 character"),
        ({**ROW, "model": 7}, "model", "valid string"),
        (7, "model", "valid string"),
        ({**ROW, "base_url": "http://a.example"}, "base_url", "http to another machine"),
        ({"model": "m", "provider": "generic"}, "base_url", "it is required"),
        ({"model": "m"}, "base_url", "it is required"),
        ({**ROW, "endpoint_url": "ftp://x"}, "endpoint_url", "http or https"),
        ({**ROW, "api_key": "a\nb"}, "api_key", "visible ASCII"),
        ({**ROW, "apiKey": 7}, "apiKey", "visible ASCII"),
        ({**ROW, "api_key_env": "sk-hush"}, "api_key_env", "name of an environment variable"),
        ({**ROW, "max_context_limit": "many"}, "max_context_limit", "valid integer"),
        ({**ROW, "maxOutputTokens": 0}, "maxOutputTokens", "greater than or equal to 1"),
        ({**ROW, "enabled": "perhaps"}, "enabled", "valid boolean"),
        ({**ROW, "thinking": "deeply"}, "thinking", "one of"),
        ({**ROW, "model_verbosity": "loud"}, "model_verbosity", "'low', 'medium' or 'high'"),
        ({**ROW, "auth_ttl_seconds": 0}, "auth_ttl_seconds", "greater than 0"),
        ({**ROW, "fallback": [7]}, "fallback.0", "valid string"),
        ({**ROW, "slug": "two words"}, "slug", "one word"),
        *(
            ({**ROW, "extra_headers": {name: "evil"}}, f"extra_headers.{name}", "sets this header")
            for name in ("Host", "content-length", "Content-Type", "accept-encoding", "connection")
        ),
        ({**ROW, "extra_headers": {"x": "hush\r\ny: z"}}, "extra_headers.x", "control character"),
        ({**ROW, "extra_headers": {"x y": "hush"}}, "extra_headers.x y", "odd name"),
        ({**ROW, "env_http_headers": {"x-key": "$hush"}}, "env_http_headers.x-key", "variable"),
        ({"model": "m", "provider": "cursor-agent"}, "provider", "need no row"),
    ],
)
def test_a_row_that_cannot_be_read_is_hidden_with_row_field_and_reason(
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
    assert hidden.hidden_because.startswith(problem)
    assert "hush" not in repr(read)


def test_a_row_that_cannot_be_read_is_shown_by_what_it_says() -> None:
    bad = {"base_url": "nonsense"}
    rows = parse(
        [{**bad, "model": "m", "displayName": "M"}, {**bad, "provider": "zai", "name": "N"}, bad]
    ).rows
    assert [(row.slug, row.display_name, row.provider, row.model) for row in rows] == [
        ("m", "M", "unknown", "m"),
        ("n", "N", "zai", "n"),
        ("row-2", "row-2", "unknown", "row-2"),
    ]
    assert all(row.hidden_because.endswith(". Correct the row.") for row in rows)


def test_each_wrong_field_of_a_row_is_told() -> None:
    read = parse([{**ROW, "enabled": "perhaps", "max_output_tokens": "x"}])
    assert len(read.problems) == 2


def test_a_row_that_breaks_keeps_what_it_said_before() -> None:
    good = parse([ROW])
    broken = parse([{**ROW, "base_url": "nonsense"}, {**ROW, "model": "new"}], good)
    assert broken.rows[0] is good.rows[0]
    assert broken.rows[1].target
    assert "stays in force" in broken.problems[0]
    healed = parse([{**ROW, "base_url": "https://b.example"}], broken)
    assert healed.problems == ()
    assert healed.rows[0].target
    assert healed.rows[0].target.origin.host == "b.example"


@pytest.mark.parametrize("data", [b"", b"{", b'{"models": [', b"\xff"])
def test_a_file_that_is_no_json_keeps_its_rows(data: bytes) -> None:
    good = parse([ROW])
    assert parse_models(data, "models.json", before=good).rows == good.rows


def test_a_field_of_rows_that_holds_none_keeps_them_and_is_told() -> None:
    good = parse([ROW])
    read = parse({"models": {"a": 1}}, good)
    assert read.rows == good.rows
    assert read.problems == ("models.json: models: not a list of rows",)


def test_a_field_that_nobody_reads_is_noted_and_those_of_earlier_shims_are_not() -> None:
    read = parse([{**ROW, "modle_verbosity": "low", "supportsCompact": True, "timeout": 5}])
    assert read.notes == ('models.json: models[0] "m-1": modle_verbosity: no such field',)
    assert read.problems == ()
    assert read.rows[0].target


def test_a_row_is_found_by_slug_then_by_a_model_that_it_alone_has() -> None:
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
def test_any_json_gives_rows_each_with_a_target_or_a_reason(root: object) -> None:
    read = parse_models(json.dumps(root).encode(), "models.json")
    assert all(row.target or row.hidden_because for row in read.rows)
    assert len({row.slug for row in read.rows}) == len(read.rows)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    parse_models(data, "models.json")


@given(st.sampled_from(["api_key", "apiKey", "bearerToken", "bearer_token", "bearer-token", "x"]))
def test_a_key_is_in_no_text_of_a_row(field: str) -> None:
    canary = "sk-canary-0123"
    row = {**ROW, field: canary, "extra_headers": {"x-api-key": canary, "cookie": f"a={canary}"}}
    read = parse([row, {**row, "base_url": canary}, {**row, "enabled": canary}])
    assert canary not in repr(read)
