"""The tools that Codex offers after `enable` with a ChatGPT login, compared with those of its built-in provider.

The control is the same Codex with an API-key login and the same catalog. It sends its turns to a stub, because the
built-in provider with a ChatGPT login talks only to chatgpt.com. Invariant: nothing is missing after `enable`, and
every difference is listed here with its reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tomlkit

from addons.adapters.system.paths import CODEX_CATALOG
from tests.e2e.codex_cli import CodexHome, Json
from tests.e2e.installation import PREVIOUS, VERSION, installed_codex
from tests.e2e.newcomer import Newcomer
from tests.fakes import scenarios
from tests.fakes.chatgpt_backend import ChatGptBackend, decoded_body
from tests.fakes.http_messages import Answer, Request
from tests.fakes.http_server import HttpServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

IMAGE_TOOLS = {"image_gen.imagegen", "exec.image_gen__imagegen"}
SEARCH_TOOLS = {"web_search", "exec.web__run"}
CONNECTOR = "Codex starts the connectors of a ChatGPT login, which have MCP resources"
ADDED = {
    **dict.fromkeys(
        IMAGE_TOOLS, "offered only with a ChatGPT login, which the control cannot have"
    ),
    "list_mcp_resource_templates": CONNECTOR,
    "list_mcp_resources": CONNECTOR,
    "read_mcp_resource": CONNECTOR,
}
"""Tools that the control lacks, with the reason."""
HEADERS = {
    "version": "sent to the built-in provider only; user-agent holds the same number",
    "chatgpt-account-id": "a header of the ChatGPT login",
    "accept-encoding": "codex-shim asks the backend for an answer that is not compressed",
}
"""Request headers of one side only, with the reason."""
ENDPOINTS = {
    "GET /responses": "the built-in provider first tries WebSocket, which the block turns off",
    "GET /models": "codex-shim asks for the models of the account",
}
"""Requests of one side only, with the reason."""


@pytest.fixture(scope="session", params=[PREVIOUS, VERSION])
def codex(request: pytest.FixtureRequest) -> Path:
    return installed_codex(request.param)


@pytest.fixture
def subscriber(user: CodexHome, backend: ChatGptBackend) -> Iterator[Newcomer]:
    someone = Newcomer(user, {"CODEX_SHIM_CHATGPT_BASE_URL": backend.base_url})
    yield someone
    someone.end_all()


@pytest.fixture
def stub() -> Iterator[HttpServer]:
    """An OpenAI API without WebSocket that answers each turn."""
    with HttpServer(_answer) as running:
        yield running


def _answer(request: Request) -> Answer:
    if request.header("upgrade"):
        return scenarios.detail(426, "Upgrade Required")
    return scenarios.text("done")


def control(root: Path, codex: Path, stub: HttpServer, catalog: Path) -> CodexHome:
    """Return a user with an API key whose Codex uses its built-in provider and this catalog."""
    home = CodexHome(root, codex)
    login = {"auth_mode": "apikey", "OPENAI_API_KEY": "sk-fabricated"}
    (home.codex_home / "auth.json").write_text(json.dumps(login))
    config = {
        "openai_base_url": f"http://127.0.0.1:{stub.port}/v1",
        "model_catalog_json": str(catalog),
        "analytics": {"enabled": False},
    }
    (home.codex_home / "config.toml").write_text(tomlkit.dumps(config))
    return home


def test_nothing_is_missing_after_enable(
    subscriber: Newcomer, backend: ChatGptBackend, stub: HttpServer, codex: Path, tmp_path: Path
) -> None:
    subscriber.ok("enable")
    catalog = subscriber.home.codex_home / CODEX_CATALOG
    built_in = control(tmp_path / "control", codex, stub, catalog)
    slugs = listed_models(catalog)
    backend.play(*[scenarios.text("done")] * len(slugs))

    with ThreadPoolExecutor(2) as both:
        running = [both.submit(run_each, home, slugs) for home in (subscriber.home, built_in)]
        for each in running:
            each.result()

    enabled, direct = turns_of(backend.requests), turns_of(stub.requests)
    assert list(enabled) == list(direct) == slugs
    for slug in slugs:
        offered, before = tools(enabled[slug]), tools(direct[slug])
        assert before - offered == set(), slug
        assert offered - before <= set(ADDED), slug
        assert offered & SEARCH_TOOLS, slug
        assert offered & IMAGE_TOOLS, slug
    assert differences(enabled, direct, header_names) <= set(HEADERS)
    assert endpoints(backend.requests) ^ endpoints(stub.requests) <= set(ENDPOINTS)
    sent = repr(enabled)
    assert subscriber.token not in sent


def listed_models(catalog: Path) -> list[str]:
    """Return the models of the account that Codex lists."""
    entries: list[Json] = json.loads(catalog.read_bytes())["models"]
    shown = [str(each["slug"]) for each in entries if each["visibility"] == "list"]
    return [slug for slug in shown if slug.startswith("gpt-")]


def run_each(home: CodexHome, slugs: list[str]) -> None:
    for slug in slugs:
        run = home.exec("hello", "-m", slug)
        assert run.messages == ["done"], (slug, run.stderr, run.errors)


def turns_of(requests: list[Request]) -> dict[str, Request]:
    """Return the turns by their model."""
    turns = [each for each in requests if each.method == "POST"]
    return {str(decoded_body(each)["model"]): each for each in turns}


def tools(turn: Request) -> set[str]:
    """Return the names of the offered tools: also those in a namespace, and those that `exec` describes."""
    body = decoded_body(turn)
    items = body["input"]
    assert isinstance(items, list)
    extra = [item["tools"] for item in items if item["type"] == "additional_tools"]
    declared = body.get("tools") or []
    assert isinstance(declared, list)
    return {name for group in (declared, *extra) for tool in group for name in _names(tool)}


def _names(tool: Json, prefix: str = "") -> Iterator[str]:
    name = str(tool.get("name") or tool["type"])
    inner = tool.get("tools")
    if isinstance(inner, list):
        for each in inner:
            # The main namespace of the newer models has the tools that older models get without one.
            yield from _names(each, "" if name == "functions" else f"{name}.")
        return
    yield prefix + name
    if name == "exec":
        described = re.findall(r"^### `(\w+)`", str(tool["description"]), re.MULTILINE)
        yield from (f"exec.{each}" for each in described)


def header_names(turn: Request) -> set[str]:
    return {name.decode().lower() for name, _ in turn.headers}


def differences(
    one: dict[str, Request], other: dict[str, Request], of: Callable[[Request], set[str]]
) -> set[str]:
    """Return what only one of the two sent for the same model."""
    return {each for slug in one for each in of(one[slug]) ^ of(other[slug])}


def endpoints(requests: list[Request]) -> set[str]:
    return {f"{each.method} /{each.path.rsplit('/', 1)[-1]}" for each in requests}
