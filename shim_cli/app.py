"""The `codex-shim` program: its commands, their options and their help texts.

Never does: import a command's module before the command runs, or show a traceback. Invariant: `--help` and a cached
`list` import neither mitmproxy nor httpx nor pydantic.
"""
# ruff: noqa: PLC0415 - a command's module is imported when the command is run

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from shim_cli.command_groups import budget_app, models_app, service_app, threads_app
from shim_cli.console.command_line import DEFAULT_PORT, LOOPBACK
from shim_cli.console.entry_point import run
from shim_cli.console.errors import CliError
from shim_cli.console.options import (
    About,
    AnyPort,
    Args,
    AsJson,
    Hooks,
    ListenPort,
    Port,
    Private,
    Settings,
)
from shim_cli.console.program import HELP_NAMES, Program, examples
from shim_cli.console.settings_file import require_settings_file
from shim_cli.model_commands import everyday_app
from shim_cli.slug_options import ModelOption
from shim_cli.turn_commands import turns_app

app = typer.Typer(
    name="codex-shim",
    cls=Program,
    help="One local port for Codex: ChatGPT passthrough and your other models side by side.",
    epilog="""\
codex-shim try "Say hello"      one turn, without Codex
codex-shim codex                run Codex once through the shim
codex-shim enable               make Codex use the shim from now on
codex-shim help enable          what a command does, and its options""",
    context_settings={"help_option_names": list(HELP_NAMES)},
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

app.add_typer(everyday_app)
app.add_typer(turns_app)
app.add_typer(models_app, name="model")
app.add_typer(models_app, name="models", hidden=True)
app.add_typer(service_app, name="service")
app.add_typer(threads_app, name="threads")
app.add_typer(budget_app, name="budget")


def _show_version(requested: bool) -> None:
    if requested:
        from addons.core.version import VERSION

        typer.echo(f"codex-shim {VERSION}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_show_version, is_eager=True, help="Show the version."
        ),
    ] = False,
    port: AnyPort = None,
    settings: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Path to models.json, for any command.")
    ] = None,
    state_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The state folder of codex-shim.")
    ] = None,
) -> None:
    """One local port for Codex: ChatGPT passthrough and your other models side by side."""
    require_settings_file(settings)
    variables = {
        "CODEX_SHIM_PORT": port,
        "CODEX_SHIM_SETTINGS": settings and settings.absolute(),
        "CODEX_SHIM_STATE_DIR": state_dir and state_dir.absolute(),
    }
    os.environ.update({name: str(value) for name, value in variables.items() if value is not None})
    _move_old_state()


def _move_old_state() -> None:
    from addons.adapters.system.paths import has_old_state

    if not has_old_state(os.environ):
        return
    from shim_cli.state.state_move import move_old_state

    if message := move_old_state(os.environ):
        typer.echo(message, err=True)


@app.command(
    **examples(
        "codex-shim serve",
        "codex-shim serve --port 0",
        "codex-shim serve --hook codex_shim_hooks.py",
    )
)
def serve(  # noqa: PLR0917  typer reads the options from the signature
    host: Annotated[str, typer.Option(help="The address to listen on.")] = LOOPBACK,
    port: ListenPort = DEFAULT_PORT,
    settings: Settings = None,
    hook: Hooks = None,
    privacy: Private = False,
    allow_remote: Annotated[
        bool,
        typer.Option("--allow-remote", help="Accept clients from other machines."),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show turns also with --log-file.", hidden=True)
    ] = False,
    log_file: Annotated[Path | None, typer.Option(hidden=True)] = None,
    until_eof: Annotated[bool, typer.Option("--until-eof", hidden=True)] = False,
) -> None:
    """Run the shim in the foreground."""
    from shim_cli.commands.serve import end_at_eof
    from shim_cli.commands.serve import serve as run

    if until_eof:
        end_at_eof()

    raise typer.Exit(
        run(
            host,
            port,
            settings,
            log_file,
            allow_remote=allow_remote,
            verbose=verbose,
            hooks=hook or (),
            privacy=privacy,
        )
    )


@app.command()
def start(port: Port = DEFAULT_PORT, settings: Settings = None, privacy: Private = False) -> None:
    """Run the shim in the background."""
    from shim_cli.state.daemon import start as run

    raise typer.Exit(run(os.environ, port, settings, privacy=privacy))


@app.command()
def stop(port: Port = DEFAULT_PORT) -> None:
    """Stop the shim. Running turns may finish first."""
    from shim_cli.state.daemon import stop as run

    raise typer.Exit(run(os.environ, port))


@app.command()
def restart(
    port: Port = DEFAULT_PORT,
    settings: Settings = None,
    force: Annotated[
        bool, typer.Option("--force", help="Kill a shim that hangs. Its turns are cut off.")
    ] = False,
    privacy: Private = False,
) -> None:
    """Stop the shim and start it in the background."""
    from shim_cli.state.daemon import kill_daemon, start, stop_daemon

    if done := (kill_daemon if force else stop_daemon)(os.environ, port):
        typer.echo(done)
    raise typer.Exit(start(os.environ, port, settings, privacy=privacy))


