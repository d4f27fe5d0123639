from __future__ import annotations

from collections.abc import Mapping

import pytest

from shim_cli.state.offered_models import OfferedModel, ServerError, local_models, models_in
from tests.fakes.http_messages import Answer, Send
from tests.fakes.http_server import HttpServer
from tests.shim_cli.local_server import LLAMACPP, LMSTUDIO, OLLAMA, VLLM, list_server
from tests.support.ports import free_port


@pytest.mark.parametrize(
    ("provider", "documents", "expected"),
    [
        ("ollama", OLLAMA, [OfferedModel("loaded:8b", 65536), OfferedModel("set:1b", 16384),
                            OfferedModel("idle:2b", 40960, is_limit_of_model=True)]),
        ("lmstudio", LMSTUDIO, [OfferedModel("qwen3", 8192), OfferedModel("vision", 32768)]),
        ("vllm", VLLM, [OfferedModel("Qwen/Qwen3-8B", 8192)]),
        ("llamacpp", LLAMACPP, [OfferedModel("model.gguf", 65536)]),
    ],
)  # fmt: skip
def test_local_server_lists_its_models_with_the_context_that_it_serves(
    provider: str, documents: Mapping[str, object], expected: list[OfferedModel]
) -> None:
    with list_server(documents) as server:
        assert local_models(provider, f"http://127.0.0.1:{server.port}") == expected


def test_closed_port_is_an_error() -> None:
    with pytest.raises(ServerError, match=r"/api/ps cannot be reached: nothing listens there"):
        local_models("ollama", f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize(("status", "body"), [(404, b"{}"), (200, b"<html>")])
def test_another_program_is_an_error(status: int, body: bytes) -> None:
    answer = Answer((Send(body),), status=status, chunked=False)
    with HttpServer(lambda _: answer) as server, pytest.raises(ServerError):
        local_models("vllm", f"http://127.0.0.1:{server.port}")


@pytest.mark.parametrize("answer", [None, 3, {}, {"data": {}}, {"data": [1, {}, {"id": 3}]}])
def test_list_of_another_shape_has_no_models(answer: object) -> None:
    assert models_in(answer) == []


def test_list_may_be_the_whole_answer() -> None:
    rows = [{"id": "a", "context_length": 5}, {"id": "b", "type": "image"}, {"id": "c", "context_length": -1}]  # fmt: skip
    assert models_in(rows) == [OfferedModel("a", 5), OfferedModel("c")]
