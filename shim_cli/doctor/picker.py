"""`codex-shim doctor picker`: for each model, will Codex show it, and which rule hides it?"""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from addons.core.catalog import account_entries
from addons.core.picker import DESKTOP_ROWS, Shown, picked
from addons.core.routes import RouteTable
from addons.origins.files import CachedFile, FileAccessError
from addons.origins.fitting import UPDATE
from addons.origins.login_file import login_path
from addons.origins.paths import catalog_file
from shim_cli.doctor.finding import Finding, Found, Subject

AGAIN = "codex-shim generate"


def picker_findings(subject: Subject) -> list[Finding]:
    """What Codex reads, then each model."""
    sources = subject.sources
    if isinstance(sources, str):
        return [Finding("Picker", "FAIL", sources, "codex-shim doctor")]
    login = has_chatgpt_login(subject)
    catalog = _catalog(subject)
    found = [Finding("What Codex reads", *each) for each in _reads(subject, catalog, login=login)]
    shown = [] if isinstance(catalog, str) else list(picked(catalog, chatgpt_login=login))
    models = [Finding("Models", *_told(each)) for each in shown]
    written = {each.slug for each in shown}
    models += [Finding("Models", *each) for each in _absent(subject, sources.table(), written)]
    return [*found, *models]


def has_chatgpt_login(subject: Subject) -> bool:
    """Whether Codex itself counts as logged in to ChatGPT: an expired token is one, too."""
    try:
        data = CachedFile(login_path(subject.env)).read()
        content = orjson.loads(data or b"null")
    except (FileAccessError, orjson.JSONDecodeError):
        return False
    tokens = content.get("tokens") if isinstance(content, dict) else None
    return isinstance(tokens, dict) and content.get("auth_mode") in {None, "chatgpt"}


def _catalog(subject: Subject) -> list[dict[str, object]] | str:
    """The entries of the file that Codex reads once it is wired, or why there are none."""
    path = subject.config.catalog or catalog_file(subject.env)
    try:
        data = CachedFile(path).read()
    except FileAccessError as error:
        return str(error)
    if data is None:
        return f"{path} does not exist"
    read = account_entries(data)
    return f"{path}: {read.problem}" if read.problem else [dict(entry) for entry in read.entries]


def _reads(
    subject: Subject, catalog: list[dict[str, object]] | str, *, login: bool
) -> Iterator[Found]:
    path = subject.config.catalog
    if path is None:
        yield (
            "WARN",
            "Codex is not pointed at a catalog of the shim: its picker shows its own",
            AGAIN,
        )
    else:
        yield "OK", f"{subject.config.path} points at {path}"
    if isinstance(catalog, str):
        yield "FAIL" if path else "WARN", catalog, AGAIN
    yield "INFO", f"Codex has {'a' if login else 'no'} ChatGPT login"


def _told(each: Shown) -> Found:
    if each.place is None:
        return "INFO", f"{each.slug} is hidden: {each.hidden_by}"
    if each.place > DESKTOP_ROWS:
        late = f"{each.slug} is shown at place {each.place}, and Desktop loads the first {DESKTOP_ROWS}"
        return "WARN", late, "codex-shim list"
    return "OK", f"{each.slug} is shown at place {each.place}"


def _absent(subject: Subject, table: RouteTable, written: set[str]) -> Iterator[Found]:
    for route in table.routes.values():
        if route.slug in written:
            continue
        if not route.live:
            yield "INFO", f"{route.slug} is hidden: {route.hidden_because}"
        elif reason := subject.refused.get(route.slug):
            yield "WARN", f"{route.slug} is hidden: {reason}", UPDATE
        else:
            yield "WARN", f"{route.slug} is hidden: it is not in the catalog yet", AGAIN