@app.command(
    **examples(
        "codex-shim enable",
        "codex-shim enable --model deepseek-v4",
        "codex-shim enable --move-threads",
    )
)
def enable(
    port: Port = DEFAULT_PORT,
    settings: Settings = None,
    model: ModelOption = None,
    move_threads: Annotated[
        bool,
        typer.Option(
            "--move-threads", help="Move Codex's threads to the shim; disable restores them."
        ),
    ] = False,
) -> None:
    """Start the shim and make Codex use it.

    Writes a marked block into Codex's config.toml and keeps every other byte.
    """
    from shim_cli.commands.enable import enable as run

    raise typer.Exit(run(os.environ, model, port, settings, "move" if move_threads else "count"))


@app.command()
def disable(
    port: Port = DEFAULT_PORT,
    older: Annotated[
        bool, typer.Option("--older", help="Also remove blocks written by earlier shims.")
    ] = False,
) -> None:
    """Restore Codex's config.toml and stop the shim."""
    from shim_cli.commands.enable import disable as run

    raise typer.Exit(run(os.environ, port, older=older))


@app.command(**examples("codex-shim codex", 'codex-shim codex -- exec "Say hello"'))
def codex(port: Port = DEFAULT_PORT, settings: Settings = None, args: Args = None) -> None:
    """Run Codex once through the shim: `codex -- exec "hi"`.

    Starts the shim if it is not running. Writes nothing into Codex's own folder.
    """
    from shim_cli.commands.launch import launch

    raise typer.Exit(launch(os.environ, port, settings, args or []))


@app.command("app", **examples("codex-shim app", "codex-shim app ~/project"))
def desktop(
    folder: Annotated[Path, typer.Argument(metavar="[PATH]", help="The folder to open.")] = Path(),
    port: Port = DEFAULT_PORT,
    settings: Settings = None,
) -> None:
    """Run Codex Desktop through the shim (macOS)."""
    from shim_cli.commands.desktop import open_app

    raise typer.Exit(open_app(os.environ, port, settings, folder))


@app.command()
def generate(port: Port = DEFAULT_PORT, settings: Settings = None) -> None:
    """Write a model catalog and a sample config.toml.

    Changes nothing in Codex's own folder.
    """
    from shim_cli.commands.generate import generate as run

    raise typer.Exit(run(os.environ, port, settings))


@app.command("list", **examples("codex-shim list", "codex-shim list --all --json"))
def list_models(
    settings: Settings = None,
    show_all: Annotated[
        bool, typer.Option("--all", help="Include hidden models and the reason.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the models and their upstreams."""
    from shim_cli.commands.list import write_list

    raise typer.Exit(write_list(os.environ, settings, show_all=show_all, as_json=as_json))


@app.command()
def status(port: Port = DEFAULT_PORT, as_json: AsJson = False) -> None:
    """Show whether the shim is running.

    Exit code 0: running, 3: stopped, 1: unhealthy.
    """
    from shim_cli.commands.status import write_status

    raise typer.Exit(write_status(os.environ, port, as_json=as_json))


@app.command(**examples("codex-shim doctor", "codex-shim doctor models"))
def doctor(
    about: Annotated[
        About, typer.Argument(help="all checks, each of the models, or what Codex's picker shows.")
    ] = "all",
    port: Port = DEFAULT_PORT,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Diagnose your setup and suggest fixes.

    Changes nothing. Exit code 1: a problem prevents turns from working.
    """
    from shim_cli.doctor.command import write_report

    raise typer.Exit(write_report(os.environ, port, settings, about, as_json=as_json))


# `model list` is an alias of `list`.
models_app.command("list")(list_models)


@app.command(
    **examples(
        "codex-shim completion bash >> ~/.bashrc",
        "codex-shim completion zsh > ~/.zfunc/_codex-shim",
    )
)
def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish", "powershell"], typer.Argument(help="Your shell.")
    ],
) -> None:
    """Print a shell completion script."""
    from shim_cli.commands.completion import script

    typer.echo(script(shell))


@app.command(**examples("codex-shim report", "codex-shim report --flow 1f0c --with-text"))
def report(
    *,
    port: Port = DEFAULT_PORT,
    settings: Settings = None,
    last: Annotated[
        bool, typer.Option("--last", help="Include the last turn (the default).")
    ] = False,
    flow: Annotated[
        str, typer.Option(metavar="ID", help="Include the turn with this id or id prefix.")
    ] = "",
    flow_file: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Read the turn from a flow file (mitmdump -w)."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Path of the zip file.")
    ] = None,
    with_text: Annotated[
        bool, typer.Option("--with-text", help="Include the text of the turn. Asks first.")
    ] = False,
) -> None:
    """Write a zip for a bug report, without text or secrets.

    Contains the output of doctor, versions, settings and the structure of one turn. Sends nothing.
    """
    from shim_cli.report.command import TurnSelection, write_report

    if last and flow:
        msg = "--last and --flow exclude each other"
        raise CliError(msg, "Use one of them.")
    selection = TurnSelection(flow, flow_file, with_text)
    raise typer.Exit(write_report(os.environ, port, settings, selection, output))


def main() -> None:
    """Run the `codex-shim` console script."""
    if "_CODEX_SHIM_COMPLETE" in os.environ:
        from shim_cli.commands.completion import prepare

        prepare()
    # Not `app()`: typer would replace the excepthook with its own traceback printer.
    run(lambda: typer.main.get_command(app)(prog_name="codex-shim"))
