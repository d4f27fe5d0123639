"""The names of the semantic conventions, compared with a copy of the published registry."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

import opentelemetry.semconv._incubating.attributes as registry
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics

from addons.core.telemetry import genai
from addons.core.telemetry.record import AttemptRecord
from tests.adapters.records import turn

URL = "https://api.example:8443/v1/responses?key=none"


def registered() -> Iterator[str]:
    for module in iter_modules(registry.__path__):
        for name, value in vars(import_module(f"{registry.__name__}.{module.name}")).items():
            if name.isupper() and isinstance(value, str):
                yield value


def attempt(**fields: object) -> AttemptRecord:
    made = AttemptRecord(URL, "after 503", "POST", 5.0, status=200, first_byte=0.25, outcome="200")
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def test_every_name_is_in_the_registry_or_our_own() -> None:
    full = turn(error="server_error", status=500, root="t0", fallback="f", replay=True, attempts=[attempt()])  # fmt: skip
    names = {*genai.turn_attributes(full), *genai.attempt_attributes(attempt(outcome="cut"), 1)}
    names |= {*genai.common_attributes(full), "gen_ai.token.type"}
    known = set(registered())
    assert {name for name in names if not name.startswith("codex_shim.")} <= known
    assert len([name for name in names if name.startswith("gen_ai.")]) == 13
    deprecated = {gen_ai.GEN_AI_SYSTEM, gen_ai.GEN_AI_USAGE_PROMPT_TOKENS, gen_ai.GEN_AI_PROMPT}
    assert not names & deprecated


def test_values_that_the_registry_lists_are_used_as_listed() -> None:
    operations = {one.value for one in gen_ai.GenAiOperationNameValues}
    assert genai.OPERATION in operations
    providers = {one.value for one in gen_ai.GenAiProviderNameValues}
    assert set(genai.PROVIDERS.values()) <= providers
    assert {"input", "output"} <= {one.value for one in gen_ai.GenAiTokenTypeValues}


def test_metrics_are_those_of_the_registry() -> None:
    listed = vars(gen_ai_metrics).values()
    assert {genai.TOKEN_USAGE, genai.DURATION, genai.FIRST_CHUNK} <= {
        value for value in listed if isinstance(value, str)
    }
    assert genai.TOKEN_BUCKETS[-1] == 67_108_864
    assert genai.SECOND_BUCKETS[-1] == 81.92


def test_turn_has_its_tokens_and_its_thread() -> None:
    found = genai.turn_attributes(turn(route="chatgpt", attempts=[attempt()]))
    assert genai.span_name(turn()) == "chat gpt-5"
    assert genai.span_name(turn(model="")) == "chat"
    assert found == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.request.stream": True,
        "gen_ai.conversation.id": "t1",
        "gen_ai.agent.name": "user",
        "gen_ai.response.time_to_first_chunk": 0.5,
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.cache_read.input_tokens": 900,
        "gen_ai.usage.cache_creation.input_tokens": 20,
        "gen_ai.usage.output_tokens": 50,
        "gen_ai.usage.reasoning.output_tokens": 10,
        "server.address": "api.example",
        "server.port": 8443,
        "codex_shim.slug": "row",
        "codex_shim.route": "chatgpt",
        "codex_shim.status": 200,
        "codex_shim.attempts": 1,
    }


def test_failed_turn_has_the_type_of_its_error() -> None:
    failed = genai.turn_attributes(turn(ended="client_left", usage=None, thread="", ttft=None))
    assert failed["error.type"] == "client_left"
    assert not [name for name in failed if "usage" in name or "conversation" in name]


def test_attempt_has_neither_path_nor_query() -> None:
    found = genai.attempt_attributes(attempt(), 1)
    assert found == {
        "server.address": "api.example",
        "server.port": 8443,
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.request.resend_count": 1,
        "codex_shim.reason": "after 503",
        "codex_shim.seconds_to_head": 0.25,
    }
    first = genai.attempt_attributes(attempt(outcome="503", status=503), 0)
    assert first["error.type"] == "503"
    assert "http.request.resend_count" not in first


def test_other_attempts_have_no_http_attributes() -> None:
    program = attempt(url="/home/me/bin/cursor-agent", method="RUN", reason="", first_byte=None)
    assert genai.attempt_attributes(program, 0) == {}
    socket = genai.attempt_attributes(attempt(method="WEBSOCKET", url="http://[::1]/v1"), 0)
    assert (socket["server.address"], socket["server.port"]) == ("::1", 80)
    assert "http.request.method" not in socket
    assert "server.address" not in genai.attempt_attributes(attempt(url="http://[x"), 0)


def test_attempt_fails_by_a_fault_or_by_its_status() -> None:
    for outcome, failed in {"200": False, "399": False, "400": True, "reset": True, "": False}.items():  # fmt: skip
        assert genai.attempt_failed(attempt(outcome=outcome)) is failed
