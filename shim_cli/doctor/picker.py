"""`codex-shim doctor picker`: whether Codex shows each model, and which rule hides it."""

from __future__ import annotations

from collections.abc import Iterator

from addons.adapters.codex.accepted_models import UPDATE
from addons.adapters.codex.login_file import has_chatgpt_login
from addons.adapters.system.files import CachedFile, FileAccessError
from addons.core.codex.catalog import account_entries
from addons.core.codex.features import ENABLE
from addons.core.codex.picker import DESKTOP_ROWS, PickerRow, picker_rows
from addons.core.routes import RouteTable
from shim_cli.doctor.finding import CheckResult, DoctorContext, Finding


def picker_findings(context: DoctorContext) -> list[Finding]:
    """Check the catalog that Codex reads, then each model."""
    sources = context.sources
    if isinstance(sources, str):
        return [Finding("Picker", "FAIL", sources, "codex-shim doctor")]
    login = has_chatgpt_login(context.env)
    catalog = _catalog(context)
    found = [Finding("What Codex reads", *each) for each in _config(context, catalog, login=login)]
    shown = [] if isinstance(catalog, str) else list(picker_rows(catalog, chatgpt_login=login))
    models = [Finding("Models", *_entry(each)) for each in shown]
    written = {each.slug for each in shown}
    models += [Finding("Models", *each) for each in _missing(context, sources.table(), written)]
    return [*found, *models]


def _catalog(context: DoctorContext) -> list[dict[str, object]] | str:
    """Return the entries of the catalog that Codex reads when the shim is enabled, or why there are none."""
    path = context.config.catalog or context.catalog
    try:
        data = CachedFile(path).read()
    except FileAccessError as error:
        return str(error)
    if data is None:
        return f"{path} does not exist"
    read = account_entries(data)
    return f"{path}: {read.problem}" if read.problem else [dict(entry) for entry in read.entries]


def _config(
    context: DoctorContext, catalog: list[dict[str, object]] | str, *, login: bool
) -> Iterator[CheckResult]:
    path = context.config.catalog
    if path is None:
        yield (
            "WARN",
            "Codex's config does not name the shim's catalog: the picker shows Codex's own models",
            ENABLE,
        )
    else:
        yield "OK", f"{context.config.path} names {path}"
    if isinstance(catalog, str):
        yield "FAIL" if path else "WARN", catalog, context.write_catalog
    yield "INFO", f"Codex has {'a' if login else 'no'} ChatGPT login"


def _entry(each: PickerRow) -> CheckResult:
    if each.position is None:
        return "INFO", f"{each.slug} is hidden: {each.hidden_by}"
    if each.position > DESKTOP_ROWS:
        late = f"{each.slug} is at position {each.position}, but Desktop loads only the first {DESKTOP_ROWS}"
        return "WARN", late, "codex-shim list"
    return "OK", f"{each.slug} is shown at position {each.position}"


def _missing(context: DoctorContext, table: RouteTable, written: set[str]) -> Iterator[CheckResult]:
    for route in table.routes.values():
        if route.slug in written:
            continue
        if not route.live:
            yield "INFO", f"{route.slug} is hidden: {route.unavailable_reason}"
        elif reason := context.refused.get(route.slug):
            yield "WARN", f"{route.slug} is hidden: {reason}", UPDATE
        else:
            yield (
                "WARN",
                f"{route.slug} is hidden: it is not in the catalog yet",
                context.write_catalog,
            )
