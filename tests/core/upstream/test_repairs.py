"""The table of repairs: what each server's refusal changes first, and which refusals change nothing."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.secrets import Origin
from addons.core.upstream.error_mapping import refusal_kind
from addons.core.upstream.profile import Profile
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.refusal import read_refusal
from addons.core.upstream.repair_items import picture_digest, reasoning_digest
from addons.core.upstream.repairs import is_final, is_temporary, proposals
from addons.core.upstream.sent import Change, Sent
from addons.core.upstream.target import Target
from addons.core.upstream.traits import Trait
from tests.core.upstream import refusals_field, refusals_found
from tests.core.upstream.refusals import ALL as FIRST
from tests.core.upstream.refusals import NOT_REPAIRABLE as NOT_FIRST
from tests.core.upstream.refusals import Refused

ALL = [*FIRST, *refusals_field.ALL, *refusals_found.ALL]
NOT_REPAIRABLE = [
    *NOT_FIRST,
    *refusals_field.NOT_REPAIRABLE,
    *refusals_found.NOT_REPAIRABLE,
]
ORIGIN = Origin("https", "api.example.test", 443)


def sent(refused: Refused) -> Sent:
    protocol = Protocol.MESSAGES if refused.messages else Protocol.CHAT
    if refused.native:
        protocol = Protocol.RESPONSES
    profile = replace(Profile(call_ids="any"), **refused.profile)
    target = Target("row", "Row", "p", "m", protocol, ORIGIN, "/v1/x", profile=profile)
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    return Sent(target, {**body, **refused.sent}, refused.key_header)


def changes(refused: Refused) -> list[Change]:
    return list(proposals(read_refusal(refused.status, refused.body), sent(refused)))


def digest(item: str) -> str:
    if item.startswith(("data:", "https:")):
        return picture_digest(item)
    if len(item) == 2:
        return reasoning_digest({"signature": item})
    return picture_digest(f"data:image/png;base64,{item}")


@pytest.mark.parametrize("refused", ALL, ids=lambda one: one.source)
def test_first_change_is_the_one_that_helps(refused: Refused) -> None:
    first = changes(refused)[0]
    wanted: dict[str, Any] = dict(refused.wanted)
    notes = wanted.pop("notes", [])
    found = {name: ... if wanted.get(name) is ... else value for name, value in first.traits}
    assert found == wanted
    if isinstance(notes, int):
        assert len(first.items) == notes
    else:
        assert list(first.items) == [digest(item) for item in notes]


@pytest.mark.parametrize("refused", ALL, ids=lambda one: one.source)
def test_every_proposed_trait_is_valid_and_described(refused: Refused) -> None:
    for change in changes(refused):
        assert change.what
        assert all(Trait(name, value).is_valid for name, value in change.traits)


@pytest.mark.parametrize("refused", NOT_REPAIRABLE, ids=lambda one: one.source)
def test_refusal_for_another_reason_changes_nothing(refused: Refused) -> None:
    assert changes(refused) == []


@pytest.mark.parametrize(
    ("words", "final"),
    [
        ('{"error":{"code":500,"message":"Jinja Exception: Conversation roles must alternate user/assistant"}}', True),
        ('{"error":{"message":"chat template error: no such filter"}}', True),
        ("jinja2.exceptions.TemplateError: After the optional system message", True),
        ('{"error":{"message":"Internal server error"}}', False),
        ("CUDA out of memory", False),
    ],
)  # fmt: skip
def test_template_error_is_final(words: str, *, final: bool) -> None:
    assert is_final(read_refusal(500, words.encode())) is final


@given(st.binary(max_size=300), st.sampled_from([400, 401, 404, 422, 500]))
def test_any_body_is_read(body: bytes, status: int) -> None:
    refused = Refused("any", "", {}, status)
    assert isinstance(list(proposals(read_refusal(status, body), sent(refused))), list)


def test_no_refusal_of_a_report_is_temporary() -> None:
    temporary = [one.source for one in ALL if is_temporary(read_refusal(one.status, one.body))]
    assert temporary == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("image encoder timed out, please try again", True),
        ("The vision service is temporarily unavailable. Please retry your request.", True),
        ("Failed to compile grammar: worker crashed", True),
        ("stream_options: upstream connect error or disconnect/reset before headers", True),
        ("Too many concurrent requests for this model (parallel_tool_calls counted)", True),
        ("extraneous key [x] is not permitted, please reformat your input and try again.", False),
        ("This response_format type is unavailable now", False),
        ("Try again with a maximum tokens value that is lower than 8192.", False),
        ("Timeout while downloading the image", False),
    ],
)
def test_temporary_fault_is_known(words: str, *, expected: bool) -> None:
    assert is_temporary(read_refusal(400, words.encode())) is expected


def test_name_in_a_link_to_documentation_is_not_refused() -> None:
    linked = b"Invalid request. See https://docs.example.test/api#parallel_tool_calls for details"
    refused = Refused("", "", {}, sent={"parallel_tool_calls": True})
    assert list(proposals(read_refusal(400, linked), sent(refused))) == []


UNITS = [
    "1", "a-", "a_", "a.", "1h", "tool_", "tools ", "function", "messages.", "description ", "image ", "limit of ",
    "exceeds ", "session ", "'a", "x: ", '{"a":1}', "max_tokens 1 ", "json mode ", " ", "\n", "thinking ", "不", "[0]",
]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_hostile_refusal_is_understood_in_linear_time(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    upstream_request = sent(next(one for one in ALL if "tools" in one.sent))
    start = time.process_time()
    for body in (text.encode(), orjson.dumps({"error": {"message": text}})):
        refusal = read_refusal(400, body)
        assert isinstance(list(proposals(refusal, upstream_request)), list)
        assert refusal.identity[0] == 400
        assert refusal_kind(400, body, None, 1.0)
    assert time.process_time() - start < 1


def test_digest_of_a_picture_does_not_depend_on_its_spelling() -> None:
    same = ["data:image/png;base64,ab+/", "data:image/jpeg;base64,ab-_", "DATA:image/png;BASE64,ab+/==", "data:;base64,a b\n+/"]  # fmt: skip
    assert len({picture_digest(url) for url in same}) == 1
    assert picture_digest("https://a/x.png") != picture_digest("https://a/y.png")
