"""Ids have the form that mitmproxy gives them, and options the values."""

from __future__ import annotations

import os
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import connection, flow, options, optmanager
from mitmproxy.proxy import commands
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.layers.http._hooks import HttpRequestHook
from mitmproxy.test import tflow

from addons.proxy.engine.mitmproxy_patches.ids_and_options import (
    random_id,
    shorten_contexts,
    shorten_hooks,
    shorten_ids,
    shorten_options,
)


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


def test_options_are_those_of_mitmproxy_and_no_list_is_shared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = options.Options()
    usual = {name: getattr(kept, name) for name in kept.keys()}  # noqa: SIM118  no mapping
    monkeypatch.setattr(optmanager._Option, "current", optmanager._Option.current)
    shorten_options()
    assert {name: getattr(kept, name) for name in kept.keys()} == usual  # noqa: SIM118
    kept.update(listen_port=8765, listen_host="::1", mode=["reverse:http://127.0.0.1:9"])
    assert (kept.listen_port, kept.listen_host) == (8765, "::1")
    kept.mode.append("regular")
    assert kept.mode == ["reverse:http://127.0.0.1:9"]


def test_context_is_that_of_mitmproxy(monkeypatch: pytest.MonkeyPatch) -> None:
    client, kept = tflow.tclient_conn(), options.Options()
    usual = Context(client, kept)
    monkeypatch.setattr(Context, "__init__", Context.__init__)
    shorten_contexts()
    made, another = Context(client, kept), Context(client, kept)
    assert vars(made).keys() == vars(usual).keys()
    assert (made.client, made.options, made.layers) == (client, kept, [])
    assert type(made.server) is type(usual.server)
    assert vars(made.server) == {**vars(usual.server), "id": made.server.id}
    assert len({made.server.id, another.server.id, usual.server.id}) == 3
    made.server.address = ("127.0.0.1", 1)
    made.layers.append(NextLayer(another))
    assert (another.server.address, usual.layers) == (None, [])


def test_hook_is_that_of_mitmproxy(monkeypatch: pytest.MonkeyPatch) -> None:
    made = tflow.tflow()
    usual = HttpRequestHook(made)
    monkeypatch.setattr(commands.StartHook, "__new__", commands.StartHook.__new__)
    shorten_hooks()
    hook = HttpRequestHook(flow=made)
    assert (type(hook), vars(hook), hook.args()) == (type(usual), vars(usual), usual.args())
    assert (hook.name, hook.blocking) == ("request", True)
