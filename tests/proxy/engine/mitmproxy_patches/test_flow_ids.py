"""Ids of flows have the form that mitmproxy gives them."""

from __future__ import annotations

import os
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import connection, flow
from mitmproxy.test import tflow

from addons.proxy.engine.mitmproxy_patches.flow_ids import random_id, shorten_ids


@given(st.binary(min_size=16, max_size=16))
def test_id_is_that_of_a_random_uuid(data: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "urandom", lambda _: data)
        assert random_id() == str(uuid.UUID(bytes=data, version=4))


def test_flows_and_connections_have_such_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (connection, flow):
        monkeypatch.setattr(module, "uuid", uuid)
    shorten_ids()
    made = tflow.tflow()
    ids = [made.id, made.client_conn.id, connection.Server(address=None).id]
    assert len(set(ids)) == len(ids)
    for each in (made.id, connection.Server(address=None).id):
        assert (str(uuid.UUID(each)), uuid.UUID(each).version) == (each, 4)
