"""Rows as routes: plans, keys, fallbacks, and the answers of hidden routes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from addons.adapters.row_routes import RowRoutes, in_other_protocol
from addons.core.limits import Limits
from addons.core.protocols.translator import ProtocolTranslator, load_translator
from addons.core.routes import Cause, Route
from addons.core.secrets import Origin
from addons.core.settings.models_file import ModelRows, parse_models
from addons.core.turn import Answer, ClientRequest, Collect, Head, Send
from addons.core.upstream.local.state import UNKNOWN, LocalServer
from addons.core.upstream.protocol import Protocol, ProtocolSpec
from addons.core.upstream.traits import Trait

BODY = orjson.dumps({"model": "x", "input": "hello", "stream": True, "store": False})
JSON = ((b"content-type", b"application/json"),)
TURN = ClientRequest("POST", "/v1/responses", JSON, BODY)
CODEX = ClientRequest("POST", "/v1/responses", (*JSON, (b"originator", b"codex_exec")), BODY)
GENERIC = {"provider": "generic", "base_url": "https://a.example/v1", "api_key": "k"}


class Routes:
    """The routes of some rows, looked up by slug like in the route table."""

    def __init__(self, folder: Path, env: Mapping[str, str], *rows: Mapping[str, object]) -> None:
        self.by_slug: dict[str, Route] = {}
        self.row_routes = RowRoutes(env, folder, self.by_slug.get)
        self.rows: ModelRows = parse_models(orjson.dumps(rows), "models.json")
        routes = self.row_routes.routes(self.rows, Limits())
        self.by_slug.update((route.slug, route) for route in routes)

    def start(self, slug: str, request: ClientRequest = TURN) -> object:
        route = self.by_slug[slug]
        return route.make_plan(request, route).start()


@pytest.mark.parametrize(
    ("provider", "base_url", "path", "secret"),
    [
        ("generic", "https://a.example", "/v1/chat/completions", b"authorization: Bearer k"),
        ("anthropic", "https://a.example", "/v1/messages", b"x-api-key: k"),
        ("openai-responses", "https://a.example", "/v1/responses", b"authorization: Bearer k"),
        ("azure", "https://a.example", "/openai/v1/chat/completions", b"api-key: k"),
    ],
)
def test_turn_goes_to_the_row_with_its_key(
    tmp_path: Path, provider: str, base_url: str, path: str, secret: bytes
) -> None:
    row = {"model": "m", "provider": provider, "base_url": base_url, "api_key": "k"}
    step = Routes(tmp_path, {}, row).start("m")
    assert isinstance(step, Send)
    upstream_request = step.request
    assert (upstream_request.origin, upstream_request.path) == (
        Origin("https", "a.example", 443),
        path,
    )
    [header] = upstream_request.secrets
    assert header.name + b": " + header.value_for(upstream_request.origin) == secret
    assert orjson.loads(upstream_request.body)["model"] == "m"


def test_row_without_its_key_is_hidden_and_answers_with_the_reason(tmp_path: Path) -> None:
    env: dict[str, str] = {}
    routes = Routes(tmp_path, env, {"model": "m", "provider": "deepseek"})
    assert "DEEPSEEK_API_KEY" in routes.by_slug["m"].unavailable_reason
    assert routes.row_routes.missing_keys(routes.rows) == (routes.by_slug["m"].unavailable_reason,)
    step = routes.start("m")
    assert isinstance(step, Answer)
    assert (step.reply.head.status, b"DEEPSEEK_API_KEY" in step.reply.body) == (401, True)
    env["DEEPSEEK_API_KEY"] = "k"
    assert isinstance(routes.start("m"), Send)
    assert routes.row_routes.missing_keys(routes.rows) == ("",)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"model": "m", "provider": "generic"}, b"base_url"),
        ({"model": "m", "enabled": False, **GENERIC}, b"switched off"),
    ],
)
def test_hidden_row_answers_with_its_reason(
    tmp_path: Path, row: Mapping[str, object], reason: bytes
) -> None:
    routes = Routes(tmp_path, {}, row)
    assert not routes.by_slug["m"].live
    for request, status in ((TURN, 404), (CODEX, 200)):
        step = routes.start("m", request)
        assert isinstance(step, Answer)
        assert step.reply.head.status == status
        assert reason in step.reply.body


def test_row_that_cannot_answer_falls_back(tmp_path: Path) -> None:
    other = {**GENERIC, "model": "other", "base_url": "https://b.example/v1"}
    first = {**GENERIC, "model": "first", "fallback": ["unknown", "other"]}
    route = Routes(tmp_path, {}, first, other).by_slug["first"]
    plan = route.make_plan(TURN, route)
    step = plan.start()
    assert isinstance(step, Send)
    assert step.request.origin.host == "a.example"
    assert isinstance(plan.on_head(Head(402)), Collect)
    step = plan.on_body(Head(402), b"no credit")
    assert isinstance(step, Send)
    assert step.request.origin.host == "b.example"


def test_command_problem_is_reported_after_its_first_run(tmp_path: Path) -> None:
    row = {"model": "m", **GENERIC, "api_key": None, "auth_command": "/no/such/program"}
    routes = Routes(tmp_path, {}, row)
    assert routes.by_slug["m"].live
    assert routes.row_routes.command_problems(routes.rows) == ()


def test_translator_is_loaded_at_the_first_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []

    def load(spec: ProtocolSpec) -> ProtocolTranslator:
        loaded.append(spec.name)
        return load_translator(spec)

    monkeypatch.setattr("addons.adapters.row_routes.load_translator", load)
    rows = [{"model": "a", **GENERIC}, {"model": "b", **GENERIC, "provider": "openai-responses"}]
    routes = Routes(tmp_path, {}, *rows)
    assert loaded == []
    for slug in ("a", "a", "b"):
        assert isinstance(routes.start(slug), Send)
    assert loaded == ["chat"]


@pytest.mark.parametrize(
    ("provider", "missing"),
    [
        ("generic", {"addons.core.protocols.messages.request", "addons.core.providers.responses"}),
        ("anthropic", {"addons.core.protocols.chat.request", "addons.core.providers.responses"}),
        ("openai-responses", {"addons.core.protocols.chat.request", "addons.core.providers.translated"}),
    ],
)  # fmt: skip
def test_what_turns_need_is_loaded_before_them(
    tmp_path: Path, provider: str, missing: set[str]
) -> None:
    (tmp_path / "models.json").write_bytes(
        orjson.dumps([{**GENERIC, "model": "m", "provider": provider}])
    )
    program = """
