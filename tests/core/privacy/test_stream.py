"""An answer gives the same texts however it is split, and its events stay what they were."""

from __future__ import annotations

import random

import orjson
import pytest

from addons.core.privacy.placeholders import Namer, code_of
from addons.core.privacy.restorer import Restorer
from addons.core.privacy.stream import EventRestorer, RestoringTranslator
from addons.core.protocols.responses.observer import StreamObserver
from addons.core.turn import Fault, FaultKind

_NAMER = Namer(b"k" * 32, "thread")
VALUES = {
    "email": "ada@example.com",
    "key": '-----BEGIN\n"quoted" \\ ü-----',
    "phone": "+14155550132",
}
SHOWN = {kind: _NAMER.placeholder(kind, value) for kind, value in VALUES.items()}
BY_CODE = {code_of(SHOWN[kind]): value for kind, value in VALUES.items()}
TEXT = (
    "hm "
    + " and ".join(SHOWN.values())
    + " mm masked-email-zzz m"
    + "".join(SHOWN.values()).upper()
    + " them"
)
WANTED = (
    "hm "
    + " and ".join(VALUES.values())
    + " mm masked-email-zzz m"
    + "".join(VALUES.values())
    + " them"
)
KINDS = {
    "response.output_text": "text",
    "response.function_call_arguments": "arguments",
    "response.custom_tool_call_input": "input",
    "response.reasoning_summary_text": "text",
    "response.reasoning_text": "text",
}


def _event(kind: str, **members: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), orjson.dumps({"type": kind, **members}))


def _text_of(kind: str, text: str = TEXT) -> str:
    return orjson.dumps({"command": text}).decode() if "arguments" in kind else text


def _stream(kind: str, parts: list[str], index: int = 0) -> list[bytes]:
    names = {"output_index": index, "item_id": f"i{index}"}
    deltas = [_event(f"{kind}.delta", **names, delta=part) for part in parts]
    return [*deltas, _event(f"{kind}.done", **names, **{KINDS[kind]: "".join(parts)})]


def _restorer() -> EventRestorer:
    return EventRestorer(Restorer(BY_CODE.get), 1 << 20)


def _events(data: bytes) -> list[dict[str, object]]:
    return [orjson.loads(one.partition(b"data: ")[2]) for one in data.split(b"\n\n") if one]


def _joined(events: list[dict[str, object]], kind: str) -> str:
    return "".join(str(one["delta"]) for one in events if one["type"] == f"{kind}.delta")


def _check(kind: str, events: list[dict[str, object]]) -> None:
    whole = [str(one[KINDS[kind]]) for one in events if one["type"] == f"{kind}.done"]
    for text in (_joined(events, kind), *whole):
        if "arguments" in kind:
            assert orjson.loads(text) == {"command": WANTED}
        else:
            assert text == WANTED


def test_every_split_in_two_gives_the_same_texts() -> None:
    for kind in KINDS:
        text = _text_of(kind)
        for at in range(1, len(text)):
            stream = _stream(kind, [text[:at], text[at:]])
            out = _restorer().feed(b"".join(stream))
            events = _events(out)
            assert len(events) == len(stream)
            _check(kind, events)


def test_a_code_may_end_in_letters_of_the_mark() -> None:
    kind = "response.output_text"
    for code in ("00000000000m", "000000masked", "0000000000ma"):
        restorer = EventRestorer(Restorer({code: "value"}.get), 1 << 20)
        text = f"a masked-email-{code}, masked-email-{code}."
        out = b"".join(restorer.feed(one) for one in _stream(kind, list(text)))
        assert _joined(_events(out), kind) == "a value, value."


def test_one_character_at_a_time_gives_the_same_texts() -> None:
    for kind in KINDS:
        stream = _stream(kind, list(_text_of(kind)))
        restorer = _restorer()
        out = b"".join(restorer.feed(one) for one in stream)
        events = _events(out)
        assert len(events) == len(stream)
        _check(kind, events)


@pytest.mark.parametrize("seed", range(30))
def test_texts_that_take_turns_do_not_mix(seed: int) -> None:
    """Reads end anywhere, in the middle of an event as well."""
    chance = random.Random(seed)  # noqa: S311
    waiting = []
    for index, kind in enumerate(KINDS):
        text = _text_of(kind)
        cuts = sorted(chance.sample(range(1, len(text)), chance.choice((0, 5, 40, len(text) - 1))))
        parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        waiting.append(_stream(kind, parts, index))
    stream: list[bytes] = []
    while waiting := [one for one in waiting if one]:
        stream.append(chance.choice(waiting).pop(0))
    data = b"".join(stream)
    restorer, out, at = _restorer(), b"", 0
    while at < len(data):
        size = chance.choice((1, 40, 500, 5000))
        out += restorer.feed(data[at : at + size])
        at += size
    events = _events(out)
    assert len(events) == len(stream)
    for kind in KINDS:
        _check(kind, events)
    assert restorer.finish() == b""


