from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.limits import Limits
from addons.core.settings.root import Settings, line_of, parse_settings

GOOD = b"""{
  "limits": {"stall_seconds": 60},
  "aliases": {"fast": "gpt-5.5"},
  "chatgpt": {"credential": "client"}
}"""
PARSED = Settings(Limits(stall_seconds=60), {"fast": "gpt-5.5"}, "client")


def parse(data: bytes | None, before: Settings | None = None, **env: str) -> Settings:
    return parse_settings(data, "models.json", env, before)


def test_missing_file_gives_the_defaults() -> None:
    assert parse(None) == Settings()


def test_file_settings_are_in_force() -> None:
    assert parse(GOOD) == PARSED


def test_list_of_rows_sets_nothing_else() -> None:
    assert parse(b"[]") == Settings()


def test_removed_file_restores_the_defaults() -> None:
    assert parse(None, PARSED) == Settings()


def test_removed_field_restores_its_default() -> None:
    assert parse(b"{}", PARSED) == Settings()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "models.json: the file is empty"),
        (b" \n", "models.json: the file is empty"),
        (GOOD[:-1], "models.json: line 5, column 1: not valid JSON: "),
        (b'{\n "limits": ,\n}', "models.json: line 2, column 12: not valid JSON: "),
        (b"\xff\xfe", "models.json: line 1, column 1: not valid JSON: "),
        (b"3", "models.json: line 1: neither an object nor a list"),
        (b"null", "models.json: line 1: neither an object nor a list"),
    ],
)
def test_broken_file_keeps_the_last_valid_state(data: bytes, problem: str) -> None:
    found = parse(data, PARSED)
    assert replace(found, problems=()) == PARSED
    assert len(found.problems) == 1
    assert found.problems[0].startswith(problem)


def test_initially_broken_file_keeps_the_environment_settings() -> None:
    found = parse(b"{", CODEX_SHIM_STALL_SECONDS="7", CODEX_SHIM_ALLOWED_HOSTS="box")
    assert found.limits == Limits(stall_seconds=7)
    assert found.allowed_hosts == {"box"}
    assert len(found.problems) == 1


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (
            b'{\n "limits": {\n  "stall_seconds": "x"}}',
            "models.json: limits.stall_seconds: 'x' is not a number above 0 (line 3)",
        ),
        (
            b'{"limits": {\n"stall": 1}}',
            "models.json: limits.stall: no such limit (line 2)",
        ),
        (
            b'{"limits": {"stal_seconds": 1}}',
            "models.json: limits.stal_seconds: no such limit. Did you mean 'stall_seconds'? (line 1)",
        ),
        (b'{\n\n"limits": 5}', "models.json: limits: not an object (line 3)"),
        (b'{"aliases": []}', "models.json: aliases: not an object (line 1)"),
        (
            b'{"aliases": {"a": "b",\n"c": 3}}',
            "models.json: aliases.c: 3 is not the name of a model (line 2)",
        ),
        (b'{"chatgpt": null}', "models.json: chatgpt: not an object (line 1)"),
        (
            b'{"chatgpt": {\n"credential": "mine"}}',
            "models.json: chatgpt.credential: 'mine' is neither auth_json nor client (line 2)",
        ),
        (
            b'{"chatgpt": {\n"transport": "ws"}}',
            "models.json: chatgpt.transport: 'ws' is neither auto, http nor websocket (line 2)",
        ),
        (
            b'{"chatgpt": {\n"plain_handover": 1}}',
            "models.json: chatgpt.plain_handover: 1 is neither true nor false (line 2)",
        ),
    ],
)
def test_invalid_field_is_reported_with_file_line_and_reason(data: bytes, problem: str) -> None:
    assert parse(data).problems == (problem,)


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (b'{"limits": {"stall_seconds": -1}}', "limits"),
        (b'{"limits": []}', "limits"),
        (b'{"aliases": 1}', "aliases"),
        (b'{"chatgpt": {"credential": 1}}', "chatgpt_credential"),
        (b'{"chatgpt": {"transport": true}}', "chatgpt_transport"),
        (b'{"chatgpt": {"plain_handover": "yes"}}', "chatgpt_plain_handover"),
        (b'{"chatgpt": 1}', "chatgpt_credential"),
    ],
)
def test_invalid_field_keeps_only_its_own_last_value(data: bytes, kept: str) -> None:
    found = parse(data, PARSED)
    expected = replace(Settings(), **{kept: getattr(PARSED, kept)})
    assert replace(found, problems=()) == expected


@pytest.mark.parametrize("transport", ["auto", "http", "websocket"])
def test_transport_to_chatgpt(transport: str) -> None:
    found = parse(b'{"chatgpt": {"transport": "%b"}}' % transport.encode())
    assert (found.chatgpt_transport, found.problems) == (transport, ())


def test_handover_in_plain_text_is_off_unless_asked_for() -> None:
    assert not parse(b'{"chatgpt": {}}').chatgpt_plain_handover
    assert parse(b'{"chatgpt": {"plain_handover": true}}').chatgpt_plain_handover


def test_invalid_alias_does_not_affect_the_others() -> None:
    assert parse(b'{"aliases": {"a": "b", "c": ""}}').aliases == {"a": "b"}


