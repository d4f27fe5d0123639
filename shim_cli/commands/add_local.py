"""`codex-shim add local`: which model servers answer on this machine.

Never does: ask another address than the usual ones of the known programs, load a model. Invariant: a program is named only if
it answered with a list of models in its own API.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import typer

from addons.adapters.local.client import NoListError, ask_models
from addons.adapters.system.threads import in_thread
from addons.core.secrets import Origin
from addons.core.settings.presets import BY_WORD, Preset
from addons.core.upstream.local.lists import KINDS, LocalModel
from shim_cli.console.errors import CliError, UsageProblem
from shim_cli.console.printable import printable_line

WORD = "local"
SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class FoundServer:
    """One server that answered."""

    preset: Preset
    models: Sequence[LocalModel]

    def offers(self, name: str) -> bool:
        """Return whether one of its models has this name, or a name with this part."""
        return any(name.lower() in model.name.lower() for model in self.models)

    @property
    def description(self) -> str:
        """What was found, in one line."""
        count = f"{len(self.models)} model{'' if len(self.models) == 1 else 's'}"
        names = ", ".join(model.name for model in self.models[:3])
        more = ", …" if len(self.models) > 3 else ""  # noqa: PLR2004  as many as are shown
        address = Origin.of(self.preset.base_url).authority
        return printable_line(f"{self.preset.name} at {address}: {count} ({names}{more})")


def find_servers() -> list[FoundServer]:
    """Ask the usual address of each program, all at once."""
    asked = {kind: in_thread(partial(_models, kind), kind) for kind in KINDS}
    found = {kind: future.result() for kind, future in asked.items()}
    return [FoundServer(BY_WORD[kind], models) for kind, models in found.items() if models]


def _models(kind: str) -> list[LocalModel]:
    try:
        found = ask_models(kind, Origin.of(BY_WORD[kind].base_url), SECONDS)
    except NoListError:
        return []
    return [model for model in found if model.is_for_chat]


def local_preset(models: Sequence[str], *, ask: bool) -> Preset:
    """Return the preset of the server to add models of: the only one, or the one that is chosen. Raises CliError."""
    found = find_servers()
    if not found:
        raise CliError(_nothing_found(), "At another port: codex-shim add ollama --base-url URL")
    fitting = [each for each in found if all(each.offers(name) for name in models)] or found
    for each in fitting:
        typer.echo(f"Found {each.description}")
    if len(fitting) == 1:
        return fitting[0].preset
    names = [each.preset.name for each in fitting]
    if not ask:
        msg = "with --yes the server must be named"
        raise UsageProblem(msg, "codex-shim add ollama --yes")
    chosen = typer.prompt(f"Server ({', '.join(names)})", default=names[0]).strip().lower()
    if chosen not in names:
        msg = f"{printable_line(chosen)} is none of {', '.join(names)}"
        raise UsageProblem(msg, "codex-shim add local")
    return BY_WORD[chosen]


def _nothing_found() -> str:
    asked = ", ".join(
        f"{kind.name} at {Origin.of(BY_WORD[word].base_url).authority}"
        for word, kind in KINDS.items()
    )
    return f"no model server answers on this machine. Asked: {asked}"
