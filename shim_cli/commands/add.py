"""`codex-shim add` and `remove`: write a checked row into models.json, and take one out.

Never does: show or echo a key, write one into models.json. Invariant: a row is written only if the shim would offer its
model; every other byte of the file is kept.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import typer

from addons.adapters.system.paths import settings_file
from addons.core.settings.near_miss import nearest
from addons.core.settings.presets import BY_WORD, LOGIN_PROVIDERS, Preset
from addons.core.settings.row import ModelRow
from addons.core.settings.row_resolver import resolve_row
from addons.core.settings.row_schema import FieldProblem, RowFields, read_row
from addons.core.settings.slugs import slugify
from addons.core.settings.upstream_url import EndpointRules
from addons.core.upstream.local.lists import KINDS
from addons.core.upstream.target import Target
from shim_cli.commands.add_key import KeyOptions, key_fields
from shim_cli.commands.add_local import WORD as LOCAL
from shim_cli.commands.add_local import find_servers, local_preset
from shim_cli.console.errors import CliError, UsageProblem
from shim_cli.console.printable import printable_line
from shim_cli.console.terminal import fitted
from shim_cli.state.models_edit import ModelsFile
from shim_cli.state.offered_models import OfferedModel, ServerError, local_models
from shim_cli.state.provider_models import provider_models

MAX_SHOWN = 40
"""How many models are listed; a part of a name selects among the others."""
UNKNOWN_MODEL = "a-model"
"""Stands for the model while its provider is asked for its list."""


@dataclass(frozen=True, slots=True)
class AddOptions:
    """The options of `add`. What is missing is asked for, except with `yes`."""

    provider: str = ""
    models: Sequence[str] = ()
    base_url: str = ""
    slug: str = ""
    key: KeyOptions = field(default_factory=KeyOptions)
    yes: bool = False


def add(env: Mapping[str, str], settings: Path | None, options: AddOptions) -> int:
    """Ask for what the options leave out and write the rows. Return the exit code; raises CliError."""
    file = ModelsFile(settings_file(env, settings))
    file.slugs()
    preset = _preset(options)
    fields = _address(preset, options)
    unnamed = resolved({**fields, "model": UNKNOWN_MODEL})[0].variables
    fields |= key_fields(env, file.path.parent, preset, options.key, unnamed, ask=not options.yes)
    row, target = resolved({**fields, "model": UNKNOWN_MODEL})
    offered = _offered(env, file.path.parent, preset, row, target)
    chosen = _chosen(offered, options)
    if options.slug and len(chosen) > 1:
        msg = f"--slug names one model, and {len(chosen)} were chosen"
        raise UsageProblem(msg, "Add them one by one.")
    rows = [_row(fields, each, options.slug) for each in chosen]
    for each in rows:
        resolved(each)
    for model in chosen:
        typer.echo(_description(model, target))
    if not options.yes and not typer.confirm(f"Add to {file.path}?", default=True):
        typer.echo("Nothing was written.")
        return 0
    slugs = file.add(rows)
    typer.echo(f"Added {', '.join(slugs)} to {file.path}.")
    typer.echo(f"Try it: codex-shim try --model {shlex.quote(slugs[0])}")
    return 0


def remove(env: Mapping[str, str], settings: Path | None, slug: str, *, yes: bool) -> int:
    """Remove the row of a slug. Return the exit code; raises CliError."""
    file = ModelsFile(settings_file(env, settings))
    is_known = slug in file.slugs()
    if is_known and not yes and not typer.confirm(f"Remove {slug} from {file.path}?"):
        typer.echo("Nothing was removed.")
        return 0
    file.remove(slug)
    typer.echo(f"Removed {slug} from {file.path}.")
    return 0


def resolved(fields: Mapping[str, object]) -> tuple[ModelRow, Target]:
    """Return the row that these fields are. Raises CliError if the shim would not offer it."""
    checked = read_row(fields)
    if isinstance(checked, RowFields):
        row = resolve_row(checked, checked.slug or slugify(checked.model), EndpointRules())
        if isinstance(row, ModelRow) and row.target:
            return row, row.target
        checked = (row,) if isinstance(row, FieldProblem) else ()
    msg = "; ".join(f"{each.field}: {each.reason}" for each in checked)
    raise CliError(msg, "Nothing was written. See `codex-shim help add`.")


def _preset(options: AddOptions) -> Preset:
    word = options.provider
    if not word:
        if options.yes:
            msg = "with --yes the provider must be named"
            raise UsageProblem(msg, "codex-shim add ollama --yes")
        names = ", ".join(sorted({preset.name for preset in BY_WORD.values()}))
        typer.echo(fitted(f"Providers: {names}", 2, sys.stdout))
        for each in find_servers():
            typer.echo(f"Found {each.description}")
        word = typer.prompt("Provider")
    word = word.strip().lower()
    if word == LOCAL:
        return local_preset(options.models, ask=not options.yes)
    if word in LOGIN_PROVIDERS:
        msg = f"{word} models need no row: they come from your login"
        raise UsageProblem(msg, "codex-shim list --all")
    if word in BY_WORD:
        return BY_WORD[word]
    near = nearest(word, [*BY_WORD, LOCAL])
    meant = f". Did you mean {near!r}?" if near else ""
    msg = f"unknown provider {word!r}{meant}"
    raise UsageProblem(msg, "Another server: codex-shim add openai-compatible --base-url URL")


def _address(preset: Preset, options: AddOptions) -> dict[str, object]:
    fields: dict[str, object] = {"provider": preset.name}
    base_url = options.base_url
    if not base_url and not preset.base_url:
        if options.yes:
            msg = f"{preset.name} has no address of its own"
            raise UsageProblem(msg, f"codex-shim add {preset.name} --base-url URL")
        base_url = typer.prompt("Address (base_url)")
    return {**fields, "base_url": base_url} if base_url else fields


def _offered(
    env: Mapping[str, str], folder: Path, preset: Preset, row: ModelRow, target: Target
) -> list[OfferedModel]:
    """Return the models of the provider. A list that cannot be had is an error for a local server only."""
    try:
        if preset.name in KINDS and not _has_key(env, row):
            return local_models(preset.name, str(target.origin))
        return provider_models(env, folder, row, target)
    except ServerError as error:
        if preset.name in KINDS:
            start = f"Start the server, then try again: {KINDS[preset.name].start}"
            raise CliError(printable_line(str(error)), start) from error
        typer.echo(f"codex-shim: {printable_line(str(error))}", err=True)
        return []


def _has_key(env: Mapping[str, str], row: ModelRow) -> bool:
    return any(spec.required for spec in row.keys) or any(env.get(name) for name in row.variables)


def _chosen(offered: Sequence[OfferedModel], options: AddOptions) -> list[OfferedModel]:
    if options.models:
        return [_named(name, offered) for name in options.models]
    if len(offered) == 1:
        return list(offered)
    if options.yes:
        msg = "with --yes the model must be named"
        names = ", ".join(each.name for each in offered[:MAX_SHOWN]) or "the provider lists none"
        raise UsageProblem(msg, f"--model MODEL, one of: {printable_line(names)}")
    return _asked(offered)


def _asked(offered: Sequence[OfferedModel]) -> list[OfferedModel]:
    for number, each in enumerate(offered[:MAX_SHOWN], 1):
        typer.echo(f"{number:>4}  {printable_line(each.name)}{_context(each)}")
    if (more := len(offered) - MAX_SHOWN) > 0:
        typer.echo(f"      and {more} more")
    answer = typer.prompt("Model (number or name)" if offered else "Model").strip()
    if answer.isdigit() and 0 < int(answer) <= min(len(offered), MAX_SHOWN):
        return [offered[int(answer) - 1]]
    return [_named(answer, offered)]


def _named(name: str, offered: Sequence[OfferedModel]) -> OfferedModel:
    """Return the offered model of a name, or the only one whose name contains it."""
    if not name.strip():
        msg = "the name of the model is empty"
        raise UsageProblem(msg, "codex-shim help add")
    by_name = {each.name: each for each in offered}
    if name in by_name or not offered:
        return by_name.get(name, OfferedModel(name))
    parts = [each for each in offered if name.lower() in each.name.lower()]
    if len(parts) == 1:
        return parts[0]
    near = nearest(name, by_name) or (parts[0].name if parts else "")
    meant = f". Did you mean {near!r}?" if near else ""
    msg = f"the provider offers no model {name!r}{meant}"
    raise UsageProblem(printable_line(msg), "Without --model, the models are listed.")


def _row(fields: Mapping[str, object], model: OfferedModel, slug: str) -> dict[str, object]:
    row: dict[str, object] = {"model": model.name, **({"slug": slug} if slug else {}), **fields}
    return {**row, "max_context_limit": model.context} if model.context else row


def _context(model: OfferedModel) -> str:
    return f"  {model.context:,} tokens" if model.context else ""


def _description(model: OfferedModel, target: Target) -> str:
    text = f"{printable_line(model.name)} at {target.origin}{_context(model)}"
    if model.is_limit_of_model:
        return f"{text} at most; `ollama ps` shows what the server gives it (OLLAMA_CONTEXT_LENGTH)"
    return text
