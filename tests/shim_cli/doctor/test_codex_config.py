"""The section "Codex config": does config.toml use a running shim?"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from addons.core.codex.catalog import codex_shape, fallback_entries
from shim_cli.doctor.codex_config import LOGIN_KEYS
from tests.shim_cli.doctor.findings import put, section_findings, section_messages
from tests.shim_cli.health_server import HEALTHY, answering, answering_with_token

TOP = 'model = "shim-demo"\nmodel_provider = "codex_shim"\nmodel_catalog_json = "{catalog}"\n'
PROVIDER = (
    '[model_providers.codex_shim]\nname = "codex-shim"\nbase_url = "http://127.0.0.1:{port}/v1"\n'
)


@pytest.fixture
def shim_port() -> Iterator[int]:
    with answering(200, json.dumps(HEALTHY).encode()) as port:
        yield port


def configure(env: dict[str, str], text: str, port: int = 9) -> Path:
    catalog = Path(env["CODEX_SHIM_STATE_DIR"], "custom_model_catalog.json")
    path = Path(env["HOME"], ".codex", "config.toml")
    return put(path, text.replace("{catalog}", str(catalog)).replace("{port}", str(port)))


def config_findings(env: dict[str, str]) -> list[tuple[str, str]]:
    path = str(Path(env["HOME"], ".codex", "config.toml"))
    return [
        (level, text.replace(f"{path}: ", ""))
        for level, text in section_messages(env, "Codex config")
    ]


def test_config_with_a_running_shim_is_ok(env: dict[str, str], shim_port: int) -> None:
    configure(env, TOP + PROVIDER, shim_port)

    assert config_findings(env) == [
        ("OK", f"Codex uses the shim at http://127.0.0.1:{shim_port}"),
        ("OK", "the model is shim-demo, answered by demo"),
    ]


def test_stopped_shim_fails_with_the_start_command(env: dict[str, str]) -> None:
    configure(env, TOP + PROVIDER, 9)

    [failure, *_] = section_findings(env, "Codex config")

    assert (failure.level, failure.advice) == ("FAIL", "codex-shim start --port 9")
    assert "nothing listens there: turns would hang" in failure.message


def test_another_program_on_the_port_fails(env: dict[str, str]) -> None:
    with answering(404, b"") as port:
        configure(env, TOP + PROVIDER, port)
        assert config_findings(env)[0][0] == "FAIL"


def test_config_without_the_shim_is_info(env: dict[str, str]) -> None:
    configure(env, 'model = "gpt-5.5"\n')

    assert config_findings(env) == [
        ("INFO", "Codex does not use the shim: model_provider is openai")
    ]


def test_invalid_toml_fails_without_quoting_it(env: dict[str, str]) -> None:
    configure(env, 'token = "sk-hush\n')

    [(level, message)] = config_findings(env)

    assert (level, "Codex does not start with it" in message) == ("FAIL", True)
    assert "hush" not in message


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ('wire_api = "chat"\n', "wire_api must be"),
        ('name = "OpenAI"\n', 'name must not be "OpenAI"'),
    ],
)
def test_provider_values_that_codex_rejects_fail(
    env: dict[str, str], shim_port: int, more: str, expected: str
) -> None:
    provider = PROVIDER.replace('name = "codex-shim"\n', more)
    configure(env, TOP + provider, shim_port)

    assert [
        (level, expected in message) for level, message in config_findings(env) if level == "FAIL"
    ] == [("FAIL", True)]


@pytest.mark.parametrize("key", LOGIN_KEYS)
def test_login_keys_are_a_warning(env: dict[str, str], shim_port: int, key: str) -> None:
    configure(env, f'{TOP}{PROVIDER}{key} = "sk-hush"\n', shim_port)

    [message] = [text for level, text in config_findings(env) if level == "WARN"]

    assert f"model_providers.codex_shim.{key}" in message
    assert "hush" not in message


@pytest.mark.parametrize(
    ("slug", "expected"),
    [("nope", "the shim has no model 'nope'"), ("gpt-5.5", "'gpt-5.5' is not available: ")],
)
def test_unavailable_model_is_a_warning(
    env: dict[str, str], shim_port: int, slug: str, expected: str
) -> None:
    configure(env, TOP.replace("shim-demo", slug) + PROVIDER, shim_port)

    assert [expected in message for level, message in config_findings(env) if level == "WARN"] == [
        True
    ]


def test_missing_catalog_setting_is_a_warning(env: dict[str, str], shim_port: int) -> None:
    configure(env, 'model_provider = "codex_shim"\n' + PROVIDER, shim_port)

    assert ("WARN" in dict(config_findings(env))) is True


@pytest.mark.parametrize(
    ("content", "level", "expected"),
    [
        (None, "FAIL", "does not exist: Codex does not start"),
        (b"{", "FAIL", "Codex does not start with it"),
        (
            json.dumps(codex_shape(fallback_entries())).encode(),
            "INFO",
            "which codex-shim did not write",
        ),
    ],
)
def test_catalog_of_another_program_is_checked(
    env: dict[str, str], tmp_path: Path, content: bytes | None, level: str, expected: str
) -> None:
    path = tmp_path / "theirs.json"
    if content is not None:
        put(path, content)
    configure(env, f'model_catalog_json = "{path}"\n')

    [(shown, message)] = [each for each in config_findings(env) if "theirs" in each[1]]

    assert (shown, expected in message) == (level, True)


def test_catalog_path_that_is_a_folder_fails(env: dict[str, str], tmp_path: Path) -> None:
    configure(env, f'model_catalog_json = "{tmp_path}"\n')

    assert ("FAIL", True) in [
        (level, str(tmp_path) in message) for level, message in config_findings(env)
    ]


def test_openai_base_url_is_a_warning(env: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        configure(env, f'openai_base_url = "{url}"\n')

        assert [level for level, _ in config_findings(env)] == ["INFO", "WARN"]


def test_dead_loopback_url_is_info_and_fails_if_selected(
    env: dict[str, str],
) -> None:
    other = '[model_providers.other]\nname = "other"\nbase_url = "http://localhost:9/v1"\n'
    configure(env, other)
    noted = config_findings(env)
    configure(env, 'model_provider = "other"\n' + other)
    chosen = config_findings(env)

    dead = "model_providers.other.base_url points to http://localhost:9, where nothing listens"
    assert noted[-1] == ("INFO", dead)
    assert chosen[-1] == ("FAIL", f"{dead}: turns would hang")


def test_block_of_an_older_shim_is_a_warning(env: dict[str, str], tmp_path: Path) -> None:
    configure(env, "# >>> codex-shim managed >>>\n# <<< codex-shim managed <<<\n")
    put(tmp_path / "checkout" / ".codex-shim" / "custom_model_catalog.json", "{}")
    put(tmp_path / ".codex-shim" / "shim.log", "")

    assert config_findings(env)[-1] == ("WARN", "line 1: a block of an older shim")


def test_folder_of_an_older_shim_is_info(env: dict[str, str], tmp_path: Path) -> None:
    catalog = put(tmp_path / "checkout" / ".codex-shim" / "custom_model_catalog.json", "{}")
    configure(env, f'model_catalog_json = "{catalog}"\n')

    assert config_findings(env)[-1] == (
        "INFO",
        f"{catalog.parent} was left by an older shim; codex-shim does not read it",
    )


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ('http_headers = { "x-codex-shim-token" = "right-hush" }', "OK"),
        ('http_headers = { "x-codex-shim-token" = "wrong-hush" }', "FAIL"),
        ('http_headers = { "x-codex-shim-token" = "no\\nheader-hush" }', "OK"),
        ("", "FAIL"),
        ('env_http_headers = { "x-codex-shim-token" = "X" }', "OK"),
    ],
)
def test_rejected_local_token_fails(env: dict[str, str], line: str, level: str) -> None:
    with answering_with_token("right-hush") as port:
        configure(env, TOP + PROVIDER + line + "\n", port)
        [first, *_] = section_findings(env, "Codex config")
    assert first.level == level
    assert (first.advice == "codex-shim enable") is (level == "FAIL")
    assert "hush" not in first.message
