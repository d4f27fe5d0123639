"""Turns out of a file of flows: the last one, the one that is named, and words for every file that holds none."""

from __future__ import annotations

from pathlib import Path

import pytest
from mitmproxy import flow, http
from mitmproxy import io as mitmproxy_io
from mitmproxy.test import tflow

from addons.proxy.flow_file import FlowFileError, turn_in
from addons.views.kept import KEY
from tests.views.samples import attempt, metadata

BODY = b'{"model":"row","input":"hi"}'


def turn_flow() -> http.HTTPFlow:
    made = tflow.tflow(resp=True)
    made.request = http.Request.make("POST", "http://127.0.0.1:9/v1/responses", BODY)
    made.metadata[KEY] = metadata(attempt(BODY, b"{}"))
    return made


def saved(path: Path, *flows: flow.Flow) -> Path:
    with path.open("wb") as file:
        writer = mitmproxy_io.FlowWriter(file)
        for one in flows:
            writer.add(one)
    return path


def test_the_last_turn_is_taken_and_what_is_none_passed_over(tmp_path: Path) -> None:
    first, last = turn_flow(), turn_flow()
    path = saved(tmp_path / "saved", first, last, tflow.tflow(resp=True), tflow.ttcpflow())
    assert turn_in(path)[0] == last.id
    flow_id, turn = turn_in(path, first.id[:13])
    assert flow_id == first.id
    assert turn.kept
    assert turn.kept.slug == "fast"


@pytest.mark.parametrize(
    ("flow_id", "said"), [("", "holds no turn$"), ("zz", "no turn whose id begins with 'zz'")]
)
def test_a_file_without_the_turn_says_so(tmp_path: Path, flow_id: str, said: str) -> None:
    with pytest.raises(FlowFileError, match=said):
        turn_in(saved(tmp_path / "saved", tflow.tflow(resp=True)), flow_id)


@pytest.mark.parametrize("data", [b"\x00garbage", b"5:hello,", b"9999999999:x", b"4:1:a,}"])
def test_what_is_no_file_of_flows_is_told(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "garbage"
    path.write_bytes(data)
    with pytest.raises(FlowFileError, match="garbage is not a file of flows"):
        turn_in(path)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(FlowFileError, match="nothing: No such file or directory"):
        turn_in(tmp_path / "nothing")
