from __future__ import annotations

from pathlib import Path

import pytest

from shim_cli.commands.add import resolved
from shim_cli.state.offered_models import OfferedModel, ServerError
from shim_cli.state.provider_models import provider_models
from tests.fakes.model_upstream import KEY
from tests.shim_cli.local_server import PROVIDER, list_server, provider_server

FIELDS = {"model": "x", "provider": "deepseek", "api_key_env": "K"}


def test_list_is_asked_with_the_key_of_the_row(tmp_path: Path) -> None:
    with provider_server() as server:
        row, target = resolved({**FIELDS, "base_url": f"http://127.0.0.1:{server.port}/v1"})
        found = provider_models({"K": KEY}, tmp_path, row, target)

    assert found == [OfferedModel("big-1", 200000), OfferedModel("small-1")]


def test_anthropic_api_gets_its_version_and_key(tmp_path: Path) -> None:
    with list_server(PROVIDER) as server:
        base_url = f"http://127.0.0.1:{server.port}/v1"
        row, target = resolved({**FIELDS, "provider": "anthropic", "base_url": base_url})
        provider_models({"K": KEY}, tmp_path, row, target)
        [request] = server.requests

    assert (request.header("x-api-key"), request.header("anthropic-version")) == (KEY, "2023-06-01")


@pytest.mark.parametrize(
    ("env", "reason"), [({}, "K is not set"), ({"K": "sk-wrong"}, "answered with status 401$")]
)
def test_missing_and_wrong_keys_are_reasons(
    tmp_path: Path, env: dict[str, str], reason: str
) -> None:
    with provider_server() as server:
        row, target = resolved({**FIELDS, "base_url": f"http://127.0.0.1:{server.port}/v1"})
        with pytest.raises(ServerError, match=reason):
            provider_models(env, tmp_path, row, target)


def test_empty_list_is_a_reason(tmp_path: Path) -> None:
    with list_server({"GET /v1/models": {"data": []}}) as server:
        row, target = resolved({**FIELDS, "base_url": f"http://127.0.0.1:{server.port}/v1"})
        with pytest.raises(ServerError, match="lists no models"):
            provider_models({"K": KEY}, tmp_path, row, target)
