"""What the readers make of the documents of each server, and what they ask for."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from addons.core.json_values import JsonObject
from addons.core.upstream.local.lists import (
    EVERYTHING,
    KINDS,
    Interest,
    LocalModel,
    RefusedError,
    is_same_model,
)


def read(
    kind: str, documents: Mapping[str, JsonObject], interest: Interest = EVERYTHING
) -> tuple[list[LocalModel], list[str]]:
    """Return the models and the requests of a reader. A path without a document is refused."""
    reader, asked = KINDS[kind].read(interest), []
    try:
        request = next(reader)
        while True:
            name = f" {request.body['model']}" if request.body else ""
            asked.append(request.path + name)
            found = documents.get(asked[-1])
            request = reader.throw(RefusedError(name)) if found is None else reader.send(found)
    except StopIteration as done:
        return done.value, asked


CASES: Mapping[str, tuple[str, Mapping[str, JsonObject], list[LocalModel]]] = {
    "ollama: loaded, set, idle and an embedding model": (
        "ollama",
        {
            "/api/ps": {"models": [{"name": "a:1b", "context_length": 4096}]},
            "/api/tags": {"models": [{"name": name, "digest": "d"} for name in ("a:1b", "b", "c", "e", "removed meanwhile")] + [{}]},
            "/api/show a:1b": {"capabilities": ["completion", "tools"], "parameters": "num_ctx 8192",
                               "model_info": {"general.architecture": "x", "x.context_length": 32768}},
            "/api/show b": {"parameters": 'stop "<x>"\nnum_ctx    16384\n'},
            "/api/show c": {"capabilities": ["completion", "vision"],
                            "model_info": {"general.architecture": "x", "x.context_length": 32768}},
            "/api/show e": {"capabilities": ["embedding"]},
        },
        [
            LocalModel("a:1b", 4096, 32768, images=False, tools=True, is_loaded=True, version="d"),
            LocalModel("b", 16384, is_loaded=False, version="d"),
            LocalModel("c", None, 32768, images=True, tools=False, is_loaded=False, version="d"),
            LocalModel("e", images=False, tools=False, is_loaded=False, is_for_chat=False, version="d"),
        ],
    ),
    "lmstudio 0.4: loaded under another name, idle, embeddings": (
        "lmstudio",
        {"/api/v1/models": {"models": [
            {"type": "llm", "key": "a", "max_context_length": 9000, "capabilities": {"vision": True, "trained_for_tool_use": False},
             "loaded_instances": [{"id": "mine", "config": {"context_length": 4096}}]},
            {"type": "llm", "key": "b", "max_context_length": 8000, "loaded_instances": []},
            {"type": "embedding", "key": "e", "max_context_length": 512, "loaded_instances": []}, {}]}},
        [
            LocalModel("a", 4096, 9000, images=True, tools=False, is_loaded=True),
            LocalModel("mine", 4096, 9000, images=True, tools=False, is_loaded=True),
            LocalModel("b", None, 8000, is_loaded=False),
            LocalModel("e", None, 512, is_loaded=False, is_for_chat=False),
        ],
    ),
    "lmstudio 0.3, which answers an unknown path with a 200": (
        "lmstudio",
        {"/api/v1/models": {"error": "Unexpected endpoint or method. (GET /api/v1/models)"},
         "/api/v0/models": {"data": [
             {"id": "a", "type": "llm", "state": "loaded", "max_context_length": 9000, "loaded_context_length": 4096, "capabilities": ["tool_use"]},
             {"id": "v", "type": "vlm", "state": "not-loaded", "max_context_length": 9000},
             {"id": "e", "type": "embeddings", "max_context_length": 512}, {}]}},
        [
            LocalModel("a", 4096, 9000, images=False, tools=True, is_loaded=True),
            LocalModel("v", None, 9000, images=True, is_loaded=False),
            LocalModel("e", None, 512, is_for_chat=False),
        ],
    ),
    "llama.cpp": (
        "llamacpp",
        {"/props": {"default_generation_settings": {"n_ctx": 16384}, "modalities": {"vision": True}},
         "/v1/models": {"data": [{"id": "m.gguf", "meta": {"n_ctx_train": 131072}}, {}]}},
        [LocalModel("m.gguf", 16384, 131072, images=True, is_loaded=True)],
    ),
    "llama.cpp while it loads": (
        "llamacpp",
        {"/v1/models": {"data": [{"id": "m.gguf", "meta": None}]}},
        [LocalModel("m.gguf")],
    ),
    "llama.cpp as a router of several models": (
        "llamacpp",
        {"/props": {"role": "router", "default_generation_settings": {"params": None, "n_ctx": 0}},
         "/v1/models": {"data": [{"id": "a"}, {"id": "b"}]}},
        [LocalModel("a"), LocalModel("b")],
    ),
    "vllm with an adapter": (
        "vllm",
        {"/v1/models": {"data": [{"id": "m", "max_model_len": 8192}, {"id": "lora", "max_model_len": 8192}]}},
        [LocalModel("m", 8192, is_loaded=True), LocalModel("lora", 8192, is_loaded=True)],
    ),
    "sglang": (
        "sglang",
        {"/v1/models": {"data": [{"id": "m", "max_model_len": 8192}]},
         "/model_info": {"is_generation": True, "has_image_understanding": False}},
        [LocalModel("m", 8192, images=False, is_loaded=True)],
    ),
    "an older sglang that makes embeddings": (
        "sglang",
        {"/v1/models": {"data": [{"id": "m"}]}, "/get_model_info": {"is_generation": False},
         "/get_server_info": {"context_length": 512}},
        [LocalModel("m", 512, is_loaded=True, is_for_chat=False)],
    ),
    "sglang that tells only its name": (
        "sglang", {"/v1/models": {"data": [{"id": "m"}]}}, [LocalModel("m", is_loaded=True)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_models_have_the_context_and_abilities_that_the_server_reports(case: str) -> None:
    kind, documents, expected = CASES[case]

    assert read(kind, documents)[0] == expected


@pytest.mark.parametrize("kind", KINDS)
def test_documents_of_another_program_have_no_models(kind: str) -> None:
    for document in ({}, {"models": 3, "data": [1, {"id": 7}]}, {"models": [{"name": None}]}):
        paths = ("/api/ps", "/api/tags", "/api/v1/models", "/api/v0/models", "/props", "/v1/models")
        assert read(kind, dict.fromkeys(paths, document))[0] == []


def test_ollama_is_asked_once_for_each_version_of_a_model_that_a_row_names() -> None:
    _, documents, _ = CASES["ollama: loaded, set, idle and an embedding model"]
    named = Interest({"A:1B", "gone"})

    first, asked = read("ollama", documents, named)
    known = Interest(named.names, {model.name: model for model in first})
    second, again = read("ollama", documents, known)
    tags = {"models": [{"name": "a:1b", "digest": "new"}]}
    _, renewed = read("ollama", {**documents, "/api/tags": tags}, known)

    assert asked == ["/api/ps", "/api/tags", "/api/show a:1b"]
    assert [model.name for model in first] == ["a:1b", "b", "c", "e", "removed meanwhile"]
    assert (second, again) == (first, ["/api/ps", "/api/tags"])
    assert renewed == asked


def test_ollama_names_are_the_same_in_any_case_and_with_the_default_tag() -> None:
    assert is_same_model("Qwen3", "qwen3:latest")
    assert not is_same_model("qwen3:8b", "qwen3")
