"""The provider in a rollout: read, changed at the same length, and restored byte for byte."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.codex.rollout import (
    Edit,
    RolloutError,
    ThreadMeta,
    apply,
    edits_for,
    is_applied,
    read_meta,
    revert,
)

THREAD = "01a229d8-afdf-7e60-abe4-f66d4f421577"
OPENAI, SHIM = "openai", "codex_shim"
STAMP = '"timestamp":"2026-11-30T00:26:36.465Z"'


def meta(provider: str = '"openai"', stamp: str = STAMP, thread: str = THREAD) -> bytes:
    text = f'{{{stamp},"type":"session_meta","payload":{{"id":"{thread}","model_provider":{provider},"x":1}}}}\n'
    return text.encode()


def settings(provider: str = '"openai"', stamp: str = STAMP) -> bytes:
    inner = (
        f'{{"type":"thread_settings_applied","thread_settings":{{"model_provider_id":{provider}}}}}'
    )
    return f'{{{stamp},"type":"event_msg","payload":{inner}}}\n'.encode()


def moved(content: bytes, source: str = OPENAI, target: str = SHIM) -> bytes:
    return apply(content, edits_for(content, THREAD, {source}, target))


def test_longer_name_takes_the_place_of_the_fraction() -> None:
    assert moved(meta()) == meta('"codex_shim"', '"timestamp":"2026-11-30T00:26:36Z"')
    assert moved(settings()) == settings('"codex_shim"', '"timestamp":"2026-11-30T00:26:36Z"')


def test_shorter_name_is_followed_by_spaces() -> None:
    assert moved(meta('"codex_shim"'), SHIM, OPENAI) == meta('"openai"    ')


def test_longer_name_takes_the_spaces_of_an_earlier_move_first() -> None:
    assert moved(meta('"openai"    ')) == meta('"codex_shim"')
    assert moved(meta('"openai"      ')) == meta('"codex_shim"  ')


@pytest.mark.parametrize(
    ("fraction", "left"),
    [(".465123", ".46"), (".4651", ""), (".46512", ".4")],
)
def test_digits_that_are_not_needed_stay(fraction: str, left: str) -> None:
    before = meta(stamp=f'"timestamp":"2026-11-30T00:26:36{fraction}Z"')
    after = moved(before)
    assert len(after) == len(before)
    assert json.loads(after)["timestamp"] == f"2026-11-30T00:26:36{left}Z"


@pytest.mark.parametrize(
    "stamp",
    [
        '"timestamp":"2026-11-30T00:26:36Z"',
        '"timestamp":1',
        '"timestamp":"2026-11-30T00:26:36.46Z"',
    ],
)
def test_line_without_room_is_refused(stamp: str) -> None:
    with pytest.raises(RolloutError, match="no room"):
        edits_for(meta(stamp=stamp), THREAD, {OPENAI}, SHIM)


def test_timestamp_after_the_provider_is_not_used() -> None:
    text = f'{{"type":"session_meta","payload":{{"id":"{THREAD}","model_provider":"openai"}},{STAMP}}}\n'
    with pytest.raises(RolloutError):
        edits_for(text.encode(), THREAD, {OPENAI}, SHIM)


def test_only_lines_that_name_the_provider_of_this_thread_change() -> None:
    content = b"".join([
        meta(),
        meta(thread="another"),
        b'{"type":"response_item","payload":{"text":"\\"session_meta\\" thread_settings_applied"}}\n',
        b'{"type":"event_msg","payload":{"type":"thread_settings_applied"}}\n',
        b'["session_meta"]\n',
        b"session_meta\n",
        settings('"azure"'),
        settings(),
        # the last line was cut by a crash
        settings()[:-1],
    ])  # fmt: skip
    edits = edits_for(content, THREAD, {OPENAI}, SHIM)
    changed = apply(content, edits).splitlines()
    before = content.splitlines()
    assert [n for n, line in enumerate(before) if changed[n] != line] == [0, 7]


def test_start_leaves_out_what_lies_before() -> None:
    content = meta() + settings()
    (edit,) = edits_for(content, THREAD, {OPENAI}, SHIM, start=len(meta()))
    assert edit.offset > len(meta())


def test_escaped_name_is_restored_as_it_was() -> None:
    content = meta('"\\u006fpenai"', stamp='"timestamp" : "2026-11-30T00:26:36.465+00:00"')
    edits = edits_for(content, THREAD, {OPENAI}, SHIM)
    after = apply(content, edits)
    assert json.loads(after)["payload"]["model_provider"] == SHIM
    assert revert(after, edits) == content


def test_changed_bytes_are_not_replaced() -> None:
    edits = edits_for(meta(), THREAD, {OPENAI}, SHIM)
    assert not is_applied(meta(), edits)
    assert is_applied(moved(meta()), edits)
    with pytest.raises(RolloutError, match="rewritten"):
        revert(meta(), edits)
    with pytest.raises(RolloutError, match="rewritten"):
        apply(moved(meta()), edits)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (meta(), ThreadMeta(THREAD, OPENAI)),
        (settings(), None),
        (b"", None),
        (b"[]", None),
        (b'{"type":"session_meta","payload":{"id":1}}', None),
        (b'{"type":"session_meta","payload":{"id":"a"}}', ThreadMeta("a", "")),
        (
            b'{"type":"session_meta","payload":{"id":"a","source":{"subagent":{"thread_spawn":{"parent_thread_id":"b"}}}}}',
            ThreadMeta("a", "", "b"),
        ),
        (
            b'{"type":"session_meta","payload":{"id":"a","source":{"subagent":"review"}}}',
            ThreadMeta("a", "", "unknown"),
        ),
    ],
)
def test_first_line_is_read(line: bytes, expected: ThreadMeta | None) -> None:
    assert read_meta(line) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
STAMPS = st.sampled_from(["2026-11-30T00:26:36.465Z", "2026-11-30T00:26:36.4651234+01:00"])
PROVIDERS = st.sampled_from([OPENAI, SHIM, "azure"])


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """Return one line of a rollout, with any members around the ones that matter, and any spacing."""
    around = draw(st.dictionaries(st.text(), JSON, max_size=3))
    provider = draw(PROVIDERS)
    kind = draw(st.sampled_from(["session_meta", "event_msg", "response_item"]))
    if kind == "session_meta":
        payload = around | {
            "id": draw(st.sampled_from([THREAD, "other"])),
            "model_provider": provider,
        }
    elif kind == "event_msg":
        inner = around | {"model_provider_id": provider}
        payload = {"type": "thread_settings_applied", "thread_settings": inner, "more": around}
    else:
        payload = around
    record = {"timestamp": draw(STAMPS), **around, "type": kind, "payload": payload}
    record |= {"timestamp": draw(STAMPS)}
    separators = draw(st.sampled_from([(",", ":"), (" , ", " :  ")]))
    text = json.dumps(record, ensure_ascii=draw(st.booleans()), separators=separators)
    return text.encode("utf-8", "surrogatepass") + b"\n"


def providers(content: bytes) -> list[object]:
    """Return the providers that name this thread's, read by the standard library alone."""
    found: list[object] = []
    for line in content.split(b"\n")[:-1]:
        record = json.loads(line.decode("utf-8", "surrogatepass"))
        payload = record["payload"]
        if record["type"] == "session_meta" and payload["id"] == THREAD:
            found.append(payload["model_provider"])
        if record["type"] == "event_msg":
            found.append(payload["thread_settings"]["model_provider_id"])
    return found


