from __future__ import annotations

import socket
import threading
from contextlib import suppress

import orjson
import pytest

from addons.adapters.local.client import NoListError, UnreachableError, ask_models
from addons.core.secrets import Origin
from addons.core.upstream.local.lists import LocalModel
from tests.fakes.http_messages import Answer, Send
from tests.fakes.http_server import HttpServer
from tests.fakes.local_servers import SERVERS, LMStudio, Served, Sglang
from tests.support.ports import free_port

SECONDS = 10.0
MODELS = [Served("a:1b", limit=40960, context=8192), Served("e:1b", embeds=True)]


def origin(port: int) -> Origin:
    return Origin("http", "127.0.0.1", port)


@pytest.mark.parametrize("kind", SERVERS)
def test_each_server_lists_its_models_and_loads_none(kind: str) -> None:
    with SERVERS[kind](MODELS[: 1 if kind in {"llamacpp", "sglang", "vllm"} else 2]) as server:
        found = ask_models(kind, origin(server.port), SECONDS)

    assert [(m.name, m.context, m.is_for_chat) for m in found][:1] == [("a:1b", 8192, True)]
    assert all(not model.is_for_chat for model in found[1:])
    assert server.turns == 0


def test_older_versions_are_asked_in_their_own_api() -> None:
    with LMStudio(MODELS) as studio, Sglang(MODELS) as sglang:
        studio.has_v1, sglang.is_old = False, True
        first = ask_models("lmstudio", origin(studio.port), SECONDS)
        second = ask_models("sglang", origin(sglang.port), SECONDS)

    assert [(model.name, model.context) for model in first] == [("a:1b", 8192), ("e:1b", 8192)]
    assert [(model.name, model.context) for model in second] == [("a:1b", 8192)]
    assert studio.asked == ["GET /api/v1/models", "GET /api/v0/models"]


def test_only_a_port_where_nothing_listens_is_down() -> None:
    with pytest.raises(UnreachableError, match=r"/v1/models cannot be reached") as error:
        ask_models("vllm", origin(free_port()), SECONDS)
    assert error.value.is_down


@pytest.mark.parametrize(("status", "body"), [(401, b"{}"), (500, b""), (200, b"<html>hush")])
def test_server_without_a_list_is_not_down(status: int, body: bytes) -> None:
    answer = Answer((Send(body),), status=status, chunked=False)
    with HttpServer(lambda _: answer) as server, pytest.raises(NoListError) as error:
        ask_models("vllm", origin(server.port), SECONDS)
    assert not isinstance(error.value, UnreachableError)
    assert "hush" not in str(error.value)


HOSTILE = (
    rb'{"data":[{"id":"\ud800","max_model_len":4096}]}',
    b'{"data":[{"id":"m","max_model_len":1' + b"0" * 30 + b"}]}",
    b'{"data":[{"id":"m","max_model_len":-5}]}',
    b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"data":[{"id":"m","max_model_len":NaN}]}',
)


@pytest.mark.parametrize("body", HOSTILE, ids=["surrogate", "huge", "negative", "deep", "nan"])
def test_hostile_list_is_no_list_or_holds_no_impossible_number(body: bytes) -> None:
    answer = Answer((Send(body),), chunked=False)
    found: list[LocalModel] = []
    with HttpServer(lambda _: answer) as server, suppress(NoListError):
        found = ask_models("vllm", origin(server.port), SECONDS)
    assert [model.context for model in found] in ([], [None])
    orjson.dumps(found)


@pytest.mark.parametrize("part", ["head", "body"])
def test_slow_answer_ends_at_the_bound(part: str) -> None:
    """A byte at a time is within the timeout of a socket."""
    head = b"HTTP/1.1 200 OK\r\nx-filler: "
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(head if part == "head" else head + b"\r\n\r\n{")
                while not is_over.wait(0.05):
                    connection.sendall(b" ")

        is_over = threading.Event()
        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        try:
            with pytest.raises(NoListError) as error:
                ask_models("vllm", origin(port), 0.3)
        finally:
            is_over.set()
            thread.join(10)
    assert not getattr(error.value, "is_down", False)
