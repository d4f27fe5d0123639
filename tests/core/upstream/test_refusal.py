"""A refusal's texts and fields, whatever the shape of its body."""

from __future__ import annotations

import orjson
import pytest

from addons.core.upstream.refusal import MAX_COMPLAINTS, field_path, read_refusal


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"plain words", "plain words"),
        (b'{"error":{"message":"said"}}', "said"),
        (b'{"error":{"message":"outer","metadata":{"raw":"{\\"error\\":{\\"message\\":\\"inner\\"}}"}}}', "inner"),
        (b'{"errors":[{"description":"first"},{"description":"second"}]}', "second"),
        (b'{"detail":[{"loc":["body","x"],"msg":"said"}]}', "said"),
        (b'[{"error":{"message":"in a list"}}]', "in a list"),
        (b'{"msg":"said","code":7}', "said"),
        (b"\xff\xfe not utf-8", "not utf-8"),
    ],
)  # fmt: skip
def test_text_is_found(body: bytes, words: str) -> None:
    assert words in read_refusal(400, body).search_text


def test_echo_of_the_request_is_no_word_of_the_upstream() -> None:
    body = {"detail": [{"msg": "boom", "input": {"a": "secret"}}], "body": "secret", "request": {}}
    assert "secret" not in read_refusal(422, orjson.dumps(body)).search_text


@pytest.mark.parametrize(
    ("notation", "path"),
    [
        ("tools[0].function", ("tools", "0", "function")),
        ("/tools/0/function", ("tools", "0", "function")),
        ("body -> tools -> 0", ("body", "tools", "0")),
        ("$.messages[3]", ("messages", "3")),
        ("user", ("user",)),
        ("", ()),
    ],
)
def test_every_notation_of_a_path_is_read(notation: str, path: tuple[str, ...]) -> None:
    assert field_path(notation) == path


def test_refusals_that_differ_in_a_request_id_are_the_same() -> None:
    one, two = (
        read_refusal(400, b"Unknown parameter: 'user'. (request id: %b)" % identifier)
        for identifier in (b"req-0A1b2C3d", b"021788884720158619")
    )
    assert one.identity == two.identity
    assert one.identity != read_refusal(422, b"Unknown parameter: 'user'.").identity
    assert one.identity != read_refusal(400, b"Unknown parameter: 'seed'.").identity


def test_positions_stay_part_of_the_identity() -> None:
    one, two = (read_refusal(400, b"messages.%d.content: bad" % at) for at in (3, 5))
    assert one.identity != two.identity


def test_size_is_bounded() -> None:
    many = orjson.dumps([{"message": f"m{number}"} for number in range(1000)])
    assert len(read_refusal(400, many).complaints) == MAX_COMPLAINTS
    assert read_refusal(400, b'{"a":' * 200 + b"1" + b"}" * 200).search_text == ""
    assert len(read_refusal(400, b"x" * 1_000_000).text) < 10_000
