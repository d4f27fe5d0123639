"""What a connection reports: texts that are told apart."""

from __future__ import annotations

from mitmproxy.connection import Server

from addons.proxy.engine.upstream import notices


def test_texts_differ() -> None:
    texts = [value for name, value in vars(notices).items() if name.isupper()]
    assert len(set(texts)) == len(texts) >= 6


def test_notice_names_its_connection() -> None:
    server = Server(address=("127.0.0.1", 1))
    assert notices.ConnectionIdle(server).connection is server
