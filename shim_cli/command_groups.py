"""The command groups `model`, `service`, `threads` and `budget`: their commands, options and help texts.

Never does: import a command's module before the command runs. `model list` is added by `app`, because it is `list`.
"""
# ruff: noqa: PLC0415 - a command's module is imported when the command is run

from __future__ import annotations

import os
from typing import Annotated, Literal

import typer

from shim_cli.console.command_line import DEFAULT_PORT
from shim_cli.console.errors import CliError
from shim_cli.console.options import AsJson, Port, Settings
from shim_cli.console.program import ShimGroup, examples
from shim_cli.slug_options import complete_slugs

models_app = typer.Typer(
    cls=ShimGroup, no_args_is_help=True, rich_markup_mode=None, help="List models or select one."
)
service_app = typer.Typer(
    cls=ShimGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Start the shim automatically at login.",
)
threads_app = typer.Typer(
    cls=ShimGroup,
    invoke_without_command=True,
    rich_markup_mode=None,
    help="List Codex's threads by provider, or move them to another one.",
)
budget_app = typer.Typer(
    cls=ShimGroup,
    invoke_without_command=True,
    rich_markup_mode=None,
    help="Show what is spent of your budgets, or lift one.",
)


@models_app.command(
    "use", **examples("codex-shim model use gpt-5.5", 'codex-shim model use "GPT-5.5"')
)
def model_use(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A slug, or part of a display name.",
            autocompletion=complete_slugs,
        ),
    ],
    port: Port = DEFAULT_PORT,
    settings: Settings = None,
) -> None:
    """Select the model that Codex uses, and start the shim."""
    from shim_cli.commands.enable import enable as run

    raise typer.Exit(run(os.environ, model, port, settings))


@models_app.command(
    "forget", **examples("codex-shim model forget deepseek-v4", "codex-shim model forget --all")
)
def models_forget(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="A slug.", autocompletion=complete_slugs)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Forget all models.")] = False,
    settings: Settings = None,
) -> None:
    """Forget what was learnt from the refusals of a model's upstream."""
    from shim_cli.commands.models_forget import forget_models as run

    if bool(model) == every:
        problem = "Name one model, or pass --all"
        raise CliError(problem, "codex-shim model forget MODEL")
    raise typer.Exit(run(os.environ, model, settings))


@service_app.command("install")
def service_install(port: Port = DEFAULT_PORT) -> None:
    """Write a service file for systemd or launchd."""
    from shim_cli.commands.service import install

    raise typer.Exit(install(os.environ, port))


@service_app.command("remove")
def service_remove(port: Port = DEFAULT_PORT) -> None:
    """Remove the service file."""
    from shim_cli.commands.service import remove

    raise typer.Exit(remove(os.environ, port))


@threads_app.callback()
def threads(context: typer.Context) -> None:
    """List Codex's threads by provider, or move them to another one."""
    if context.invoked_subcommand is None:
        threads_list()


@threads_app.command("list")
def threads_list(as_json: AsJson = False) -> None:
    """List Codex's threads by provider."""
    from shim_cli.commands.threads import list_threads

    raise typer.Exit(list_threads(os.environ, as_json=as_json))


@threads_app.command(
    "move",
    **examples(
        "codex-shim threads move --to shim 01a229d8", "codex-shim threads move --to openai --all"
    ),
)
def threads_move(
    to: Annotated[
        Literal["shim", "openai"],
        typer.Option("--to", help="codex-shim, or Codex's own provider."),
    ],
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="Thread ids, or the beginning or end of one."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Move all threads of the other one.")
    ] = False,
) -> None:
    """Move threads to another provider, so that Codex lists and resumes them there.

    Changes the thread's rollout and Codex's state database. A thread that Codex has open is not moved.
    """
    from shim_cli.commands.threads import move_threads

    if bool(ids) == every:
        problem = "Name threads, or pass --all"
        raise CliError(problem, "`codex-shim threads` lists them.")
    raise typer.Exit(move_threads(os.environ, to, ids or []))


@threads_app.command("undo")
def threads_undo() -> None:
    """Undo the latest move."""
    from shim_cli.commands.threads import undo_move

    raise typer.Exit(undo_move(os.environ))


@budget_app.callback()
def budget(context: typer.Context) -> None:
    """Show what is spent of your budgets, or lift one."""
    if context.invoked_subcommand is None:
        budget_list()


@budget_app.command("list")
def budget_list(settings: Settings = None, as_json: AsJson = False) -> None:
    """List the budgets with what is spent."""
    from shim_cli.commands.budget.listing import list_budgets

    raise typer.Exit(list_budgets(os.environ, settings, as_json=as_json))


@budget_app.command(
    "lift",
    **examples("codex-shim budget lift day-dollars", "codex-shim budget lift 1 --for 30m"),
)
def budget_lift(
    budget: Annotated[
        str, typer.Argument(metavar="BUDGET", help="The name or the number of a budget.")
    ],
    period: Annotated[
        str, typer.Option("--for", help="How long: 30m, 1h, 2d. At most 7d; 0m ends it.")
    ] = "1h",
    settings: Settings = None,
) -> None:
    """Let turns exceed a budget for a while.

    A running shim applies that to its next turn. It ends by itself.
    """
    from shim_cli.commands.budget.lift import lift_budget

    raise typer.Exit(lift_budget(os.environ, settings, budget, period))
