"""Turns from a file of flows: the last one, the named one, and errors for any other file."""

from __future__ import annotations

from pathlib import Path

import pytest
from mitmproxy import flow, http
from mitmproxy import io as mitmproxy_io
from mitmproxy.test import tflow

from addons.core.telemetry.record import METADATA_KEY
from addons.proxy.flow_file import FlowFileError, original_in, turn_in
from tests.views.samples import attempt, metadata

BODY = b'{"model":"row","input":"hi"}'


def turn_flow() -> http.HTTPFlow:
    made = tflow.tflow(resp=True)
    made.request = http.Request.make("POST", "http://127.0.0.1:9/v1/responses", BODY)
    made.metadata[METADATA_KEY] = metadata(attempt(BODY, b"{}"))
    return made


def saved(path: Path, *flows: flow.Flow) -> Path:
    with path.open("wb") as file:
        writer = mitmproxy_io.FlowWriter(file)
        for one in flows:
            writer.add(one)
    return path


def test_last_turn_is_returned_and_other_flows_are_skipped(tmp_path: Path) -> None:
    first, last = turn_flow(), turn_flow()
    path = saved(tmp_path / "saved", first, last, tflow.tflow(resp=True), tflow.ttcpflow())
    assert turn_in(path)[0] == last.id
    flow_id, turn = turn_in(path, first.id[:13])
    assert flow_id == first.id
    assert turn.data
    assert turn.data.slug == "fast"


@pytest.mark.parametrize(
    ("flow_id", "error"), [("", "holds no turn$"), ("zz", "no turn whose id begins with 'zz'")]
)
def test_file_without_the_turn_is_an_error(tmp_path: Path, flow_id: str, error: str) -> None:
    with pytest.raises(FlowFileError, match=error):
        turn_in(saved(tmp_path / "saved", tflow.tflow(resp=True)), flow_id)


@pytest.mark.parametrize("data", [b"\x00garbage", b"5:hello,", b"9999999999:x", b"4:1:a,}"])
def test_file_that_holds_no_flows_is_an_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "garbage"
    path.write_bytes(data)
    with pytest.raises(FlowFileError, match="garbage is not a file of flows"):
        turn_in(path)


def test_unreadable_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FlowFileError, match="nothing: No such file or directory"):
        turn_in(tmp_path / "nothing")


def test_turn_to_compare_is_named_by_its_number_or_id(tmp_path: Path) -> None:
    first, second, title = turn_flow(), turn_flow(), turn_flow()
    title.request.headers["x-codex-turn-metadata"] = '{"request_kind":"thread_title"}'
    path = saved(tmp_path / "saved", first, tflow.tflow(resp=True), second, title)
    assert original_in(path).id == second.id, "the last one of the user"
    for selector, flow_id in (("1", first.id), ("3", title.id), (second.id[:13], second.id)):
        assert original_in(path, selector).id == flow_id
    assert original_in(path).body == BODY
    alone = saved(tmp_path / "alone", title)
    assert original_in(alone).id == title.id
    with pytest.raises(FlowFileError, match="no turn whose id begins with 'zz'"):
        original_in(path, "zz")
    with pytest.raises(FlowFileError, match="is not a file of flows"):
        original_in(Path(__file__))
