"""The address of the API: the variable, config.toml, and addresses that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from addons.adapters.codex.api_base import ApiBase
from addons.core.codex.login import Login, LoginMethod
from addons.core.secrets import Secret

KEY = Login(Secret("key"), method=LoginMethod.API_KEY)


def api(home: Path, config: str, **env: str) -> ApiBase:
    (home / "config.toml").write_text(config)
    return ApiBase({"CODEX_HOME": str(home), **env}, frozenset({8765}))


@pytest.mark.parametrize("config", ["", 'openai_base_url = ""\n', "openai_base_url = \n", "["])
def test_usual_address_without_a_setting(tmp_path: Path, config: str) -> None:
    found = api(tmp_path, config)
    assert found.problem is None
    assert str(found.base_for(KEY).origin) == "https://api.openai.com"


def test_local_gateway_on_another_port_is_used(tmp_path: Path) -> None:
    found = api(tmp_path, 'openai_base_url = "http://127.0.0.1:4000/v1"\n')
    assert found.problem is None
    assert str(found.base_for(KEY).origin) == "http://127.0.0.1:4000"


def test_shim_itself_is_never_the_address(tmp_path: Path) -> None:
    found = api(tmp_path, 'openai_base_url = "http://localhost:4000/v1"\n')
    assert found.problem is None
    found.own_ports |= {4000}
    assert found.problem
    assert "names codex-shim itself" in found.problem.message


def test_variable_is_preferred_to_a_wrong_setting(tmp_path: Path) -> None:
    env = {"CODEX_SHIM_OPENAI_BASE_URL": "https://gateway.example/v1"}
    assert api(tmp_path, "openai_base_url = 7\n", **env).problem is None


def test_config_that_cannot_be_read_has_no_setting(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    assert ApiBase({"CODEX_HOME": str(tmp_path)}, frozenset()).problem is None
