"""The help texts of the program and its groups: sections, examples, `help COMMAND` and one suggestion for a typing error.

Never does: import rich, or a command's module. Invariant: `help` before a command shows what `--help` after it shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from inspect import cleandoc
from typing import TypedDict, get_type_hints

import click
from typer.core import TyperArgument, TyperCommand, TyperGroup
from typer.models import ArgumentInfo

from addons.core.settings.near_miss import nearest

HELP = "help"
HELP_NAMES = ("-h", "--help")
SECTIONS = {
    "First steps": ("try", "add", "enable", "disable", "codex", "app"),
    "Models": ("list", "test", "model", "remove", "picker", "generate"),
    "The shim": ("start", "stop", "restart", "status", "serve", "service"),
    "Turns": (
        "dashboard",
        "usage",
        "budget",
        "statusline",
        "web",
        "mitmdump",
        "addon-path",
        "threads",
    ),
    "Workbench": ("record", "replay", "what-if", "har", "radar", "drill", "privacy"),
    "Help": ("doctor", "report", "completion"),
}
"""Title → the commands below it."""


_QUOTED = re.compile("'([^']*)'")


class CommandForm(TypedDict):
    """The arguments of `typer.Typer.command` that give a command its examples."""

    cls: type[TyperCommand]
    epilog: str


def examples(*lines: str) -> CommandForm:
    """Return the arguments that show command lines below the help text of a command."""
    return {"cls": ShimCommand, "epilog": "\n".join(lines)}


class ShimCommand(TyperCommand):
    """A command whose `epilog` is a list of examples."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the arguments, with their help texts, and the options."""
        # click 8.5 overwrites the help text that typer 0.24 has given an argument
        texts = _argument_texts(self.callback)
        for parameter in self.params:
            if isinstance(parameter, TyperArgument) and not parameter.help:
                parameter.help = texts.get(parameter.name or "")
        super().format_options(ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the examples, one a line."""
        _write_examples(self.epilog, formatter)


class ShimGroup(TyperGroup):
    """A group of commands."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name. Raises UsageError with at most one suggestion."""
        name = args[0]
        if name == HELP:
            return self._resolve_help(ctx, args[1:])
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = nearest(name, (one for one in self.commands if not self.commands[one].hidden))
            meant = f" Did you mean {near!r}?" if near else ""
            msg = f"No such command {name!r}.{meant}"
            raise click.UsageError(msg, ctx)
        return click.Group.resolve_command(self, ctx, args)

    def _resolve_help(
        self, ctx: click.Context, names: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not names:
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return self.resolve_command(ctx, [*names, HELP_NAMES[-1]])


class Program(ShimGroup):
    """The program itself: its commands are listed in sections."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command. An error of its arguments gets at most one suggestion."""
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            near = nearest(error.option_name, error.possibilities or ())
            names = [near] if near else None
            raise click.NoSuchOption(error.option_name, None, names, error.ctx) from None
        except click.BadParameter as error:
            meant = _suggestion(error)
            if not meant:
                raise
            raise click.BadParameter(error.message + meant, error.ctx, error.param) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the commands below the titles of their sections."""
        width = max(map(len, self.commands))
        limit = formatter.width - 6 - width
        for title, names in SECTIONS.items():
            found = [self.commands[name] for name in names if name in self.commands]
            rows = [
                (f"{each.name or '':<{width}}", each.get_short_help_str(limit)) for each in found
            ]
            with formatter.section(title):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the examples, one a line."""
        _write_examples(self.epilog, formatter)


def _suggestion(error: click.BadParameter) -> str:
    """Return ` Did you mean 'model'?` for a value that is nearly one of the parameter's choices."""
    kind = error.param.type if error.param else None
    given = _QUOTED.match(error.message)
    if not isinstance(kind, click.Choice) or not given:
        return ""
    near = nearest(given[1], map(str, kind.choices))
    return f" Did you mean {near!r}?" if near else ""


def _argument_texts(callback: Callable[..., object] | None) -> Mapping[str, str | None]:
    """Return parameter → help text, for the arguments of a command's function."""
    hints = get_type_hints(callback, include_extras=True) if callback else {}
    return {
        name: each.help
        for name, hint in hints.items()
        for each in getattr(hint, "__metadata__", ())
        if isinstance(each, ArgumentInfo)
    }


def _write_examples(text: str | None, formatter: click.HelpFormatter) -> None:
    if text:
        with formatter.section("Examples"):
            formatter.write("".join(_indented(text)))


def _indented(text: str) -> Iterator[str]:
    for line in cleandoc(text).splitlines():
        yield f"  {line}\n"
