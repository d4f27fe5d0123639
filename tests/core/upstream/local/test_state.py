from __future__ import annotations

from datetime import datetime

import pytest

from addons.core.secrets import Origin
from addons.core.upstream.local.lists import LocalModel
from addons.core.upstream.local.state import (
    NO_FACTS,
    UNKNOWN,
    LocalFacts,
    LocalServer,
    ServerState,
    facts_of,
)

NOON = datetime(2026, 11, 30, 12, 0).astimezone().timestamp()
OLLAMA = LocalServer("ollama", Origin("http", "127.0.0.1", 11434))
LLAMACPP = LocalServer("llamacpp", Origin("http", "127.0.0.1", 8080))
VLLM = LocalServer("vllm", Origin("http", "localhost", 8000))


def test_server_that_does_not_answer_hides_its_models_with_the_time_and_the_command() -> None:
    state = UNKNOWN.listed([LocalModel("m", 4096)]).down(NOON).down(NOON + 60)

    facts = facts_of(LLAMACPP, state, "m", NOON + 3600)

    text = "llama.cpp at 127.0.0.1:8080 does not answer since 12:00. Start it: llama-server -m MODEL.gguf"
    assert facts == LocalFacts(text, context=4096, down_since=NOON)
    later = facts_of(LLAMACPP, state, "m", NOON + 86400).reason
    assert "does not answer since 30 Nov 12:00." in later
    for up in (state.unlisted(), state.listed([LocalModel("m", 4096)])):
        assert facts_of(LLAMACPP, up, "m", NOON) == LocalFacts(context=4096)


def test_model_that_a_server_does_not_have_is_hidden_where_the_server_refuses_it() -> None:
    listed = UNKNOWN.listed([LocalModel("qwen3:8b")])

    ollama = facts_of(OLLAMA, listed, "qwen3", NOON).reason
    vllm = facts_of(VLLM, listed, "other", NOON).reason

    assert ollama == "Ollama at 127.0.0.1:11434 does not have qwen3. Get it: ollama pull qwen3"
    assert (
        vllm == "vLLM at localhost:8000 serves qwen3:8b, not other. Correct the row in models.json"
    )
    assert facts_of(LLAMACPP, listed, "any name", NOON) == NO_FACTS
    for state in (UNKNOWN, UNKNOWN.unlisted()):
        assert facts_of(OLLAMA, state, "qwen3", NOON) == NO_FACTS


def test_default_tag_and_case_of_a_name_do_not_hide_it() -> None:
    listed = UNKNOWN.listed([LocalModel("Qwen3:latest", 4096)])
    assert facts_of(OLLAMA, listed, "qwen3", NOON) == LocalFacts(context=4096)


def test_embedding_model_is_hidden() -> None:
    listed = UNKNOWN.listed([LocalModel("nomic", is_for_chat=False)])
    reason = facts_of(OLLAMA, listed, "nomic", NOON).reason
    assert reason == "nomic of Ollama at 127.0.0.1:11434 makes embeddings and cannot chat"


def test_unloaded_model_keeps_its_last_context_until_another_has_its_name() -> None:
    loaded = UNKNOWN.listed([LocalModel("m", 65536, 131072, is_loaded=True, version="1")])

    idle = loaded.listed([LocalModel("m", None, 131072, is_loaded=False, version="1")])
    other = loaded.listed([LocalModel("m", None, 131072, is_loaded=False, version="2")])
    smaller = loaded.listed([LocalModel("m", 4096, 131072, is_loaded=True, version="1")])

    contexts = [state.models["m"].context for state in (idle, other, smaller)]
    assert contexts == [65536, None, 4096]


def test_state_survives_the_file() -> None:
    state = UNKNOWN.listed([LocalModel("m", 1, 2, images=True, tools=False, version="v")]).down(
        NOON
    )
    assert ServerState.of_plain(state.plain()) == state
    with pytest.raises(TypeError):
        ServerState.of_plain({"models": [{"name": "m", "of a later version": 1}]})
    assert ServerState.of_plain({"models": 3, "down_since": "x"}) == UNKNOWN


@pytest.mark.parametrize(
    "fields",
    [
        {"down_since": 1e300},
        {"down_since": -1e300},
        {"models": [{"name": 3}]},
        {"models": [{"name": "m", "context": "4096"}]},
        {"models": [{"name": "m", "limit": -1}]},
        {"models": [{"name": "m", "context": True}]},
        {"models": [{"name": "m", "images": "yes"}]},
        {"models": [{"name": "m", "is_for_chat": None}]},
        {"models": [{"name": "m", "version": 1}]},
    ],
    ids=str,
)
def test_state_of_a_damaged_file_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        ServerState.of_plain(fields)
