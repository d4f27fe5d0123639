"""The commands that show turns and their usage: their options and help texts.

Never does: import a command's module before the command runs.
"""
# ruff: noqa: PLC0415 - a command's module is imported when the command is run

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from shim_cli.console.command_line import DEFAULT_PORT
from shim_cli.console.errors import UsageProblem
from shim_cli.console.options import (
    Args,
    AsJson,
    Hooks,
    ListenPort,
    NoOpen,
    Port,
    Private,
    Settings,
)
from shim_cli.console.program import examples
from shim_cli.slug_options import ModelOption, complete_slugs

turns_app = typer.Typer(rich_markup_mode=None)
By = Literal["model", "day", "hour", "thread", "route", "agent", "turn"]


@turns_app.command(**examples("codex-shim mitmdump", "codex-shim mitmdump -- -w turns.flow"))
def mitmdump(
    port: Port = DEFAULT_PORT,
    settings: Settings = None,
    hook: Hooks = None,
    privacy: Private = False,
    args: Args = None,
) -> None:
    """Run the shim in mitmdump and show turns in the terminal."""
    from shim_cli.commands.mitmproxy_tools import run_tool

    raise typer.Exit(run_tool("mitmdump", port, settings, args or [], hook or (), privacy=privacy))


@turns_app.command(**examples("codex-shim web", "codex-shim web -- --set web_port=8090"))
def web(
    port: Port = DEFAULT_PORT,
    settings: Settings = None,
    hook: Hooks = None,
    privacy: Private = False,
    args: Args = None,
) -> None:
    """Run the shim in mitmweb and show turns in the browser."""
    from shim_cli.commands.mitmproxy_tools import run_tool

    raise typer.Exit(run_tool("mitmweb", port, settings, args or [], hook or (), privacy=privacy))


@turns_app.command()
def picker(port: Port = DEFAULT_PORT, settings: Settings = None, no_open: NoOpen = False) -> None:
    """Select the model that Codex uses, in the browser."""
    from shim_cli.commands.pages import open_page

    raise typer.Exit(open_page(os.environ, port, settings, "picker", use_browser=not no_open))


@turns_app.command()
def dashboard(
    port: Port = DEFAULT_PORT, settings: Settings = None, no_open: NoOpen = False
) -> None:
    """Show turns and their usage, in the browser."""
    from shim_cli.commands.pages import open_page

    raise typer.Exit(open_page(os.environ, port, settings, "dashboard", use_browser=not no_open))


@turns_app.command("addon-path")
def addon_path() -> None:
    """Print the addon's path, for `mitmdump -s` or `mitmweb -s`."""
    from shim_cli.commands.mitmproxy_tools import addon_file

    typer.echo(addon_file())


@turns_app.command(
    **examples(
        "codex-shim usage --since 7d",
        "codex-shim usage --by day --csv",
        "codex-shim usage --quota --by thread",
    )
)
def usage(  # noqa: PLR0917  typer reads the options from the signature
    since: Annotated[
        str | None,
        typer.Option(
            help="Start of the period: 30m, 24h, 7d, a date, or all.",
            show_default="30d; with --quota the current windows",
        ),
    ] = None,
    by: Annotated[By, typer.Option(help="What a line of the table is.")] = "model",
    settings: Settings = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Write CSV.")] = False,
    quota: Annotated[
        bool, typer.Option("--quota", help="Show who used the quota, and when it will be empty.")
    ] = False,
) -> None:
    """Show token usage, cache hits, cost and quota."""
    if quota:
        from shim_cli.usage.quota import write_quota

        if as_csv:
            msg = "--quota cannot be written as CSV"
            raise UsageProblem(msg, "Use --json: codex-shim usage --quota --json")
        raise typer.Exit(write_quota(os.environ, since, by, as_json=as_json))
    from shim_cli.usage.command import write_usage

    form = "json" if as_json else "csv" if as_csv else "text"
    period = "30d" if since is None else since
    raise typer.Exit(write_usage(os.environ, settings, period, by, form))


@turns_app.command(**examples("codex-shim statusline", "codex-shim statusline --thread 0199-b"))
def statusline(
    thread: Annotated[
        str,
        typer.Option(help="The thread; `-` for the one that JSON on stdin names."),
    ] = "",
) -> None:
    """Print model, upstream, quota and cost of a thread on one line.

    Of the last turn's thread, unless one is named. Prints an empty line if nothing is known.
    """
    from shim_cli.usage.statusline import write_statusline

    write_statusline(os.environ, thread)


@turns_app.command(**examples("codex-shim privacy notes.txt", "codex-shim privacy -"))
def privacy(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A text; `-` for stdin.")],
    settings: Settings = None,
) -> None:
    """Print a text as the privacy gate would send it."""
    from shim_cli.privacy.command import write_masked

    raise typer.Exit(write_masked(os.environ, file, settings))


@turns_app.command(**examples("codex-shim record turns.jsonl"))
def record(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The new file.")],
    port: ListenPort = DEFAULT_PORT,
    settings: Settings = None,
) -> None:
    """Run the shim and record its turns, with their text, for replay.

    Keys and tokens are masked. Only you can read the file; look at it before you share it.
    """
    from shim_cli.cassette.command import record as run

    raise typer.Exit(run(file, port, settings))


