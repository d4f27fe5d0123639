"""Fixtures: a user with Codex, a backend that knows only this login, and the shim between them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path

import pytest

from tests.e2e.codex_cli import CodexHome, Json
from tests.e2e.installation import PREVIOUS, installed_codex
from tests.e2e.line import Line
from tests.e2e.shim import Shim, assert_websocket
from tests.fakes.account import Account
from tests.fakes.chatgpt_backend import ChatGptBackend
from tests.fakes.tap import Tap
from tests.shim_cli.served import ForkedShim

StartShim = Callable[..., Shim]
HERE = Path(__file__).parent
LONG = {"test_checkout", "test_newcomer", "test_tools", "test_threads", "test_logins", "test_radar"}
"""Modules with tests that run many programs."""
WAITING = {
    "test_rate_limit_is_shown_with_the_wait",
    "test_permanent_server_error_is_shown_after_few_requests",
    "test_expired_login_is_refreshed_by_codex_and_the_turn_continues",
    "test_killed_shim_leaves_no_process",
    "test_user_sees_the_fault",
    "test_expired_login_is_shown_without_the_users_own_login",
}
"""Tests that wait for seconds, most for the retries of Codex."""
SPEAKS_WEBSOCKET = {"supports_websockets": True}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long tests, those that compute beside those that wait, so that no worker ends long after the others."""
    if not all(item.path.is_relative_to(HERE) for item in items):
        return
    long = [item for item in items if item.path.stem in LONG]
    waiting = [item for item in items if item.path.stem not in LONG and _name(item) in WAITING]
    first = dict.fromkeys(item for two in zip_longest(long, waiting) for item in two if item)
    items[:] = [*first, *(item for item in items if item not in first)]


def _name(item: pytest.Item) -> str:
    return item.name.partition("[")[0]


@pytest.fixture(scope="session")
def codex() -> Path:
    """The real client."""
    return installed_codex()


@pytest.fixture(scope="session")
def bundled_models(codex: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Json]:
    """The catalog that the client ships."""
    return CodexHome(tmp_path_factory.mktemp("bundled"), codex).models("--bundled")


@pytest.fixture
def user(codex: Path, tmp_path: Path) -> CodexHome:
    """A new user without a login."""
    return CodexHome(tmp_path, codex)


@pytest.fixture(params=["http", "websocket"])
def each_transport(request: pytest.FixtureRequest, user: CodexHome) -> Iterator[None]:
    """Run a test twice: Codex sends its turns by HTTP, and over a WebSocket."""
    if request.param == "http":
        yield
        return
    user.provider = dict(SPEAKS_WEBSOCKET)
    yield
    assert_websocket(user.state)


@pytest.fixture
def account(user: CodexHome) -> Account:
    """The user's ChatGPT login, written where Codex keeps it."""
    login = Account()
    login.write(user.codex_home)
    return login


@pytest.fixture
def backend(account: Account, bundled_models: list[Json]) -> Iterator[ChatGptBackend]:
    """A backend that knows this account only. A request without a scenario fails the test."""
    models = json.dumps({"models": bundled_models}).encode()
    with ChatGptBackend(account, models) as running:
        yield running
    assert running.unscripted == []


@pytest.fixture
def start_shim(user: CodexHome, tmp_path: Path) -> Iterator[StartShim]:
    """Return a function that starts codex-shim with these environment variables as a child process."""
    with ExitStack() as stack:

        def start(command: str = "serve", *flags: str, **settings: str) -> Shim:
            env = {**user.env, **settings}
            return stack.enter_context(
                ForkedShim(env, tmp_path / f"{command}.log", command, *flags)
            )

        yield start


@pytest.fixture
def shim_settings() -> dict[str, str]:
    """Environment variables of codex-shim. A test may parametrize this fixture."""
    return {}


@pytest.fixture
def shim(start_shim: StartShim, backend: ChatGptBackend, shim_settings: dict[str, str]) -> Shim:
    """codex-shim with the fake backend instead of ChatGPT."""
    return start_shim(CODEX_SHIM_CHATGPT_BASE_URL=backend.base_url, **shim_settings)


@pytest.fixture
def tap(shim: Shim) -> Iterator[Tap]:
    """A relay between client and codex-shim that records every request."""
    with Tap(shim.port) as running:
        yield running


@pytest.fixture
def direct(user: CodexHome, backend: ChatGptBackend) -> Line:
    """Codex with its own login and no shim: the control."""
    return Line(user, backend, backend.base_url, {"requires_openai_auth": True})


@pytest.fixture(params=["direct", "shim", "websocket", "websocket-previous", "both-websockets"])
def line(
    request: pytest.FixtureRequest, user: CodexHome, backend: ChatGptBackend
) -> Iterator[Line]:
    """Run a test on each path, by WebSocket with both versions: Codex must behave through codex-shim as it does with the backend alone."""
    if request.param == "direct":
        yield request.getfixturevalue("direct")
        return
    running: Shim = request.getfixturevalue("shim")
    base_url = f"http://127.0.0.1:{running.port}/v1"
    if request.param == "shim":
        yield Line(user, backend, base_url)
        return
    if request.param == "websocket-previous":
        user.codex = installed_codex(PREVIOUS)
    backend.speaks_websocket = request.param == "both-websockets"
    yield Line(user, backend, base_url, dict(SPEAKS_WEBSOCKET))
    assert_websocket(user.state)


@pytest.fixture
def tapped(tap: Tap, user: CodexHome, backend: ChatGptBackend) -> Line:
    """A line through codex-shim whose requests are recorded in `tap`."""
    return Line(user, backend, f"http://127.0.0.1:{tap.port}/v1")