def test_invalid_variable_is_not_reported_as_a_file_error() -> None:
    found = parse(GOOD, CODEX_SHIM_STALL_SECONDS="soon")
    assert found.problems == ("CODEX_SHIM_STALL_SECONDS: 'soon' is not a number above 0",)


@pytest.mark.parametrize("text", ["Box.local, other", " box.local  OTHER ", "box.local,,other,"])
def test_allowed_hosts_are_in_lower_case(text: str) -> None:
    assert parse(None, CODEX_SHIM_ALLOWED_HOSTS=text).allowed_hosts == {"box.local", "other"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    st.binary()
    | st.dictionaries(
        st.sampled_from(["limits", "aliases", "chatgpt"]),
        VALUES
        | st.dictionaries(st.sampled_from(["stall_seconds", "body_bytes", "credential"]), VALUES),
    ).map(orjson.dumps)
)
def test_any_bytes_give_usable_settings(data: bytes) -> None:
    found = parse(data, PARSED)
    assert found.limits.stall_seconds > 0
    assert found.limits.body_bytes > 0
    assert found.chatgpt_credential in ("auth_json", "client")


@pytest.mark.parametrize(
    ("path", "line"),
    [(("a",), 1), (("b",), 2), (("b", "a"), 3), (("missing",), 1), (("b", "missing"), 2)],
)
def test_line_of_a_path_is_that_of_its_innermost_key(path: tuple[str, ...], line: int) -> None:
    assert line_of(b'{"a": 1,\n"b": {\n"a": 2}}', path) == line


@pytest.mark.parametrize(
    ("value", "slugs"), [('"a"', ("a",)), ('["a", "b"]', ("a", "b")), ("[]", ())]
)
def test_chatgpt_fallback_is_a_list_of_models(value: str, slugs: tuple[str, ...]) -> None:
    settings = parse(f'{{"chatgpt": {{"fallback": {value}}}}}'.encode())
    assert (settings.chatgpt_fallback, settings.problems) == (slugs, ())


@pytest.mark.parametrize("value", ["7", "[7]", '[""]', "{}", "null"])
def test_invalid_fallback_keeps_the_last_one(value: str) -> None:
    before = parse(b'{"chatgpt": {"fallback": ["a"]}}')
    settings = parse(f'{{"chatgpt": {{"fallback": {value}}}}}'.encode(), before)
    assert settings.chatgpt_fallback == ("a",)
    [problem] = settings.problems
    assert problem.startswith("models.json: chatgpt.fallback: not a list")


def test_helpers_is_the_name_of_a_model() -> None:
    assert parse(b'{"helpers": "mine"}').helpers == "mine"
    assert parse(b"{}").helpers == ""


def test_invalid_helpers_keeps_the_last_one() -> None:
    settings = parse(b'{"helpers": 5}', parse(b'{"helpers": "mine"}'))
    assert settings.helpers == "mine"
    assert settings.problems == ("models.json: helpers: 5 is not the name of a model (line 1)",)


def test_vision_is_the_name_of_a_model() -> None:
    before = parse(b'{"vision": "eyes", "helpers": "mine"}')
    assert (before.vision, before.helpers) == ("eyes", "mine")
    settings = parse(b'{"vision": []}', before)
    assert (settings.vision, settings.helpers) == ("eyes", "")
    assert settings.problems == ("models.json: vision: [] is not the name of a model (line 1)",)


def test_websocket_is_a_choice() -> None:
    assert parse(b"{}").websocket is False
    assert parse(b'{"websocket": true}').websocket is True


def test_invalid_websocket_keeps_the_last_one() -> None:
    settings = parse(b'{"websocket": "yes"}', parse(b'{"websocket": true}'))
    assert settings.websocket is True
    assert settings.problems == (
        "models.json: websocket: 'yes' is neither true nor false (line 1)",
    )


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"chatgpt": {"plain_handovr": True}}, "chatgpt.plain_handovr: there is no such setting. Did you mean 'plain_handover'? (line 1)"),
        ({"chatgpt": {"zzz": 1}}, "chatgpt.zzz: there is no such setting (line 1)"),
        ({"chatgtp": {}}, "chatgtp: there is no such setting. Did you mean 'chatgpt'? (line 1)"),
        ({"budget": []}, "budget: there is no such setting. Did you mean 'budgets'? (line 1)"),
    ],
)  # fmt: skip
def test_setting_without_effect_is_reported(settings: dict[str, object], problem: str) -> None:
    found = parse_settings(orjson.dumps(settings), "models.json", {})
    assert found.problems == (f"models.json: {problem}",)


@pytest.mark.parametrize(
    "name", ["$schema", "version", "customModels", "notes", "models", "limits"]
)
def test_keys_of_other_programs_and_of_the_rows_are_no_mistakes(name: str) -> None:
    values: dict[str, object] = {"limits": {}, "models": []}
    found = parse_settings(orjson.dumps({name: values.get(name, 1)}), "models.json", {})
    assert found.problems == ()


def test_byte_order_mark_is_no_part_of_the_file() -> None:
    settings = parse_settings(b'\xef\xbb\xbf{"helpers": "a-model"}', "models.json", {})
    assert (settings.helpers, settings.problems) == ("a-model", ())
