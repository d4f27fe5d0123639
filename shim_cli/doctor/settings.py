"""models.json: is it right, and is each of its rows usable?"""

from __future__ import annotations

from collections.abc import Iterator

from addons.core.endpoints import Rules
from addons.core.models_file import ModelRows, parse_models
from addons.core.settings import parse_settings
from addons.origins.files import CachedFile, FileAccessError
from addons.origins.paths import settings_file
from addons.origins.sources import own_ports
from shim_cli.doctor.finding import Found, Subject
from shim_cli.doctor.rows import row_findings


def settings(subject: Subject) -> Iterator[Found]:
    """Read the file as the proxy does."""
    path = settings_file(subject.env, subject.settings)
    try:
        data = CachedFile(path).read()
    except FileAccessError as error:
        yield "FAIL", str(error), subject.shell.show(str(path))
        return
    if data is None:
        yield from _missing(subject)
        return
    rows = parse_models(data, str(path), Rules(own_ports=own_ports(subject.env)))
    own = parse_settings(data, str(path), subject.env).problems
    for problem in own:
        yield "FAIL", problem, subject.shell.edit(str(path))
    for problem in _of_rows(rows, subject):
        yield "FAIL", problem, subject.shell.edit(str(path))
    if not own and not rows.problems:
        yield "OK", f"{path}"
    yield from row_findings(rows, path, subject.env, subject.shell)


def _missing(subject: Subject) -> Iterator[Found]:
    path = settings_file(subject.env, subject.settings)
    if subject.settings or subject.env.get("CODEX_SHIM_SETTINGS"):
        yield (
            "FAIL",
            f"{path} does not exist, and it was named",
            "codex-shim doctor --settings PATH",
        )
    else:
        yield "INFO", f"{path} does not exist: no models of your own"


def _of_rows(rows: ModelRows, subject: Subject) -> Iterator[str]:
    """What is wrong with rows, and fallbacks that lead nowhere."""
    yield from rows.problems
    if not isinstance(subject.sources, str):
        sources = subject.sources
        known = {*sources.settings.problems, *sources.cursor.settings.problems}
        yield from (each for each in subject.sources.problems if each not in known)
