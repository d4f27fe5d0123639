"""Codex's config.toml: does it use the shim, does that lead to one that lives, and what have others left there?

Never does: write it, show a value that may hold a key.
"""

from __future__ import annotations

from collections.abc import Iterator

from addons.core.catalog import problems_of
from addons.core.codex_provider import TOKEN_HEADER
from addons.origins.files import CachedFile, FileAccessError
from addons.origins.paths import catalog_file, home
from shim_cli.codex_config import CodexConfig, Provider, loopback_origins
from shim_cli.defaults import PROVIDER_ID, serve_command
from shim_cli.doctor.finding import Found, Subject
from shim_cli.health import admits, listens, probe
from shim_cli.older_shims import older_folders
from shim_cli.processes import is_another_users

OLDER = "codex-shim disable --older"
LOGIN_KEYS = ("env_key", "experimental_bearer_token", "auth")
"""With one of these Codex sends that alone, and the user's own login not at all (Codex 0.169)."""


def wiring(subject: Subject) -> Iterator[Found]:
    """Look at the whole file."""
    config = subject.config
    edit = subject.shell.edit(str(config.path))
    if config.problem:
        yield "FAIL", f"{config.path}: {config.problem}: Codex does not start with it", edit
        return
    if not config.exists:
        yield "INFO", f"{config.path} does not exist: Codex does not use the shim"
    else:
        if config.profile:
            legacy = f"it chooses the profile {config.profile!r}: Codex 0.169 and newer does not start with that line"
            yield "WARN", f"{config.path}: {legacy}", edit
        yield from _chosen(subject, config)
        yield from _catalog(subject, config)
        yield from _dead_routes(subject, config)
    yield from _leftovers(subject, config)


def _chosen(subject: Subject, config: CodexConfig) -> Iterator[Found]:
    provider = config.provider
    edit = subject.shell.edit(str(config.path))
    if not provider or not provider.origin or not provider.origin.is_loopback:
        yield (
            "INFO",
            f"{config.path}: Codex does not use the shim: model_provider is {config.provider_key}",
        )
        if _goes_past_us(config):
            reason = "with a ChatGPT login Codex does not follow openai_base_url: name a provider"
            yield "WARN", f"{config.path}: {reason}", edit
        return
    yield from _target(provider, config)
    for reason in _provider_faults(provider):
        yield "FAIL", f"{config.path}: {reason}", edit
    for key in LOGIN_KEYS:
        if key in provider.table:
            lost = f"model_providers.{provider.key}.{key} keeps your ChatGPT login from the shim"
            yield "WARN", f"{config.path}: {lost}", edit
    yield from _model(subject, config)


def _goes_past_us(config: CodexConfig) -> bool:
    return any(key == "openai_base_url" for key, _ in loopback_origins(config))


def _target(provider: Provider, config: CodexConfig) -> Iterator[Found]:
    origin = provider.origin
    if origin is None:
        return
    health = probe(origin.port)
    if health.state == "running" and not _is_admitted(provider, health.url, origin.port):
        refused = (
            f"the shim at {origin} refuses the local token that stands here: every turn would fail"
        )
        yield "FAIL", f"{config.path}: {refused}", "codex-shim enable"
    elif health.state == "running":
        yield "OK", f"{config.path}: Codex uses the shim at {origin}"
    elif provider.key == PROVIDER_ID:
        state = "nothing listens there" if health.state == "stopped" else health.reason
        dead = f"Codex uses the shim at {origin}, and {state}: Codex would wait for ever"
        yield "FAIL", f"{config.path}: {dead}", serve_command(origin.port)
    else:
        yield "INFO", f"{config.path}: Codex uses {provider.key} at {origin}, which is no shim"


def _is_admitted(provider: Provider, url: str, port: int) -> bool:
    """Whether turns would be let in, with the token that Codex sends. Another process's environment is not known."""
    if provider.table.get("env_http_headers") or is_another_users(port):
        return True
    headers = provider.table.get("http_headers")
    token = headers.get(TOKEN_HEADER, "") if isinstance(headers, dict) else ""
    return admits(url, str(token))


def _provider_faults(provider: Provider) -> Iterator[str]:
    where = f"model_providers.{provider.key}"
    if provider.table.get("name") == "OpenAI":
        yield f'{where}.name must not be "OpenAI": Codex would treat the shim as OpenAI\'s own server'
    if provider.table.get("wire_api") not in {None, "responses"}:
        yield f'{where}.wire_api must be "responses": Codex does not start with another'


def _model(subject: Subject, config: CodexConfig) -> Iterator[Found]:
    sources = subject.sources
    if config.provider_key != PROVIDER_ID or isinstance(sources, str) or not config.model:
        return
    route = sources.table().resolve(config.model)
    if not route:
        yield "WARN", f"{config.path}: the shim knows no model {config.model!r}", "codex-shim list"
    elif not route.live:
        hidden = f"the model {config.model!r} is not offered: {route.hidden_because}"
        yield "WARN", f"{config.path}: {hidden}", "codex-shim list --all"
    else:
        yield "OK", f"{config.path}: the model is {config.model}, by {route.provider}"


def _catalog(subject: Subject, config: CodexConfig) -> Iterator[Found]:
    path = config.catalog
    if path is None:
        if config.provider_key == PROVIDER_ID:
            missing = "model_catalog_json is not set, so the picker shows none of the shim's models"
            yield "WARN", f"{config.path}: {missing}", subject.shell.edit(str(config.path))
        return
    if path == catalog_file(subject.env):
        return  # the Catalog section looks at it
    try:
        data = CachedFile(path).read()
    except FileAccessError as error:
        yield "FAIL", f"{config.path}: model_catalog_json: {error}", subject.shell.show(str(path))
        return
    edit = subject.shell.edit(str(config.path))
    if data is None:
        gone = f"model_catalog_json names {path}, which does not exist: Codex does not start"
        yield "FAIL", f"{config.path}: {gone}", edit
    elif problems := problems_of(_parsed(data)):
        yield "FAIL", f"{path}: {problems[0]}: Codex does not start with it", edit
    else:
        yield "INFO", f"{config.path}: model_catalog_json names {path}, which is not ours"


def _parsed(data: bytes) -> object:
    import orjson  # noqa: PLC0415

    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def _dead_routes(subject: Subject, config: CodexConfig) -> Iterator[Found]:
    """What else points at this machine where nobody listens."""
    for key, origin in loopback_origins(config):
        chosen = key == f"model_providers.{config.provider_key}.base_url"
        if not (chosen and config.provider_key == PROVIDER_ID) and not listens(origin.port):
            dead = f"{config.path}: {key} leads to {origin}, where nothing listens"
            level = "FAIL" if chosen else "INFO"
            if level == "FAIL":
                yield (
                    "FAIL",
                    f"{dead}: Codex would wait for ever",
                    subject.shell.edit(str(config.path)),
                )
            else:
                yield "INFO", dead


def _leftovers(subject: Subject, config: CodexConfig) -> Iterator[Found]:
    for line in config.older_blocks:
        block = f"{config.path}: line {line}: a block that an older shim wrote"
        yield "WARN", block, OLDER
    for folder in older_folders(subject.cwd, config.catalog, home(subject.env)):
        yield "INFO", f"{folder} was left by an older shim: nothing here reads it"