def test_only_events_that_may_hold_a_placeholder_wait() -> None:
    restorer = _restorer()
    kind = "response.output_text"
    plain, begun = _stream(kind, ["hello "])[0], _stream(kind, ["mail mask"])[0]
    assert restorer.feed(plain) == plain
    assert restorer.feed(begun) == b""
    other = _event("response.in_progress", response={"id": "r"})
    assert restorer.feed(other) == b""
    after = _stream(kind, ["ing tape"])[0]
    assert _joined(_events(restorer.feed(after)), kind) == "mail masking tape"


def test_events_without_a_placeholder_keep_their_bytes() -> None:
    stream = (
        b": comment\n\n"
        b'data: {"type" : "response.output_text.delta","delta":"am","x":12345678901234567890123}\n\n'
        b"event: other\r\ndata: {}\r\n\r\n"
        b'data: {"type":"response.output_text.done","text":"them"}\n\n'
        b"data: [DONE]\n\ndata: not json masked-email\n\n"
    )
    restorer = _restorer()
    out = b"".join(restorer.feed(stream[at : at + 7]) for at in range(0, len(stream), 7))
    assert out + restorer.finish() == stream


def test_end_of_the_answer_releases_what_waits() -> None:
    kind = "response.output_text"
    for end in ("response.completed", "response.failed", "response.output_item.done"):
        restorer = _restorer()
        assert restorer.feed(_stream(kind, ["from"])[0]) == b""
        events = _events(restorer.feed(_event(end, output_index=0, response={}, item={})))
        assert [one["type"] for one in events] == [f"{kind}.delta", end]


def test_end_of_another_item_releases_nothing() -> None:
    restorer = _restorer()
    kind = "response.output_text"
    shown = SHOWN["email"]
    out = restorer.feed(_stream(kind, [shown[:9]])[0])
    out += restorer.feed(_event("response.output_item.done", output_index=7, item={}))
    out += restorer.feed(_stream(kind, [shown[9:]])[0])
    assert _joined(_events(out), kind) == VALUES["email"]


def test_items_in_whole_events_are_restored_and_ids_are_not() -> None:
    shown = SHOWN["key"]
    item = {
        "type": "function_call", "id": shown, "call_id": shown, "name": shown, "encrypted_content": shown,
        "arguments": orjson.dumps({"a": shown}).decode(), "summary": [{"type": "summary_text", "text": shown}],
    }  # fmt: skip
    (event,) = _events(_restorer().feed(_event("response.output_item.done", item=item)))
    back = event["item"]
    assert isinstance(back, dict)
    for name in ("id", "call_id", "name", "encrypted_content"):
        assert back[name] == shown
    assert orjson.loads(back["arguments"]) == {"a": VALUES["key"]}
    assert back["summary"][0]["text"] == VALUES["key"]


def test_an_event_over_the_limit_passes_and_later_ones_are_restored() -> None:
    restorer = EventRestorer(Restorer(BY_CODE.get), 200)
    large = _event("response.output_text.done", text="x" * 1000)
    out = b"".join(restorer.feed(large[at : at + 100]) for at in range(0, len(large), 100))
    assert out == large
    (event,) = _events(restorer.feed(_event("response.output_text.done", text=SHOWN["email"])))
    assert event["text"] == VALUES["email"]


def test_a_cut_answer_ends_with_one_failure_and_without_half_an_event() -> None:
    translator = RestoringTranslator(StreamObserver(1 << 20), Restorer(BY_CODE.get), 1 << 20)
    kind = "response.output_text"
    out = translator.feed(_event("response.created", response={"id": "r"}))
    out += translator.feed(
        _stream(kind, ["mask"])[0] + b'event: response.output_text.delta\ndata: {"ty'
    )
    out += translator.fail(Fault(FaultKind.CUT, "cut"))
    assert [one["type"] for one in _events(out)] == [
        "response.created",
        f"{kind}.delta",
        "response.failed",
    ]
    assert translator.terminal
    assert translator.keeps_bytes
    assert translator.summarize().terminal == "response.failed"


def test_a_text_that_holds_up_too_much_goes_on_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("addons.core.privacy.stream.MAX_BEHIND_LETTERS", 3)
    restorer = _restorer()
    restorer.feed(_stream("response.output_text", ["from"])[0])
    out = b"".join(restorer.feed(_event("response.in_progress", number=at)) for at in range(4))
    assert len(_events(out)) == 5
