"""The commands that add, try and test models: their options and help texts.

Never does: import a command's module before the command runs.
"""
# ruff: noqa: PLC0415 - a command's module is imported when the command is run

from __future__ import annotations

import os
from typing import Annotated

import typer

from shim_cli.console.command_line import DEFAULT_PORT
from shim_cli.console.errors import UsageProblem
from shim_cli.console.options import AsJson, Port, Settings
from shim_cli.console.program import examples
from shim_cli.slug_options import ModelOption, complete_slugs

everyday_app = typer.Typer(rich_markup_mode=None)


@everyday_app.command(
    "try",
    **examples(
        "codex-shim try",
        'codex-shim try "What is 6 x 7?" --model deepseek-v4',
        "codex-shim try --json",
    ),
)
def try_turn(
    text: Annotated[
        str, typer.Argument(metavar="[TEXT]", help="What to ask. Default: a greeting.")
    ] = "",
    model: ModelOption = None,
    port: Port = DEFAULT_PORT,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Ask a model once, through the shim.

    Starts the shim if it is not running. Exit code 1: the turn failed.
    """
    from shim_cli.commands.try_turn import DEFAULT_TEXT
    from shim_cli.commands.try_turn import try_turn as run

    raise typer.Exit(run(os.environ, port, settings, text or DEFAULT_TEXT, model, as_json=as_json))


@everyday_app.command(
    "test",
    **examples(
        "codex-shim test",
        "codex-shim test deepseek-v4 gpt-5.5",
        "codex-shim test --all --json",
    ),
)
def check_models(
    slugs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SLUG]...",
            help="Default: each row of models.json, and the first model of each login.",
            autocompletion=complete_slugs,
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Ask every model that is offered.")] = False,
    port: Port = DEFAULT_PORT,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Ask each model once, and say what is wrong.

    Uses one small turn per model. Exit code 1: a model failed.
    """
    from shim_cli.commands.check_models import check_models as run

    if slugs and every:
        problem = "Name models, or pass --all"
        raise UsageProblem(problem, "codex-shim help test")
    raise typer.Exit(run(os.environ, port, settings, slugs or [], every=every, as_json=as_json))


def _providers(incomplete: str) -> list[str]:
    from shim_cli.commands.completion import providers

    return providers(incomplete)


def _rows(incomplete: str) -> list[str]:
    from shim_cli.commands.completion import rows

    return rows(incomplete)


@everyday_app.command(
    "add",
    **examples(
        "codex-shim add",
        "codex-shim add local",
        "codex-shim add ollama",
        "codex-shim add deepseek --model deepseek-chat --key-env DEEPSEEK_API_KEY --yes",
    ),
)
def add(  # noqa: PLR0917  typer reads the options from the signature
    provider: Annotated[
        str,
        typer.Argument(
            metavar="[PROVIDER]", help="Default: you are asked.", autocompletion=_providers
        ),
    ] = "",
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model", metavar="MODEL", help="The provider's name of a model. Repeatable."
        ),
    ] = None,
    base_url: Annotated[
        str, typer.Option(metavar="URL", help="The address, if it is not the provider's own.")
    ] = "",
    slug: Annotated[str, typer.Option(metavar="SLUG", help="The name in Codex.")] = "",
    key_env: Annotated[
        str, typer.Option(metavar="NAME", help="The environment variable that holds the key.")
    ] = "",
    key_file: Annotated[
        str, typer.Option(metavar="PATH", help="The file that holds the key.")
    ] = "",
    key_command: Annotated[
        str, typer.Option(metavar="COMMAND", help="The program that prints the key.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
    settings: Settings = None,
) -> None:
    """Add a model to models.json.

    Choose a provider, name its key, pick one of its models. `local` finds the servers of this machine: ollama, lmstudio, llamacpp, vllm and sglang, each with the context that it serves.
    """
    from shim_cli.commands.add import AddOptions
    from shim_cli.commands.add import add as run
    from shim_cli.commands.add_key import KeyOptions

    key = KeyOptions(key_env, key_file, key_command)
    options = AddOptions(provider, models or [], base_url, slug, key, yes)
    raise typer.Exit(run(os.environ, settings, options))


@everyday_app.command(
    "remove", **examples("codex-shim remove deepseek-chat", "codex-shim remove deepseek-chat --yes")
)
def remove(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="A slug.", autocompletion=_rows)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    settings: Settings = None,
) -> None:
    """Remove a model from models.json."""
    from shim_cli.commands.add import remove as run

    raise typer.Exit(run(os.environ, settings, slug, yes=yes))
