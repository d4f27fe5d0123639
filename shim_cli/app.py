"""The root of `codex-shim`: every command, its flags and its help. The work is in one module per command.

Never does: import a command's module before it is run, or let a traceback reach the user. Invariant: `--help` and
`list` load neither mitmproxy nor httpx nor pydantic.
"""
# ruff: noqa: PLC0415 - a command's module is imported when the command is run

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from shim_cli.console import run
from shim_cli.defaults import DEFAULT_PORT
from shim_cli.errors import CliError
from shim_cli.options import (
    About,
    Args,
    AsJson,
    ListenPort,
    ModelOption,
    NoOpen,
    Port,
    Settings,
)

app = typer.Typer(
    name="codex-shim",
    help="One local port for Codex: ChatGPT passthrough and your other models side by side.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

models_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List models, or choose the one to use."
)
service_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Let the system start the shim at login."
)
app.add_typer(models_app, name="model")
app.add_typer(service_app, name="service")


def _show_version(wanted: bool) -> None:
    if wanted:
        from addons.version import VERSION

        typer.echo(f"codex-shim {VERSION}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The shim's port, for any command.")
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(metavar="PATH", help="models.json, for any command.")
    ] = None,
    state_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where codex-shim keeps its own files.")
    ] = None,
) -> None:
    """One local port for Codex: ChatGPT passthrough and your other models side by side."""
    if settings and not settings.is_file():
        msg = f"{settings} does not exist or is not a file"
        raise CliError(msg, "Name an existing models.json: --settings PATH")
    named = {
        "CODEX_SHIM_PORT": port,
        "CODEX_SHIM_SETTINGS": settings and settings.absolute(),
        "CODEX_SHIM_STATE_DIR": state_dir and state_dir.absolute(),
    }
    os.environ.update({name: str(value) for name, value in named.items() if value is not None})


@app.command()
def serve(  # noqa: PLR0917  typer reads the options from the signature
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: ListenPort = DEFAULT_PORT,
    settings: Settings = None,
    allow_remote: Annotated[
        bool,
        typer.Option("--allow-remote", help="Take clients from other machines, too."),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="A line on stderr for each turn.")
    ] = False,
    log_file: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the shim in the foreground, without a view."""
    from shim_cli.serve import serve as run

    raise typer.Exit(
        run(host, port, settings, log_file, allow_remote=allow_remote, verbose=verbose)
    )


@app.command()
def start(port: Port = DEFAULT_PORT, settings: Settings = None) -> None:
    """Run the shim in the background."""
    from shim_cli.daemon import start as run

    raise typer.Exit(run(os.environ, port, settings))


@app.command()
def stop(port: Port = DEFAULT_PORT) -> None:
    """Stop the shim. Running turns have their time to end."""
    from shim_cli.daemon import stop as run

    raise typer.Exit(run(os.environ, port))


@app.command()
def restart(port: Port = DEFAULT_PORT, settings: Settings = None) -> None:
    """Stop the shim and start it in the background."""
    from shim_cli.daemon import restart as run

    raise typer.Exit(run(os.environ, port, settings))


@app.command()
def enable(port: Port = DEFAULT_PORT, settings: Settings = None, model: ModelOption = None) -> None:
    """Start the shim and make Codex use it.

    Writes a marked block into Codex's config.toml and keeps every other byte.
    """
    from shim_cli.wire import enable as run

    raise typer.Exit(run(os.environ, model, port, settings))


@app.command()
def disable(
    port: Port = DEFAULT_PORT,
    older: Annotated[
        bool, typer.Option("--older", help="Take out the blocks of earlier shims, too.")
    ] = False,
) -> None:
    """Give Codex its own config.toml back, and stop the shim."""
    from shim_cli.wire import disable as run

    raise typer.Exit(run(os.environ, port, older=older))


@app.command()
def codex(port: Port = DEFAULT_PORT, settings: Settings = None, args: Args = None) -> None:
    """Run Codex through the shim, once: `codex -- exec "hi"`.

    Starts the shim if none runs. Nothing is written into Codex's own folder.
    """
    from shim_cli.launch import launch

    raise typer.Exit(launch(os.environ, port, settings, args or []))


@app.command("app")
def desktop(
    folder: Annotated[Path, typer.Argument(metavar="[PATH]", help="The folder to open.")] = Path(),
    port: Port = DEFAULT_PORT,
    settings: Settings = None,
) -> None:
    """Open Codex Desktop through the shim until it quits (macOS)."""
    from shim_cli.desktop import open_app

    raise typer.Exit(open_app(os.environ, port, settings, folder))


@app.command()
def mitmdump(port: Port = DEFAULT_PORT, settings: Settings = None, args: Args = None) -> None:
    """Run the shim in mitmdump: turns in the terminal."""
    from shim_cli.tools import run_tool

    raise typer.Exit(run_tool("mitmdump", port, settings, args or []))


@app.command()
def web(port: Port = DEFAULT_PORT, settings: Settings = None, args: Args = None) -> None:
    """Run the shim in mitmweb: see and edit turns in the browser."""
    from shim_cli.tools import run_tool

    raise typer.Exit(run_tool("mitmweb", port, settings, args or []))


@app.command()
def picker(port: Port = DEFAULT_PORT, settings: Settings = None, no_open: NoOpen = False) -> None:
    """Choose the model that Codex uses, in the browser."""
    from shim_cli.pages import open_page

    raise typer.Exit(open_page(os.environ, port, settings, "picker", wanted=not no_open))


@app.command()
def dashboard(
    port: Port = DEFAULT_PORT, settings: Settings = None, no_open: NoOpen = False
) -> None:
    """See turns and what they use, in the browser."""
    from shim_cli.pages import open_page

    raise typer.Exit(open_page(os.environ, port, settings, "dashboard", wanted=not no_open))


@app.command("addon-path")
def addon_path() -> None:
    """Print the addon's path, for `mitmdump -s` or `mitmweb -s`."""
    from shim_cli.tools import addon_file

    typer.echo(addon_file())


