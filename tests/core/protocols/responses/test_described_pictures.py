"""The pictures of a request, and the request with texts in their places."""

from __future__ import annotations

import base64
import time

from addons.core.protocols.responses.described_pictures import (
    CUT,
    MAX_BYTES,
    MAX_CHARACTERS,
    TOO_LARGE,
    TOO_WIDE,
    UNREADABLE,
    description_text,
    failure_text,
    may_have_pictures,
    pictures_in,
    unreadable_note,
    with_texts,
)

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
Json = dict[str, object]


def data_url(data: bytes, label: str = "image/png") -> str:
    return f"data:{label};base64,{base64.b64encode(data).decode()}"


def sized(width: int, height: int) -> str:
    return data_url(PNG + width.to_bytes(4, "big") + height.to_bytes(4, "big"))


ONE, TWO = sized(1, 1), sized(2, 2)


def part(url: object) -> Json:
    return {"type": "input_image", "image_url": url}


def request(*items: object) -> Json:
    return {"model": "m", "input": list(items)}


def test_pictures_are_found_in_every_place_and_numbered_in_order() -> None:
    payload = request(
        {"role": "user", "content": [part(ONE), {"type": "input_text", "text": "hi"}, part(TWO)]},
        {"type": "function_call_output", "call_id": "c", "output": [part({"url": ONE})]},
        {"type": "message", "content": [{"type": "input_file", "file_data": ONE}]},
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": "https://e.x/a.png"}}],
        },
    )
    found = pictures_in(payload)
    assert [one.url for one in found] == [ONE, TWO, ONE, ONE, "https://e.x/a.png"]
    assert [one.number for one in found] == [0, 0, 1, 2, 0]
    assert found[0].digest == found[2].digest != found[1].digest


def test_spelling_of_base64_makes_no_other_picture() -> None:
    data = PNG + bytes(range(200, 256))
    plain, wrapped = data_url(data), data_url(data).replace("+", "-").replace("/", "_").rstrip("=")
    wrapped = "data:image/jpeg;base64," + wrapped.partition(",")[2]
    (one, two) = pictures_in(request({"content": [part(plain), part(wrapped)]}))
    assert one.digest == two.digest


def test_what_is_no_picture_stays_as_it_is() -> None:
    odd: list[object] = [
        None, "text", 3, {"content": "text"}, {"output": "text"}, {"content": [None, "x", {"type": "input_image"}]},
        {"content": [part(None), part("file-1"), part({"url": 1}), {"type": "input_file", "file_data": "aGk="}]},
    ]  # fmt: skip
    payload = request(*odd)
    assert pictures_in(payload) == []
    assert with_texts(payload, ["gone"]) == payload
    for body in ({"input": "text"}, {}, {"input": None}):
        assert with_texts(body, ["gone"]) == body


def test_texts_stand_in_the_places_and_an_extension_keeps_them() -> None:
    texts = ["first", "second"]
    item = {"role": "user", "content": [part(ONE), {"type": "input_text", "text": "hi"}, part(ONE)]}
    short = with_texts(request(item), texts)["input"]
    long = with_texts(request(item, {"content": [part(ONE)]}), texts)["input"]
    assert isinstance(short, list)
    assert isinstance(long, list)
    assert short[0]["content"] == [
        {"type": "input_text", "text": "first"},
        {"type": "input_text", "text": "hi"},
        {"type": "input_text", "text": "second"},
    ]
    assert long[0] == short[0]
    assert long[1]["content"] == [part(ONE)]
    assert item["content"][0] == part(ONE)


def test_body_without_a_word_of_pictures_is_not_searched() -> None:
    assert not may_have_pictures(b'{"input":"an image"}')
    for word in (b'"input_image"', b'"image_url"', b'"data:image/png;base64,"'):
        assert may_have_pictures(b"{" + word)


def test_note_for_what_no_model_can_read() -> None:
    jpeg, gif = data_url(b"\xff\xd8\xff\xe0rest"), data_url(b"GIF89a\1\0\1\0")
    webp = data_url(b"RIFF\0\0\0\0WEBPVP8 ")
    for fine in (ONE, jpeg, gif, webp, "https://e.x/a.svg", sized(8000, 8000)):
        assert unreadable_note(fine) == ""
    for broken in (
        data_url(b"<svg/>"),
        data_url(b""),
        "data:image/png;base64,@@",
        "data:image/png,hi",
        "data:",
    ):
        assert unreadable_note(broken) == UNREADABLE
    assert unreadable_note(sized(8001, 1)) == TOO_WIDE
    assert unreadable_note("data:image/png;base64," + "A" * MAX_BYTES) == TOO_LARGE


def test_hostile_picture_takes_no_time() -> None:
    fill = data_url(b"\xff\xd8\xff" + b"\xff" * 4_000_000)
    segments = data_url(b"\xff\xd8" + b"\xff\xe0\0\2" * 1_000_000)
    escapes = "data:image/png," + "%41" * 4_000_000
    for url in (fill, segments, escapes):
        began = time.process_time()
        pictures_in(request({"content": [part(url)]}))
        unreadable_note(url)
        assert time.process_time() - began < 0.5, url[:40]


def test_description_names_its_model_and_cannot_leave_its_tags() -> None:
    text = description_text("eyes", " a </picture> b ")
    assert text == '<picture described-by="eyes">\na </ picture> b\n</picture>'
    for tag in ("</PICTURE>", "</picture >", "< / picture>", "</picture\n>"):
        text = description_text("eyes", f"a {tag} b")
        assert text.lower().replace(" ", "").replace("\n", "").count("</picture>") == 2
        assert text.count("</ picture>") == 1
    assert description_text("eyes", "x" * (MAX_CHARACTERS + 1)).endswith(f"x{CUT}\n</picture>")
    assert CUT not in description_text("eyes", "x" * MAX_CHARACTERS)


def test_failure_is_one_short_line() -> None:
    assert failure_text("no\n such   model.") == "[a picture was left out: no such model]"
    assert len(failure_text("x" * 9_999)) < 500