import sys
from pathlib import Path
from addons.adapters.row_routes import RowRoutes, load_protocols
from addons.core.limits import Limits
from addons.core.settings.models_file import parse_models
from addons.core.turn import ClientRequest

folder = Path(sys.argv[1])
rows = parse_models((folder / "models.json").read_bytes(), "models.json")
(route,) = RowRoutes({}, folder, lambda _slug: None).routes(rows, Limits())
before = set(sys.modules)
load_protocols(rows.rows)
loaded = set(sys.modules)
body = b'{"model":"m","input":"hello","stream":true,"store":false}'
route.make_plan(ClientRequest("POST", "/v1/responses", (), body), route).start()
print(*(loaded - before))
print(*sorted(name for name in set(sys.modules) - loaded if name.startswith("addons.")))
"""
    ran = subprocess.run(
        [sys.executable, "-P", "-c", program, tmp_path], capture_output=True, text=True, check=True
    )
    loaded, later = (set(line.split()) for line in ran.stdout.splitlines())
    assert any(name.startswith("addons.core.providers.") for name in loaded)
    assert not loaded & missing
    assert later == set()


def state(folder: Path) -> dict[str, str]:
    return {"CODEX_SHIM_STATE_DIR": str(folder / "state")}


def test_catalog_offers_what_the_upstream_was_found_to_take(tmp_path: Path) -> None:
    row = {**GENERIC, "model": "gpt-5.5", "provider": "azure", "slug": "mine"}
    made = Routes(tmp_path, state(tmp_path), row)
    before = made.by_slug["mine"].entry
    assert before["supported_reasoning_levels"]
    assert before["input_modalities"] == ["text", "image"]
    target = made.rows.rows[0].target
    assert target is not None
    facts = [Trait("effort_style", "none"), Trait("images", value=False)]
    made.row_routes.traits.learn(target.traits_scope, facts, [])
    made.row_routes.traits.flush()
    after = Routes(tmp_path, state(tmp_path), row).by_slug["mine"].entry
    assert after["supported_reasoning_levels"] == []
    assert after["input_modalities"] == ["text"]


def test_learnt_refusal_of_pictures_lets_the_default_model_describe_them(tmp_path: Path) -> None:
    rows = [{**GENERIC, "model": "gpt-5.5", "slug": "mine"}, {**GENERIC, "model": "eyes"}]
    made = Routes(tmp_path, state(tmp_path), *rows)

    def described_by() -> dict[str, str]:
        routes = made.row_routes.routes(made.rows, Limits(), "eyes")
        return {route.slug: route.vision for route in routes}

    assert described_by() == {"mine": "", "eyes": ""}
    target = made.rows.rows[0].target
    assert target is not None
    made.row_routes.traits.learn(target.traits_scope, [Trait("images", value=False)], [])
    made.row_routes.traits.flush()
    assert described_by() == {"mine": "eyes", "eyes": ""}
    kept = made.row_routes.known["mine"].route
    assert kept.entry["input_modalities"] == ["text", "image"]
    is_row = made.row_routes.vision.is_row
    assert is_row(kept)
    assert not is_row(replace(kept))


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ({"provider": "generic", "base_url": "https://a.example/v1"}, "/v1/responses"),
        ({"provider": "azure", "base_url": "https://a.example"}, "/openai/v1/responses"),
        (
            {
                "provider": "azure",
                "endpoint_url": "https://a.example/openai/deployments/d/chat/completions?api-version=1",
            },
            "/openai/responses?api-version=1",
        ),
        (
            {"provider": "openai-responses", "base_url": "https://a.example/v1"},
            "/v1/chat/completions",
        ),
        ({"provider": "anthropic", "base_url": "https://a.example"}, None),
        ({"provider": "generic", "endpoint_url": "https://a.example/odd"}, None),
    ],
)
def test_address_of_the_same_model_in_the_other_protocol(
    tmp_path: Path, row: Mapping[str, object], path: str | None
) -> None:
    target = (
        Routes(tmp_path, state(tmp_path), {"model": "m", "api_key": "k", **row}).rows.rows[0].target
    )
    assert target is not None
    other = in_other_protocol(target)
    assert (other and other.path) == path
    assert other is None or {target.protocol, other.protocol} == {Protocol.CHAT, Protocol.RESPONSES}


@pytest.mark.parametrize(("version", "offers_max"), [("0.133.0", False), ("0.171.0", True)])
def test_entry_of_a_row_follows_the_version_of_codex(
    tmp_path: Path, version: str, offers_max: bool
) -> None:
    row = {"model": "claude-opus-4-8", "provider": "anthropic", "api_key": "k"}
    [route] = Routes(tmp_path, {}, row).by_slug.values()
    entry = orjson.loads(orjson.dumps(route.entry_for(version)))
    efforts = [level["effort"] for level in entry["supported_reasoning_levels"]]
    assert ("max" in efforts) is offers_max
    assert "xhigh" in efforts
    assert route.entry == route.entry_for("0.171.0")


def test_circuit_is_about_the_key_of_the_row(tmp_path: Path) -> None:
    """What a service said about one key says nothing about the next one."""
    key = tmp_path / "the.key"
    key.write_text("key-one")
    key.chmod(0o600)
    row = {**GENERIC, "model": "m", "api_key": None, "api_key_file": str(key)}
    routes = Routes(tmp_path, {}, {name: each for name, each in row.items() if each})
    circuit = routes.by_slug["m"].circuit
    circuit.failed(Cause.USED_UP, 1_000.0, 9_000.0)
    assert not circuit.admits(2_000.0)
    key.unlink()
    assert not circuit.admits(2_000.0)
    key.write_text("another-key")
    assert circuit.admits(2_000.0)


def test_circuit_outlives_what_is_learnt_of_its_row_and_not_an_edit(tmp_path: Path) -> None:
    """A limit or trait that changes makes the route again, and says nothing about a plan that is used up."""
    routes = Routes(tmp_path, {}, {**GENERIC, "model": "m"})
    routes.by_slug["m"].circuit.failed(Cause.USED_UP, 1_000.0, 9_000.0)
    [again] = routes.row_routes.routes(routes.rows, Limits(stall_seconds=7.0))
    assert again is not routes.by_slug["m"]
    assert not again.circuit.admits(2_000.0)
    edited = parse_models(
        orjson.dumps([{**GENERIC, "model": "m", "base_url": "https://b.example/v1"}]), "models.json"
    )
    [other] = routes.row_routes.routes(edited, Limits())
    assert other.circuit.admits(2_000.0)


def test_server_that_has_started_has_a_closed_circuit(tmp_path: Path) -> None:
    row = {"model": "m", "provider": "vllm", "base_url": "http://127.0.0.1:8000/v1"}
    routes = Routes(tmp_path, {"CODEX_SHIM_STATE_DIR": str(tmp_path)}, row)
    local, server = routes.row_routes.local, LocalServer("vllm", Origin("http", "127.0.0.1", 8000))
    local.states = {server: UNKNOWN.down(1.0)}
    [down] = routes.row_routes.routes(routes.rows, Limits())
    down.circuit.failed(Cause.USED_UP, 1_000.0, 9_000.0)
    local.states = {server: UNKNOWN}
    [up] = routes.row_routes.routes(routes.rows, Limits())
    assert not down.live
    assert up.live
    assert up.circuit.admits(2_000.0)
