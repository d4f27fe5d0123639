"""The lists of models, and the switch of the model that Codex uses."""

from __future__ import annotations

import orjson
import pytest

from addons.core.server.models_api import matches_etag
from tests.core.server.sources import JSON, Setup, error

ENTRY = {"extra": {"kept": [1, None]}, "context_window": 1000}


# GET /models ----------------------------------------------------------------------------------------------


def test_models_are_listed_in_openais_shape() -> None:
    found = orjson.loads(Setup().ask("GET", "/v1/models").body)
    assert found["object"] == "list"
    assert [(row["id"], row["object"], row["owned_by"]) for row in found["data"]] == [
        ("gpt-5.5", "model", "chatgpt"),
        ("shim-demo", "model", "demo"),
    ]


@pytest.mark.parametrize("query", ["client_version=0.169.0", "client_version=", "a&client_version"])
def test_codex_gets_its_own_shape_with_entries_unchanged(query: str) -> None:
    reply = Setup().ask("GET", f"/v1/models?{query}")
    assert orjson.loads(reply.body) == {
        "models": [{"slug": "gpt-5.5", **ENTRY}, {"slug": "shim-demo", **ENTRY}]
    }


@pytest.mark.parametrize(
    ("query", "version"),
    [("client_version=0.133.0", "0.133.0"), ("x=1&client_version=0.171.0", "0.171.0"), ("client_version", "")],
)  # fmt: skip
def test_entries_are_made_for_the_codex_that_asks(query: str, version: str) -> None:
    setup = Setup(make_entry=lambda asked: {"slug": "gpt-5.5", "made_for": asked})
    found = orjson.loads(setup.ask("GET", f"/v1/models?{query}").body)
    assert found["models"][0] == {"slug": "gpt-5.5", "made_for": version}
    tags = {setup.ask("GET", f"/v1/models?client_version={v}").head.header(b"etag") for v in "12"}
    assert len(tags) == 2, "another version has another list"


def test_etag_of_the_accounts_own_catalog_is_passed_on() -> None:
    setup = Setup(etag='W/"account"')
    assert setup.ask("GET", "/v1/models?client_version=1").head.header(b"etag") == b'W/"account"'


def test_unchanged_list_is_a_304() -> None:
    setup = Setup()
    path = "/v1/models?client_version=1"
    tag = setup.ask("GET", path).head.header(b"etag")
    assert tag
    again = setup.ask("GET", path, b"", (b"If-None-Match", tag))
    assert (again.head.status, again.body, again.head.header(b"etag")) == (304, b"", tag)
    assert setup.ask("GET", path).head.header(b"content-type") == b"application/json"
    setup.unavailable = "expired"
    changed = setup.ask("GET", path, b"", (b"If-None-Match", tag))
    assert changed.head.status == 200
    assert changed.head.header(b"etag") != tag


@pytest.mark.parametrize(
    ("if_none_match", "known"),
    [
        (None, False),
        (b"", False),
        (b'"a"', True),
        (b'W/"a"', True),
        (b'"b", W/"a"', True),
        (b"*", True),
        (b'"b"', False),
        (b"a", False),
    ],
)
def test_etags_are_compared_weakly(if_none_match: bytes | None, known: bool) -> None:
    assert matches_etag(if_none_match, b'"a"') is known
    assert matches_etag(if_none_match, b'W/"a"') is known


# GET /api/models ------------------------------------------------------------------------------------------


def picker_rows(setup: Setup) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = orjson.loads(setup.ask("GET", "/api/models").body)["models"]
    return rows


def test_picker_gets_every_model_with_the_reason_of_an_unavailable_one() -> None:
    gpt, demo, secret = picker_rows(Setup(visibility="list"))
    assert gpt == {
        "slug": "gpt-5.5",
        "display_name": "GPT-5.5",
        "route": "chatgpt",
        "label": "ChatGPT",
        "own": False,
        "live": True,
        "reason": "",
        "hidden_by": "",
        "context_window": 1000,
        "active": True,
        "last": {"ok": True},
    }
    assert (demo["slug"], demo["label"], demo["own"], demo["last"]) == ("shim-demo", "demo", False, None)  # fmt: skip
    assert (secret["slug"], secret["live"], secret["reason"]) == ("secret", False, "off")
    assert (secret["active"], secret["hidden_by"]) == (False, "")


def test_picker_gets_the_models_in_the_order_of_codex_and_then_the_hidden_ones() -> None:
    setup = Setup(visibility="list", priorities={"gpt-5.5": 2, "shim-demo": 1})
    assert [row["slug"] for row in picker_rows(setup)] == ["shim-demo", "gpt-5.5", "secret"]
    setup.visibility = "hide"
    assert [row["slug"] for row in picker_rows(setup)] == ["gpt-5.5", "shim-demo", "secret"]
    assert 'visibility "hide"' in str(picker_rows(setup)[0]["hidden_by"])


def test_models_without_support_in_the_api_are_listed_for_a_login_alone() -> None:
    setup = Setup(visibility="list", supported_in_api=False)
    assert [row["hidden_by"] for row in picker_rows(setup)] == ["", "", ""]
    setup.unavailable = "logged out"
    assert "no ChatGPT login" in str(picker_rows(setup)[0]["hidden_by"])


def test_row_of_models_json_is_an_own_model() -> None:
    rows = picker_rows(Setup(visibility="list", more_providers=("anthropic",)))
    assert [(row["slug"], row["label"]) for row in rows if row["own"]] == [("anthropic", "Anthropic")]  # fmt: skip


# POST /api/switch -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gpt-5.5", "old"])
async def test_switch_takes_a_slug_or_an_alias(name: str) -> None:
    setup = Setup()
    body = orjson.dumps({"slug": name})
    head, written = await setup.streamed("POST", "/api/switch", body, JSON)
    assert (head.status, head.header(b"content-type")) == (200, b"application/json")
    assert written == b"switched to gpt-5.5"
    assert setup.switched == ["gpt-5.5"]


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b'{"slug":"old"}', (), 415, "unsupported_media_type"),
        (b'{"slug":"old"}', ((b"content-type", b"text/plain"),), 415, "unsupported_media_type"),
        (b"{", (JSON,), 400, "bad_request"),
        (b"[]", (JSON,), 400, "bad_request"),
        (b'{"slug":3}', (JSON,), 400, "bad_request"),
        (b'{"slug":""}', (JSON,), 400, "bad_request"),
        (b'{"slug":"nope"}', (JSON,), 404, "model_not_found"),
        (b'{"slug":"secret"}', (JSON,), 409, "model_hidden"),
    ],
)
def test_refused_switch_changes_nothing(
    body: bytes, headers: tuple[tuple[bytes, bytes], ...], status: int, code: str
) -> None:
    setup = Setup()
    reply = setup.ask("POST", "/api/switch", body, *headers)
    assert (reply.head.status, error(reply)["code"]) == (status, code)
    assert setup.switched == []
