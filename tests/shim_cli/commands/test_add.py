"""`codex-shim add` and `remove` against strict fakes of the servers that they ask."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.fakes.http_messages import Answer, Send
from tests.fakes.http_server import HttpServer
from tests.fakes.model_upstream import KEY
from tests.shim_cli.local_server import (
    LLAMACPP,
    LMSTUDIO,
    OLLAMA,
    VLLM,
    list_server,
    provider_server,
)
from tests.shim_cli.run import shim
from tests.support.ports import free_port

OLD = '{\n  "demo": false,\n  "models": [\n    {"model": "m", "slug": "old", "provider": "ollama"}\n  ]\n}\n'


def settings(home: Path) -> Path:
    return home / ".codex-shim" / "models.json"


def put(home: Path, text: str = OLD) -> Path:
    path = settings(home)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def rows(home: Path) -> list[Mapping[str, object]]:
    found: list[Mapping[str, object]] = json.loads(settings(home).read_text())["models"]
    return found


SERVERS: Mapping[str, tuple[Mapping[str, object], list[str], str, int]] = {
    "ollama": (OLLAMA, ["--model", "loaded:8b"], "loaded:8b", 65536),
    "lmstudio": (LMSTUDIO, ["--model", "qwen3"], "qwen3", 8192),
    "vllm": (VLLM, [], "Qwen/Qwen3-8B", 8192),
    "llamacpp": (LLAMACPP, [], "model.gguf", 65536),
}


@pytest.mark.parametrize("provider", SERVERS)
def test_local_server_is_added_without_a_question(tmp_path: Path, provider: str) -> None:
    documents, args, model, context = SERVERS[provider]
    with list_server(documents) as server:
        base_url = f"http://127.0.0.1:{server.port}/v1"
        done = shim(tmp_path, "add", provider, "--base-url", base_url, "--yes", *args)

    assert (done.returncode, done.stderr) == (0, "")
    [row] = rows(tmp_path)
    address = {"provider": provider, "base_url": base_url}
    assert row == {"model": model, **address, "max_context_limit": context}
    slug = done.stdout.splitlines()[-1].removeprefix("Try it: codex-shim try --model ")
    listed = json.loads(shim(tmp_path, "list", "--json").stdout)
    live = [(each["slug"], each["context_window"]) for each in listed if each["live"]]
    assert live == [(slug, context)]


def test_dialogue_asks_for_provider_key_and_model_and_never_shows_the_key(tmp_path: Path) -> None:
    put(tmp_path)
    with provider_server() as server:
        typed = f"openai-compatible\nhttp://127.0.0.1:{server.port}/v1\nFAKE_KEY\n"
        args = ("--key-env", "FAKE_KEY")
        answers = typed.removesuffix("FAKE_KEY\n") + "1\ny\n"
        done = shim(tmp_path, "add", *args, env={"FAKE_KEY": KEY}, stdin=answers)
        authorized = [request.header("authorization") for request in server.requests]

    assert done.returncode == 0
    assert authorized == [f"Bearer {KEY}"]
    assert "   1  big-1  200,000 tokens\n   2  small-1\n" in done.stdout
    assert KEY not in done.stdout + done.stderr + settings(tmp_path).read_text()
    text = settings(tmp_path).read_text()
    assert text.startswith(OLD.removesuffix("\n  ]\n}\n") + ",\n")
    assert rows(tmp_path)[1] == {
        "model": "big-1",
        "provider": "generic-chat-completion-api",
        "base_url": f"http://127.0.0.1:{server.port}/v1",
        "api_key_env": "FAKE_KEY",
        "max_context_limit": 200000,
    }


def test_typed_key_is_stored_in_a_private_file(tmp_path: Path) -> None:
    with provider_server() as server:
        base_url = f"http://127.0.0.1:{server.port}/v1"
        args = ("add", "deepseek", "--base-url", base_url, "--model", "big-1", "--slug", "mine")
        done = shim(tmp_path, *args, stdin=f"{KEY}\ny\n")
        served = [request.header("authorization") for request in server.requests]

    assert done.returncode == 0
    assert served == [f"Bearer {KEY}"]
    assert KEY not in done.stdout + done.stderr
    assert rows(tmp_path)[0]["api_key_file"] == "keys/deepseek"
    file = tmp_path / ".codex-shim" / "keys" / "deepseek"
    assert file.read_text() == f"{KEY}\n"
    if os.name == "posix":
        assert file.stat().st_mode & 0o077 == 0
        assert settings(tmp_path).stat().st_mode & 0o077 == 0


def test_key_of_a_command_is_used(tmp_path: Path) -> None:
    command = f"{sys.executable} -c \"print('{KEY}')\""
    with provider_server() as server:
        base_url = f"http://127.0.0.1:{server.port}/v1"
        args = ("--base-url", base_url, "--key-command", command, "--model", "big-1", "--yes")
        done = shim(tmp_path, "add", "deepseek", *args)

    assert done.returncode == 0
    assert rows(tmp_path)[0]["auth_command"] == [sys.executable, "-c", f"print('{KEY}')"]


def test_part_of_a_name_selects_a_model(tmp_path: Path) -> None:
    with list_server(LMSTUDIO) as server:
        base_url = f"http://127.0.0.1:{server.port}/v1"
        done = shim(tmp_path, "add", "lmstudio", "--base-url", base_url, stdin="visi\nn\n")

    assert done.stdout.endswith("Nothing was written.\n")
    assert f"vision at http://127.0.0.1:{server.port}  32,768 tokens" in done.stdout
    assert not settings(tmp_path).exists()


def test_provider_without_a_list_takes_any_model(tmp_path: Path) -> None:
    with HttpServer(lambda _: Answer((Send(b"{}"),), status=404, chunked=False)) as server:
        base_url = f"http://127.0.0.1:{server.port}/v1"
        args = ("--base-url", base_url, "--key-env", "K", "--model", "x", "--yes")
        done = shim(tmp_path, "add", "deepseek", *args, env={"K": KEY})

    assert done.returncode == 0
    assert "answered with status 404" in done.stderr
    assert rows(tmp_path)[0]["model"] == "x"


@pytest.mark.parametrize(
    ("args", "code", "message", "advice"),
    [
        (["deepsek", "--yes"], 2, "unknown provider 'deepsek'. Did you mean 'deepseek'?", "--base-url URL"),
        (["zzzzzz", "--yes"], 2, "unknown provider 'zzzzzz'\n", "--base-url URL"),
        (["chatgpt"], 2, "chatgpt models need no row", "codex-shim list --all"),
        (["--yes"], 2, "the provider must be named", "codex-shim add ollama --yes"),
        (["deepseek", "--yes"], 2, "deepseek needs a key", "Set DEEPSEEK_API_KEY"),
        (["azure", "--key-env", "K", "--yes"], 2, "has no address of its own", "--base-url URL"),
        (["deepseek", "--key-env", "sk-x y"], 2, "not the name of an environment variable", "--key-env"),
        (["deepseek", "--key-env", "A", "--key-file", "B"], 2, "exclude each other", "Use one"),
        (["vllm", "--base-url", "http://example.com/v1", "--yes"], 1, "http to another machine", "Nothing was written"),
    ],
)  # fmt: skip
def test_wrong_arguments_write_nothing(
    tmp_path: Path, args: list[str], code: int, message: str, advice: str
) -> None:
    path = put(tmp_path)

    done = shim(tmp_path, "add", *args)

    assert done.returncode == code
    assert message in done.stderr
    assert advice in done.stderr
    assert "sk-x" not in done.stderr
    assert path.read_text() == OLD


def test_stopped_server_is_named_with_its_start_command(tmp_path: Path) -> None:
    done = shim(tmp_path, "add", "ollama", "--base-url", f"http://127.0.0.1:{free_port()}/v1")

    assert done.returncode == 1
    assert "/api/ps cannot be reached: nothing listens there" in done.stderr
    assert "ollama serve" in done.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--model", "qwem3"], "offers no model 'qwem3'. Did you mean 'qwen3'?"),
        (["--model", ""], "the name of the model is empty"),
        ([], "with --yes the model must be named\n--model MODEL, one of: qwen3, vision"),
        (["--model", "qwen3", "--model", "vision", "--slug", "x"], "--slug names one model"),
    ],
)
def test_model_that_is_not_offered_is_refused(
    tmp_path: Path, args: list[str], message: str
) -> None:
    with list_server(LMSTUDIO) as server:
        base_url = f"http://127.0.0.1:{server.port}/v1"
        done = shim(tmp_path, "add", "lmstudio", "--base-url", base_url, "--yes", *args)

    assert done.returncode == 2
    assert message in done.stderr
    assert not settings(tmp_path).exists()


def test_removed_row_leaves_the_rest(tmp_path: Path) -> None:
    text = OLD.replace('"ollama"}', '"ollama"},\n    {"model": "other"}')
    put(tmp_path, text)

    refused = shim(tmp_path, "remove", "odl")
    kept = shim(tmp_path, "remove", "old", stdin="n\n")
    unchanged = settings(tmp_path).read_text()
    done = shim(tmp_path, "remove", "old", "--yes")

    assert (refused.returncode, kept.returncode, done.returncode) == (1, 0, 0)
    assert "has no row 'odl'" in refused.stderr
    assert "Its rows: old, other" in refused.stderr
    assert unchanged == text
    assert settings(tmp_path).read_text() == text.replace(
        '{"model": "m", "slug": "old", "provider": "ollama"},\n    ', ""
    )


def test_typed_text_that_is_no_key_is_not_stored(tmp_path: Path) -> None:
    done = shim(tmp_path, "add", "deepseek", stdin="two words\n")

    assert done.returncode == 1
    assert "a key is visible ASCII characters without blanks" in done.stderr
    assert "two words" not in done.stderr
    assert not settings(tmp_path).parent.exists()


def test_key_of_another_address_must_be_named(tmp_path: Path) -> None:
    env = {"OPENAI_API_KEY": KEY}
    with provider_server() as server:
        base_url = f"http://127.0.0.1:{server.port}/v1"
        args = ("add", "openai", "--base-url", base_url, "--model", "big-1", "--yes")
        refused = shim(tmp_path, *args, env=env)
        assert not settings(tmp_path).exists()
        added = shim(tmp_path, *args, "--key-env", "OPENAI_API_KEY", env=env)

    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "codex-shim: openai needs a key\n"
        "At another address the row must name it: --key-env OPENAI_API_KEY, --key-file or --key-command.\n"
    )
    assert (added.returncode, added.stderr) == (0, "")
    assert rows(tmp_path)[0]["api_key_env"] == "OPENAI_API_KEY"
