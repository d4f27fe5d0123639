"""`add local`: which servers of this machine are found, and which one is chosen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from addons.core.settings.presets import BY_WORD
from addons.core.upstream.local.lists import KINDS
from shim_cli.commands import add_local
from shim_cli.commands.add_local import find_servers, local_preset
from shim_cli.console.errors import CliError, UsageProblem
from tests.fakes.http_messages import Answer, Send
from tests.fakes.http_server import HttpServer
from tests.fakes.local_servers import SERVERS, Served
from tests.support.ports import free_port

Machine = dict[str, int]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine on which no server runs: the port of each program, which a test may change."""
    ports = {kind: free_port() for kind in KINDS}

    class Presets(dict[str, object]):
        def __getitem__(self, word: str) -> object:
            return replace(BY_WORD[word], base_url=f"http://127.0.0.1:{ports[word]}/v1")

    monkeypatch.setattr(add_local, "BY_WORD", Presets())
    return ports


@pytest.fixture
def two(machine: Machine) -> Iterator[Machine]:
    """Ollama with two models, and llama.cpp with one."""
    with ExitStack() as stack:
        models = {
            "ollama": [Served("qwen3:8b"), Served("e:1b", embeds=True)],
            "llamacpp": [Served("big.gguf")],
        }
        for kind, served in models.items():
            machine[kind] = stack.enter_context(SERVERS[kind](served)).port
        yield machine


def test_every_program_is_found_by_its_own_api(machine: Machine) -> None:
    with ExitStack() as stack:
        for kind, make in SERVERS.items():
            machine[kind] = stack.enter_context(make()).port
        assert [each.preset.name for each in find_servers()] == list(KINDS)


@pytest.mark.usefixtures("two")
def test_model_selects_the_server_that_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert local_preset(["BIG"], ask=False).name == "llamacpp"
    assert capsys.readouterr().out.count("Found llamacpp at 127.0.0.1:") == 1


def test_choice_between_servers_is_asked_for(
    two: Machine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typer.prompt", lambda *_, **__: " LlamaCpp ")
    assert local_preset([], ask=True).name == "llamacpp"
    found = f"Found ollama at 127.0.0.1:{two['ollama']}: 1 model (qwen3:8b)\n"
    assert found in capsys.readouterr().out
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "vllm")
    with pytest.raises(UsageProblem, match="vllm is none of ollama, llamacpp"):
        local_preset([], ask=True)
    with pytest.raises(UsageProblem, match="with --yes the server must be named"):
        local_preset([], ask=False)


def test_machine_without_a_server_names_what_was_asked(machine: Machine) -> None:
    other = Answer((Send(b"<html>"),), chunked=False)
    with HttpServer(lambda _: other) as server:
        machine["vllm"] = server.port
        with pytest.raises(CliError) as error:
            local_preset([], ask=False)
    assert f"LM Studio at 127.0.0.1:{machine['lmstudio']}" in str(error.value)
