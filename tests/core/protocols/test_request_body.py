import gzip
import json
import tracemalloc
import zlib
from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from addons.core.errors import Problem
from addons.core.protocols.request_body import (
    ParsedBody,
    find_model,
    finished_body,
    merge_fields,
    model_at_start,
    parse_body,
    replace_model,
)

CAP = 1 << 20
BODY = b'{"model":"gpt-5.5","stream":true,"input":[]}'


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def unzstd(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(data)


CODECS: dict[bytes | None, tuple[Any, Any]] = {
    None: (bytes, bytes),
    b"": (bytes, bytes),
    b"Identity": (bytes, bytes),
    b"zstd": (zstd, unzstd),
    b" ZSTD ": (zstd, unzstd),
    b"gzip": (gzip.compress, gzip.decompress),
    b"x-gzip": (gzip.compress, gzip.decompress),
    b"deflate": (zlib.compress, zlib.decompress),
}
encodings = pytest.mark.parametrize("encoding", CODECS)


def parsed(body: bytes, encoding: bytes | None = None) -> ParsedBody:
    found = parse_body(body, encoding, CAP)
    assert isinstance(found, ParsedBody)
    return found


def problem(body: bytes, encoding: bytes | None = None, cap: int = CAP) -> Problem:
    found = parse_body(body, encoding, cap)
    assert isinstance(found, Problem)
    return found


@encodings
def test_model_is_found_under_every_encoding(encoding: bytes | None) -> None:
    found = parsed(CODECS[encoding][0](BODY), encoding)
    assert (found.model, found.stream, found.decoded) == ("gpt-5.5", True, BODY)
    assert found.payload == orjson.loads(BODY)


def test_unencoded_body_is_not_copied() -> None:
    assert parsed(BODY).decoded is BODY


def test_several_zstd_frames_are_one_body() -> None:
    assert parsed(zstd(BODY[:10]) + zstd(BODY[10:]), b"zstd").decoded == BODY


@pytest.mark.parametrize("stream", [b"false", b"null", b'"true"', b"1"])
def test_only_true_means_streaming(stream: bytes) -> None:
    assert not parsed(b'{"model":"m","stream":%s}' % stream).stream


def test_missing_stream_means_no_streaming() -> None:
    assert not parsed(b'{"model":"m"}').stream


@pytest.mark.parametrize(
    ("body", "encoding", "status", "words"),
    [
        (b"", None, 400, "byte 0"),
        (b'{"model":"m",}', None, 400, "byte 12"),
        ('{"model":"é", nul}'.encode(), None, 400, "byte 15"),
        (b'{"model":"\xff"}', None, 400, "byte 10"),
        (b'{"model":"m"', None, 400, "byte"),
        (b"[1]", None, 400, "not an object"),
        (b'"model"', None, 400, "not an object"),
        (b"{}", None, 400, "names no model"),
        (b'{"model":null}', None, 400, "names no model"),
        (b'{"model":""}', None, 400, "names no model"),
        (b'{"x":{"model":"m"}}', None, 400, "names no model"),
        (BODY, b"br", 415, '"br"'),
        (BODY, b"gzip, zstd", 415, '"gzip, zstd"'),
        (BODY, b"\x1b[2J", 415, r'"\x1b[2J"'),
        (BODY, b"zstd", 400, "is not zstd"),
        (BODY, b"gzip", 400, "is not gzip"),
        (BODY, b"deflate", 400, "is not deflate"),
        (gzip.compress(BODY, mtime=0) * 2, b"gzip", 400, "is not gzip"),
        (gzip.compress(BODY, mtime=0)[:-12], b"gzip", 400, "not valid JSON"),
        (zstd(BODY)[:-1], b"zstd", 400, "not valid JSON"),
    ],
)
def test_unreadable_body_is_refused_with_its_reason(
    body: bytes, encoding: bytes | None, status: int, words: str
) -> None:
    found = problem(body, encoding)
    assert found.status == status
    assert words in found.message
    assert found.code == "invalid_prompt"


@encodings
def test_limit_is_exact(encoding: bytes | None) -> None:
    body = CODECS[encoding][0](BODY)
    assert isinstance(parse_body(body, encoding, len(BODY)), ParsedBody)
    over = problem(body, encoding, len(BODY) - 1)
    assert (over.status, over.code) == (413, "context_length_exceeded")


@pytest.mark.parametrize("encoding", [b"zstd", b"gzip", b"deflate"])
def test_decompression_bomb_is_cut_at_the_limit(encoding: bytes) -> None:
    bomb = CODECS[encoding][0](b"\0" * (64 * CAP))
    assert len(bomb) < CAP
    tracemalloc.start()
    try:
        assert problem(bomb, encoding).status == 413
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * CAP


@encodings
def test_replaced_model_keeps_the_encoding_and_every_other_byte(encoding: bytes | None) -> None:
    encode, decode = CODECS[encoding]
    renamed = replace_model(encode(BODY), encoding, "other")
    assert isinstance(renamed, bytes)
    assert decode(renamed) == BODY.replace(b"gpt-5.5", b"other")


@encodings
def test_same_model_returns_the_same_object(encoding: bytes | None) -> None:
    body = CODECS[encoding][0](BODY)
    assert replace_model(body, encoding, "gpt-5.5") is body


def test_unreadable_body_has_no_replacement() -> None:
    assert isinstance(replace_model(b"[]", None, "m"), Problem)
    assert isinstance(replace_model(BODY, None, "m", cap=5), Problem)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a":{"model":"x"},"model":"m"}', b'{"a":{"model":"x"},"model":"NEW"}'),
        (b'{"model":"m","a":[{"model":"x"}]}', b'{"model":"NEW","a":[{"model":"x"}]}'),
        (b'{"model":"m","model":"n"}', b'{"model":"NEW","model":"NEW"}'),
        (b'{"model":{"model":[1,"}"]},"model":"n"}', b'{"model":"NEW","model":"NEW"}'),
        (b'{"model":[],"model":1.5e3 ,"model":"n"}', b'{"model":"NEW","model":"NEW" ,"model":"NEW"}'),
        (rb'{"mod\u0065l":"m"}', rb'{"mod\u0065l":"NEW"}'),
        (rb'{"\u006D\u006F\u0064\u0065\u006C":"m"}', rb'{"\u006D\u006F\u0064\u0065\u006C":"NEW"}'),
        (b'{"a":"\\"model\\":\\"x\\"","model":"m"}', b'{"a":"\\"model\\":\\"x\\"","model":"NEW"}'),
        (b'{"a":"model","model":"m"}', b'{"a":"model","model":"NEW"}'),
        (b'{"a":"\\\\","model":"m"}', b'{"a":"\\\\","model":"NEW"}'),
        (b'{"Model":"x","model ":"y","model":"m"}', b'{"Model":"x","model ":"y","model":"NEW"}'),
        (b' {\n"model"\t:\r\n "m" , "a" : 1 } ', b' {\n"model"\t:\r\n "NEW" , "a" : 1 } '),
        (b'{"model":"a\\"b,}"}', b'{"model":"NEW"}'),
        (b'{"a":"}{][","model":"m"}', b'{"a":"}{][","model":"NEW"}'),
    ],
)  # fmt: skip
def test_only_the_top_level_model_is_replaced(body: bytes, expected: bytes) -> None:
    assert replace_model(body, None, "NEW") == expected


