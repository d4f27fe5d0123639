"""The gate of a process reads the settings of the sources that are in use now."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from addons.adapters.route_sources import RouteSources
from addons.core.hooks.chain import HookError
from addons.core.limits import Limits
from addons.core.turn import ClientRequest
from addons.proxy.privacy import gated_requests
from tests.core.privacy.values import EMAILS


def _request(model: str) -> ClientRequest:
    body = orjson.dumps({"model": model, "input": EMAILS[0]})
    return ClientRequest("POST", "/v1/responses", (), body)


def test_it_follows_the_sources_and_the_option(tmp_path: Path) -> None:
    env = {"CODEX_SHIM_STATE_DIR": str(tmp_path / "state"), "HOME": str(tmp_path)}
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    row = {
        "slug": "local",
        "model": "m",
        "base_url": "http://127.0.0.1:1/v1",
        "api_key": "k3y",
        "privacy": False,
    }
    files[0].write_bytes(orjson.dumps({"models": [row], "privacy": {"emails": False}}))
    files[1].write_bytes(orjson.dumps({"privacy": {"emials": True}}))
    sources = [RouteSources(env, path) for path in files]
    used = [sources[0]]
    is_on = [False]
    gated = gated_requests(env, lambda: used[0], lambda: is_on[0])
    assert gated.mask(_request("gpt"), Limits().body_bytes).request.body == _request("gpt").body
    assert gated._is_exempt(_request("local"))
    assert not gated._is_exempt(_request("gpt"))
    used[0] = sources[1]
    assert not gated._is_exempt(_request("local"))
    with pytest.raises(HookError, match="codex-shim doctor"):
        gated.mask(_request("gpt"), Limits().body_bytes)
    files[1].unlink()
    is_on[0] = True
    used[0] = RouteSources(env, files[1])
    masked = gated.mask(_request("gpt"), Limits().body_bytes).request.body
    assert EMAILS[0].encode() not in masked
