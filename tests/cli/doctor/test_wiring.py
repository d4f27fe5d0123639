"""What doctor says of Codex's config.toml: above all whether it leads to a shim that lives."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from addons.core.catalog import codex_shape, fallback_entries
from shim_cli.doctor.wiring import LOGIN_KEYS
from tests.cli.doctor.looking import found, put, whole
from tests.cli.test_status import HEALTHY, answering

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


def told(env: dict[str, str]) -> list[tuple[str, str]]:
    path = str(Path(env["HOME"], ".codex", "config.toml"))
    return [(level, text.replace(f"{path}: ", "")) for level, text in found(env, "Codex config")]


def test_a_config_that_leads_to_a_shim_is_fine(env: dict[str, str], shim_port: int) -> None:
    configure(env, TOP + PROVIDER, shim_port)

    assert told(env) == [
        ("OK", f"Codex uses the shim at http://127.0.0.1:{shim_port}"),
        ("OK", "the model is shim-demo, by demo"),
    ]


def test_a_shim_that_does_not_run_is_a_failure_with_the_way_out(env: dict[str, str]) -> None:
    configure(env, TOP + PROVIDER, 9)

    [failure, *_] = whole(env, "Codex config")

    assert (failure.level, failure.advice) == ("FAIL", "codex-shim serve --port 9")
    assert "nothing listens there: Codex would wait for ever" in failure.message


def test_somebody_else_on_the_port_is_a_failure(env: dict[str, str]) -> None:
    with answering(404, b"") as port:
        configure(env, TOP + PROVIDER, port)
        assert told(env)[0][0] == "FAIL"


def test_a_codex_of_its_own_is_only_noted(env: dict[str, str]) -> None:
    configure(env, 'model = "gpt-5.5"\n')

    assert told(env) == [("INFO", "Codex does not use the shim: model_provider is openai")]


def test_a_file_that_codex_cannot_read_is_a_failure(env: dict[str, str]) -> None:
    configure(env, 'token = "sk-hush\n')

    [(level, message)] = told(env)

    assert (level, "Codex does not start with it" in message) == ("FAIL", True)
    assert "hush" not in message


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('wire_api = "chat"\n', "wire_api must be"),
        ('name = "OpenAI"\n', 'name must not be "OpenAI"'),
    ],
)
def test_what_codex_takes_wrongly_is_a_failure(
    env: dict[str, str], shim_port: int, more: str, said: str
) -> None:
    provider = PROVIDER.replace('name = "codex-shim"\n', more)
    configure(env, TOP + provider, shim_port)

    assert [(level, said in message) for level, message in told(env) if level == "FAIL"] == [
        ("FAIL", True)
    ]


@pytest.mark.parametrize("key", LOGIN_KEYS)
def test_what_hides_the_login_is_a_warning(env: dict[str, str], shim_port: int, key: str) -> None:
    configure(env, f'{TOP}{PROVIDER}{key} = "sk-hush"\n', shim_port)

    [message] = [text for level, text in told(env) if level == "WARN"]

    assert f"model_providers.codex_shim.{key}" in message
    assert "hush" not in message


@pytest.mark.parametrize(
    ("slug", "said"),
    [("nope", "the shim knows no model 'nope'"), ("gpt-5.5", "'gpt-5.5' is not offered: There is")],
)
def test_a_model_that_the_shim_does_not_offer_is_a_warning(
    env: dict[str, str], shim_port: int, slug: str, said: str
) -> None:
    configure(env, TOP.replace("shim-demo", slug) + PROVIDER, shim_port)

    assert [said in message for level, message in told(env) if level == "WARN"] == [True]


def test_a_picker_without_our_catalog_is_a_warning(env: dict[str, str], shim_port: int) -> None:
    configure(env, 'model_provider = "codex_shim"\n' + PROVIDER, shim_port)

    assert ("WARN" in dict(told(env))) is True


@pytest.mark.parametrize(
    ("content", "level", "said"),
    [
        (None, "FAIL", "does not exist: Codex does not start"),
        (b"{", "FAIL", "Codex does not start with it"),
        (json.dumps(codex_shape(fallback_entries())).encode(), "INFO", "which is not ours"),
    ],
)
def test_another_catalog_is_looked_at_too(
    env: dict[str, str], tmp_path: Path, content: bytes | None, level: str, said: str
) -> None:
    path = tmp_path / "theirs.json"
    if content is not None:
        put(path, content)
    configure(env, f'model_catalog_json = "{path}"\n')

    [(shown, message)] = [each for each in told(env) if "theirs" in each[1]]

    assert (shown, said in message) == (level, True)


def test_a_catalog_that_is_a_folder_is_a_failure(env: dict[str, str], tmp_path: Path) -> None:
    configure(env, f'model_catalog_json = "{tmp_path}"\n')

    assert ("FAIL", True) in [(level, str(tmp_path) in message) for level, message in told(env)]


def test_a_base_url_that_codex_does_not_follow_is_a_warning(env: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        configure(env, f'openai_base_url = "{url}"\n')

        assert [level for level, _ in told(env)] == ["INFO", "WARN"]


def test_other_routes_that_lead_nowhere_are_noted_and_a_chosen_one_fails(
    env: dict[str, str],
) -> None:
    other = '[model_providers.other]\nname = "other"\nbase_url = "http://localhost:9/v1"\n'
    configure(env, other)
    noted = told(env)
    configure(env, 'model_provider = "other"\n' + other)
    chosen = told(env)

    dead = "model_providers.other.base_url leads to http://localhost:9, where nothing listens"
    assert noted[-1] == ("INFO", dead)
    assert chosen[-1] == ("FAIL", f"{dead}: Codex would wait for ever")


def test_what_older_shims_left_is_told(env: dict[str, str], tmp_path: Path) -> None:
    configure(env, "# >>> codex-shim managed >>>\n# <<< codex-shim managed <<<\n")
    put(tmp_path / "checkout" / ".codex-shim" / "custom_model_catalog.json", "{}")
    put(tmp_path / ".codex-shim" / "shim.log", "")

    assert told(env)[-1] == ("WARN", "line 1: a block that an older shim wrote")


def test_a_folder_of_an_older_shim_that_codex_reads_is_told(
    env: dict[str, str], tmp_path: Path
) -> None:
    catalog = put(tmp_path / "checkout" / ".codex-shim" / "custom_model_catalog.json", "{}")
    configure(env, f'model_catalog_json = "{catalog}"\n')

    assert told(env)[-1] == (
        "INFO",
        f"{catalog.parent} was left by an older shim: nothing here reads it",
    )


def guarded(token: str) -> Iterator[int]:
    """A shim that wants this token for its data."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            knows = self.headers.get("x-codex-shim-token") == token
            body = json.dumps(HEALTHY).encode()
            self.send_response(200 if self.path == "/health" or knows else 403)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


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
def test_a_token_that_the_shim_refuses_is_a_failure(
    env: dict[str, str], line: str, level: str
) -> None:
    with contextmanager(guarded)("right-hush") as port:
        configure(env, TOP + PROVIDER + line + "\n", port)
        [first, *_] = whole(env, "Codex config")
    assert first.level == level
    assert (first.advice == "codex-shim enable") is (level == "FAIL")
    assert "hush" not in first.message