@turns_app.command(
    **examples("codex-shim replay turns.jsonl", "codex-shim replay turns.jsonl --speed 0")
)
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `record` wrote.")],
    port: ListenPort = DEFAULT_PORT,
    loose: Annotated[
        bool, typer.Option("--loose", help="Answer by the position of a turn in its thread.")
    ] = False,
    speed: Annotated[
        float, typer.Option(min=0, help="How many times as fast as recorded. 0: no pauses.")
    ] = 1.0,
) -> None:
    """Answer the turns of Codex from a recording, without a network.

    A request that differs from the recorded one is refused, and the place is named.
    """
    from shim_cli.cassette.command import replay as run

    raise typer.Exit(run(file, port, speed, is_loose=loose))


@turns_app.command(
    **examples(
        "codex-shim har last --from turns.jsonl",
        "codex-shim har 0199-b --from turns.flow -o turns.har",
    )
)
def har(
    thread: Annotated[
        str,
        typer.Argument(metavar="THREAD", help="Its id, a part of it, its title, or `last`."),
    ],
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="What `record`, or `-w` of mitmproxy, wrote."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The new file.", show_default="thread-ID.har"
        ),
    ] = None,
) -> None:
    """Write the turns of a thread as a HAR file, for browsers.

    From a recording. The file has the text of the conversation, without keys.
    """
    from shim_cli.report.har import write_har

    raise typer.Exit(write_har(os.environ, thread, source, output))


@turns_app.command(
    **examples(
        "codex-shim radar",
        "codex-shim radar --npm latest",
        "codex-shim radar --seen",
    )
)
def radar(  # noqa: PLR0917  typer reads the options from the signature
    codex: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The Codex to run.", show_default="on PATH")
    ] = None,
    npm: Annotated[
        str, typer.Option(metavar="VERSION", help="Run a version from npm, or a tag: latest.")
    ] = "",
    against: Annotated[
        str,
        typer.Option(
            metavar="VERSION",
            help="Compare with this recorded version, or with a file.",
            show_default="the version before",
        ),
    ] = "",
    config: Annotated[
        list[str] | None,
        typer.Option("-c", "--config", metavar="KEY=VALUE", help="A setting for Codex, as its -c."),
    ] = None,
    write: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the contract to a file.")
    ] = None,
    seen: Annotated[
        bool, typer.Option("--seen", help="Show what turns had that no recorded version sends.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a version of Codex sends and reads that the version before did not.

    Runs Codex for a few seconds without a network, against a server that answers from a script.
    """
    from shim_cli.radar.command import RadarOptions, write_comparison, write_seen

    if codex and npm:
        msg = "--codex and --npm exclude each other"
        raise UsageProblem(msg, "Use one of them: codex-shim radar --npm latest")
    if seen:
        raise typer.Exit(write_seen(os.environ, as_json=as_json))
    options = RadarOptions(codex, npm, against, tuple(config or ()), write, as_json)
    raise typer.Exit(write_comparison(os.environ, options))


@turns_app.command(
    **examples(
        "codex-shim drill",
        "codex-shim drill 429",
        "codex-shim drill cut --model deepseek-v4",
    )
)
def drill(
    fault: Annotated[str, typer.Argument(metavar="[FAULT]", help="A drill; none lists them.")] = "",
    model: ModelOption = None,
    settings: Settings = None,
    args: Args = None,
) -> None:
    """Show what Codex does when a model's upstream fails, in your own Codex.

    Nothing is sent to the upstream: a server on this machine fails in its place.
    """
    from shim_cli.drill.command import run_drill, write_drills

    if not fault:
        raise typer.Exit(write_drills())
    raise typer.Exit(run_drill(os.environ, settings, fault, model or "", args or ()))


@turns_app.command(
    "what-if",
    **examples(
        "codex-shim what-if LAST --as deepseek-v4",
        "codex-shim what-if turns.jsonl --as gpt-5.5 deepseek-v4 --open",
        "codex-shim what-if turns.flow:3 --as gpt-5.5 --html compared.html",
    ),
)
def what_if(  # noqa: PLR0917  typer reads the options from the signature
    turn: Annotated[
        str,
        typer.Argument(
            metavar="TURN",
            help="FILE or FILE:TURN of a cassette or flow file, LAST, or the id of a turn.",
        ),
    ],
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL]...", help="More models.", autocompletion=complete_slugs),
    ] = None,
    first: Annotated[
        list[str] | None,
        typer.Option(
            "--as", metavar="MODEL", help="A model to ask.", autocompletion=complete_slugs
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Also write a page with the differences."),
    ] = None,
    open_page: Annotated[
        bool, typer.Option("--open", help="Write the page into the state folder, and open it.")
    ] = False,
    port: Port = DEFAULT_PORT,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Ask other models the same as one turn, and show the answers side by side.

    The running shim asks them, as turns that count in usage and budgets. No tool that a model calls is run. Exit
    code 1 if an answer is not complete.
    """
    from shim_cli.what_if.command import WhatIfOptions, compare

    names = (*(first or ()), *(models or ()))
    options = WhatIfOptions(turn, names, as_json, html, open_page)
    raise typer.Exit(compare(os.environ, port, settings, options))