@app.command()
def generate(port: Port = DEFAULT_PORT, settings: Settings = None) -> None:
    """Write the model catalog and a config.toml to try.

    Nothing in Codex's own folder changes.
    """
    from shim_cli.generate import generate as run

    raise typer.Exit(run(os.environ, port, settings))


@app.command("list")
def list_models(
    settings: Settings = None,
    show_all: Annotated[bool, typer.Option("--all", help="Hidden models too, with why.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the models that Codex can choose, and where they go."""
    from shim_cli.list_models import write_list

    raise typer.Exit(write_list(os.environ, settings, show_all=show_all, as_json=as_json))


@app.command()
def status(port: Port = DEFAULT_PORT, as_json: AsJson = False) -> None:
    """Say whether the shim runs.

    Exit code 0: running, 3: stopped, 1: something is wrong.
    """
    from shim_cli.status import write_status

    raise typer.Exit(write_status(port, as_json=as_json))


@app.command()
def usage(
    since: Annotated[str, typer.Option(help="From when: 30m, 24h, 7d, a date, or all.")] = "30d",
    by: Annotated[str, typer.Option(help="Totals by model, day, thread or route.")] = "model",
    settings: Settings = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Write CSV for a spreadsheet.")] = False,
) -> None:
    """Say what turns have used: tokens, cache, cost and quota."""
    from shim_cli.usage import write_usage

    form = "json" if as_json else "csv" if as_csv else "text"
    raise typer.Exit(write_usage(os.environ, settings, since, by, form))


@app.command()
def doctor(
    about: Annotated[
        About, typer.Argument(help="all, or models: each model, or picker: what Codex will show.")
    ] = "all",
    port: Port = DEFAULT_PORT,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Check everything that a turn needs, and say what to type.

    Changes nothing. Exit code 1: something keeps turns from working.
    """
    from shim_cli.doctor.report import write_report

    raise typer.Exit(write_report(os.environ, port, settings, about, as_json=as_json))


def _slugs(incomplete: str) -> list[str]:
    from shim_cli.completion import slugs

    return slugs(incomplete)


@models_app.command("use")
def model_use(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A slug, or part of a name.", autocompletion=_slugs),
    ],
    port: Port = DEFAULT_PORT,
    settings: Settings = None,
) -> None:
    """Make this model the one that Codex uses, and start the shim."""
    from shim_cli.wire import enable as run

    raise typer.Exit(run(os.environ, model, port, settings))


# the same command under a second name
models_app.command("list")(list_models)


@service_app.command("install")
def service_install(port: Port = DEFAULT_PORT) -> None:
    """Write the file that your service manager needs, and say what to type."""
    from shim_cli.service import install

    raise typer.Exit(install(os.environ, port))


@service_app.command("remove")
def service_remove(port: Port = DEFAULT_PORT) -> None:
    """Remove that file."""
    from shim_cli.service import remove

    raise typer.Exit(remove(os.environ, port))


@app.command()
def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish", "powershell"], typer.Argument(help="Your shell.")
    ],
) -> None:
    """Print what makes a shell complete these commands."""
    from shim_cli.completion import script

    typer.echo(script(shell))


@app.command()
def report(
    *,
    port: Port = DEFAULT_PORT,
    settings: Settings = None,
    last: Annotated[bool, typer.Option("--last", help="The last turn. The default.")] = False,
    flow: Annotated[
        str, typer.Option(metavar="ID", help="The turn of this id, or its start.")
    ] = "",
    flow_file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="A file that -w wrote, instead of the shim.")
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="PATH", help="The zip to write.")] = None,
    with_text: Annotated[
        bool, typer.Option("--with-text", help="With the turn's text; asks first.")
    ] = False,
) -> None:
    """Write one zip for a bug report, without text or secrets.

    It holds what doctor says, versions, settings and the structure of one turn. Nothing is sent.
    """
    from shim_cli.report import Wanted, write_report

    if last and flow:
        msg = "--last and --flow name two turns"
        raise CliError(msg, "Give one of them.")
    wanted = Wanted(flow, flow_file, with_text)
    raise typer.Exit(write_report(os.environ, port, settings, wanted, output))


def main() -> None:
    """The console script."""
    if "_CODEX_SHIM_COMPLETE" in os.environ:
        from shim_cli.completion import prepare

        prepare()
    run(app, "codex-shim")
