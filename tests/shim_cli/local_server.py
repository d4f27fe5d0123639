"""Strict fakes of the model lists of local servers and of a provider: exact paths, methods and bodies."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.fakes.http_messages import Answer, Request, Send
from tests.fakes.http_server import HttpServer
from tests.fakes.model_upstream import KEY

OLLAMA: Mapping[str, object] = {
    "GET /api/ps": {"models": [{"name": "loaded:8b", "context_length": 65536}]},
    "GET /api/tags": {"models": [{"name": n} for n in ("loaded:8b", "set:1b", "idle:2b", "embed")]},
    'POST /api/show {"model": "loaded:8b"}': {
        "capabilities": ["completion", "tools"], "parameters": "num_ctx 4096",
        "model_info": {"general.architecture": "llama", "llama.context_length": 131072},
    },
    'POST /api/show {"model": "set:1b"}': {
        "parameters": 'stop  "<|x|>"\nnum_ctx                        16384\n', "model_info": {},
    },
    'POST /api/show {"model": "idle:2b"}': {
        "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40960},
    },
    'POST /api/show {"model": "embed"}': {"capabilities": ["embedding"]},
}  # fmt: skip
LMSTUDIO: Mapping[str, object] = {
    "GET /api/v0/models": {
        "object": "list",
        "data": [
            {"id": "qwen3", "type": "llm", "state": "loaded", "max_context_length": 40960,
             "loaded_context_length": 8192},
            {"id": "vision", "type": "vlm", "state": "not-loaded", "max_context_length": 32768},
            {"id": "nomic", "type": "embeddings", "max_context_length": 2048},
        ],
    },
}  # fmt: skip
VLLM: Mapping[str, object] = {
    "GET /v1/models": {"data": [{"id": "Qwen/Qwen3-8B", "object": "model", "max_model_len": 8192}]}
}
LLAMACPP: Mapping[str, object] = {
    "GET /v1/models": {"data": [{"id": "model.gguf", "meta": {"n_ctx_train": 131072}}]},
    "GET /props": {"default_generation_settings": {"n_ctx": 65536}, "total_slots": 4},
}
PROVIDER: Mapping[str, object] = {
    "GET /v1/models": {"data": [{"id": "big-1", "context_length": 200000}, {"id": "small-1"}]}
}


def list_server(documents: Mapping[str, object], key: str = "") -> HttpServer:
    """Return a server that answers exactly these requests; with a key, 401 to requests without it."""

    def respond(request: Request) -> Answer:
        method, path = request.head.decode().split(" ")[:2]
        body = f" {json.dumps(json.loads(request.body))}" if request.body else ""
        if key and request.header("authorization") != f"Bearer {key}":
            return _answer({"error": {"message": "no such key"}}, 401)
        line = f"{method} {path}{body}"
        return _answer(documents[line]) if line in documents else _answer({"error": line}, 404)

    return HttpServer(respond)


def provider_server() -> HttpServer:
    """Return a provider that requires `KEY`."""
    return list_server(PROVIDER, KEY)


def _answer(document: object, status: int = 200) -> Answer:
    return Answer((Send(json.dumps(document).encode()),), status=status, chunked=False)