def neutral(content: bytes) -> list[object]:
    """Return the records without what a move may change."""
    records = []
    for line in content.split(b"\n")[:-1]:
        record = json.loads(line.decode("utf-8", "surrogatepass"))
        record["timestamp"] = record["timestamp"][:19]
        payload = record["payload"]
        payload.pop("model_provider", None)
        if isinstance(payload.get("thread_settings"), dict):
            payload["thread_settings"].pop("model_provider_id", None)
        records.append(record)
    return records


@given(
    st.lists(lines(), max_size=5).map(b"".join), st.sampled_from([(OPENAI, SHIM), (SHIM, OPENAI)])
)
def test_move_keeps_length_and_meaning_and_undo_restores_every_byte(
    content: bytes, names: tuple[str, str]
) -> None:
    source, target = names
    edits = edits_for(content, THREAD, {source}, target)
    after = apply(content, edits)
    assert len(after) == len(content)
    expected = [target if name == source else name for name in providers(content)]
    assert providers(after) == expected
    assert neutral(after) == neutral(content)
    assert revert(after, edits) == content
    # there and back without the record of the edits: the same meaning
    back = apply(after, edits_for(after, THREAD, {target}, source))
    assert neutral(back) == neutral(content)
    assert len(back) == len(content)


@given(st.binary(max_size=300) | st.lists(lines(), max_size=2).map(b"".join), st.data())
def test_damaged_rollout_is_changed_at_its_length_or_refused(
    content: bytes, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(content)))
    damaged = content[:cut] + content[cut + 1 :]
    try:
        edits: Sequence[Edit] = edits_for(damaged, THREAD, {OPENAI}, SHIM)
    except RolloutError:
        return
    after = apply(damaged, edits)
    assert len(after) == len(damaged)
    assert revert(after, edits) == damaged