words = st.text(max_size=6) | st.sampled_from(["model", '"model":', '"', "\\", "\\u006d", "{", "]"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(0, 1) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=10,
)
styles = st.sampled_from(
    [
        {"ensure_ascii": False},
        {"ensure_ascii": True},
        {"indent": 1, "ensure_ascii": False},
        {"separators": (",", ":"), "ensure_ascii": False},
    ]
)


@given(
    before=st.dictionaries(words, values, max_size=3),
    after=st.dictionaries(words, values, max_size=3),
    model=st.text(min_size=1, max_size=8),
    new_model=st.text(max_size=8),
    style=styles,
)
def test_any_object_keeps_its_other_bytes(
    before: dict[str, Any], after: dict[str, Any], model: str, new_model: str, style: dict[str, Any]
) -> None:
    original = {k: v for k, v in before.items() if k != "model"}
    original["model"] = model
    original |= {k: v for k, v in after.items() if k != "model"}
    body = json.dumps(original, **style).encode()
    renamed = replace_model(body, None, new_model)
    assert isinstance(renamed, bytes)
    assert json.loads(renamed) == {**original, "model": new_model}
    value = json.dumps(model, ensure_ascii=style["ensure_ascii"]).encode()
    key = b'"model":' if style.get("separators") else b'"model": '
    cuts = [i for i in range(len(body)) if body.startswith(key + value, i)]
    assert any(
        renamed
        == body[: i + len(key)] + orjson.dumps(new_model) + body[i + len(key) + len(value) :]
        for i in cuts
    )


@given(st.binary(max_size=60), st.sampled_from([*CODECS, b"br"]))
def test_any_bytes_give_a_body_or_a_problem(body: bytes, encoding: bytes | None) -> None:
    assert isinstance(parse_body(body, encoding, CAP), ParsedBody | Problem)
    assert isinstance(replace_model(body, encoding, "m"), bytes | Problem)
    assert isinstance(model_at_start(body, encoding), str | None)


@encodings
def test_leading_model_is_found_without_decoding_the_rest(encoding: bytes | None) -> None:
    body = b' {"model" : "gpt-5.5", "input": ' + b"[" * 5000
    assert model_at_start(CODECS[encoding][0](body), encoding) == "gpt-5.5"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b'{"stream":true,"model":"m"}', None),
        (b'{"model":"a\\u0062"}', None),
        (b'{"model":"\xff"}', None),
        (b'{"model":1}', None),
        (b'{"model":"' + b"x" * 5000, b"unknown"),
        (zstd(b'{"model":"' + b"x" * 5000 + b'"}'), b"zstd"),
        (b"", None),
    ],
)
def test_escaped_or_late_model_is_not_guessed(body: bytes, encoding: bytes | None) -> None:
    assert model_at_start(body, encoding) is None


LARGE = b"[" + b'{"type":"message","model":"decoy"},' * 20_000 + b"0]"


@pytest.fixture
def no_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(_: bytes) -> None:
        pytest.fail("the whole body was parsed")

    monkeypatch.setattr("addons.core.protocols.request_body.orjson.loads", parse)


@pytest.mark.usefixtures("no_parsing")
@pytest.mark.parametrize("encoding", [None, b"zstd", b"gzip", b"deflate"])
@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","input":%s}',
        b'{"input":%s,"model":"m","stream":true,"tools":[{"model":"x"},{"a":"}]"}]} \n',
        b'{"input":%s , "model" : "m"}',
        b'{"input":%s,"model":"first","model":"m"}',
    ],
)
def test_model_of_a_large_body_is_found_without_parsing_it(
    body: bytes, encoding: bytes | None
) -> None:
    assert find_model(CODECS[encoding][0](body % LARGE), encoding, 10 * CAP) == "m"


@pytest.mark.parametrize(
    "body",
    [
        b'{"model" : "m\\u0061", "input":%s,"x":{"a":1,"model":"decoy"}}',
        b'{"mod\\u0065l":"ma","input":%s,"x":[{"a":1,"model":"decoy"}]}',
        b'{"model" : "m\\u0061","input":%s,"x":"a,\\"model\\":\\"decoy\\"}"}',
        b'{"input":%s,"model":"m\\u0061","x":{"a":1,"model":"decoy"}}',
        b'{"input":%s,"model":"ma","x":%s}',
    ],
)
def test_nested_model_is_never_taken(body: bytes) -> None:
    whole = body.replace(b"%s", LARGE)
    assert find_model(whole, None, 10 * CAP) == orjson.loads(whole)["model"] == "ma"


def test_errors_of_a_small_body_or_one_without_a_model_are_reported() -> None:
    for body in (b'{"input":nul,"model":"m"}', b'{"input":%s}' % LARGE, b'{"input":' + LARGE):
        found = find_model(body, None, 10 * CAP)
        assert isinstance(found, Problem)
        assert found.status == 400
    assert isinstance(find_model(BODY[1:], None, 5), Problem)


def test_replacement_keeps_long_numbers_deep_nesting_and_surrogates() -> None:
    rest = (
        b'"model":"x"},"n":'
        b"0." + b"9" * 5000 + b',"s":"\\u0061\xc3\xa9","model":"m","d":' + b"[" * 900
    )
    body = b'{"a":{' + rest + b"]" * 900 + b"}"
    assert replace_model(body, None, "NEW") == body.replace(b'"m"', b'"NEW"')


def test_merged_fields_change_neither_side() -> None:
    body, extra = {"a": {"b": 1}}, {"a": {"c": {"d": 2}}}
    assert merge_fields(body, extra) == {"a": {"b": 1, "c": {"d": 2}}}
    assert (body, extra) == ({"a": {"b": 1}}, {"a": {"c": {"d": 2}}})
    assert merge_fields({"a": {"b": 1}}, {"a": None, "e": [1]}) == {"e": [1]}


def test_merged_objects_keep_their_other_fields() -> None:
    body = {"a": {"b": 1, "c": {"d": 1}}, "e": [1], "f": 1}
    over = {"a": {"c": {"x": 2}}, "e": [2], "f": {"g": 1}}
    merged = merge_fields(body, over)
    assert merged == {"a": {"b": 1, "c": {"d": 1, "x": 2}}, "e": [2], "f": {"g": 1}}
    assert body["a"] == {"b": 1, "c": {"d": 1}}


def test_null_of_the_row_takes_a_field_out_at_any_depth() -> None:
    body = {"user": "u", "stream_options": {"include_usage": True, "x": 1}, "n": 1}
    assert finished_body(body, {"user": None, "stream_options": {"x": None}, "gone": None}, ()) == {
        "stream_options": {"include_usage": True},
        "n": 1,
    }


def test_refused_fields_are_left_out_wherever_they_occur() -> None:
    messages = [{"role": "user", "name": "n"}, {"role": "assistant", "reasoning": "r", "name": "m"}]
    tools = [{"function": {"name": "f", "strict": True}}, {"function": {"name": "g"}}]
    body = {"messages": messages, "tools": tools, "reasoning": {"effort": "low"}, "user": "u"}
    omitted = ("user", "messages.*.name", "tools.*.function.strict", "reasoning.effort", "no.such")
    assert finished_body(body, {}, omitted) == {
        "messages": [{"role": "user"}, {"role": "assistant", "reasoning": "r"}],
        "tools": [{"function": {"name": "f"}}, {"function": {"name": "g"}}],
    }
    assert messages[0] == {"role": "user", "name": "n"}
    assert tools[0] == {"function": {"name": "f", "strict": True}}
