"""Section "Codex config": does config.toml use a running shim, and what did earlier shims leave in it?

Never does: write the file, show a value that may contain a key.
"""

from __future__ import annotations

from collections.abc import Iterator

from addons.adapters.system.files import CachedFile, FileAccessError
from addons.adapters.system.paths import catalog_file, codex_catalog_file, home
from addons.core.codex.catalog import catalog_problems
from addons.core.codex.provider_config import PROVIDER_ID
from addons.core.headers import TOKEN_HEADER
from addons.core.routes import route_label
from shim_cli.console.command_line import command
from shim_cli.doctor.finding import CheckResult, DoctorContext
from shim_cli.state.codex_config import CodexConfig, Provider, loopback_origins
from shim_cli.state.health import accepts_token, is_listening, probe
from shim_cli.state.legacy_folders import legacy_folders
from shim_cli.state.processes import belongs_to_other_user
from shim_cli.state.run_state import read_state

DISABLE_OLDER = "codex-shim disable --older"
LOGIN_KEYS = ("env_key", "experimental_bearer_token", "auth")
"""With any of these Codex sends that credential instead of the user's login (Codex 0.169)."""


def codex_config(context: DoctorContext) -> Iterator[CheckResult]:
    """Check config.toml."""
    config = context.config
    edit = context.shell.edit(str(config.path))
    if config.problem:
        yield "FAIL", f"{config.path}: {config.problem}: Codex does not start with it", edit
        return
    if not config.exists:
        yield "INFO", f"{config.path} does not exist: Codex does not use the shim"
    else:
        if config.profile:
            profile = f"it selects the profile {config.profile!r}: Codex 0.169 and later does not start with that line"
            yield "WARN", f"{config.path}: {profile}", edit
        yield from _provider(context, config)
        yield from _catalog(context, config)
        yield from _dead_routes(context, config)
    yield from _leftovers(context, config)


def _provider(context: DoctorContext, config: CodexConfig) -> Iterator[CheckResult]:
    provider = config.provider
    edit = context.shell.edit(str(config.path))
    if not provider or not provider.origin or not provider.origin.is_loopback:
        yield (
            "INFO",
            f"{config.path}: Codex does not use the shim: model_provider is {config.provider_key}",
        )
        if _bypasses_shim(config):
            reason = "with a ChatGPT login Codex ignores openai_base_url: set model_provider"
            yield "WARN", f"{config.path}: {reason}", edit
        return
    yield from _target(context, provider, config)
    for reason in _provider_faults(provider):
        yield "FAIL", f"{config.path}: {reason}", edit
    for key in LOGIN_KEYS:
        if key in provider.table:
            hidden = f"model_providers.{provider.key}.{key} makes Codex withhold your ChatGPT login from the shim"
            yield "WARN", f"{config.path}: {hidden}", edit
    yield from _model(context, config)


def _bypasses_shim(config: CodexConfig) -> bool:
    return any(key == "openai_base_url" for key, _ in loopback_origins(config))


def _target(
    context: DoctorContext, provider: Provider, config: CodexConfig
) -> Iterator[CheckResult]:
    origin = provider.origin
    if origin is None:
        return
    health = probe(origin.port)
    if health.state == "running" and not _accepts_token(provider, health.url, origin.port):
        rejected = (
            f"the shim at {origin} rejects the local token in this file: every turn would fail"
        )
        yield "FAIL", f"{config.path}: {rejected}", "codex-shim enable"
    elif health.state == "running":
        yield "OK", f"{config.path}: Codex uses the shim at {origin}"
    elif provider.key == PROVIDER_ID:
        state = "nothing listens there" if health.state == "stopped" else health.reason
        dead = f"Codex uses the shim at {origin}, but {state}: turns would hang"
        yield "FAIL", f"{config.path}: {dead}", _revival(context, origin.port)
    else:
        yield "INFO", f"{config.path}: Codex uses {provider.key} at {origin}, which is not a shim"


def _revival(context: DoctorContext, port: int) -> str:
    """Return the command after which the shim of config.toml answers: on its port, or on that of a running shim."""
    if port != context.port and probe(context.port).state == "running":
        return command("enable", context.port)
    state = read_state(context.env, port)
    is_hung = state is not None and state.is_alive
    return command("restart --force" if is_hung else "start", port)


def _accepts_token(provider: Provider, url: str, port: int) -> bool:
    """Return whether the shim accepts the token that Codex sends; True if the token comes from the environment."""
    if provider.table.get("env_http_headers") or belongs_to_other_user(port):
        return True
    headers = provider.table.get("http_headers")
    token = headers.get(TOKEN_HEADER, "") if isinstance(headers, dict) else ""
    return accepts_token(url, str(token))


def _provider_faults(provider: Provider) -> Iterator[str]:
    where = f"model_providers.{provider.key}"
    if provider.table.get("name") == "OpenAI":
        yield f'{where}.name must not be "OpenAI": Codex would treat the shim as OpenAI\'s own server'
    if provider.table.get("wire_api") not in {None, "responses"}:
        yield f'{where}.wire_api must be "responses": Codex does not start with another value'


def _model(context: DoctorContext, config: CodexConfig) -> Iterator[CheckResult]:
    sources = context.sources
    if config.provider_key != PROVIDER_ID or isinstance(sources, str) or not config.model:
        return
    route = sources.table().resolve(config.model)
    if not route:
        yield "WARN", f"{config.path}: the shim has no model {config.model!r}", "codex-shim list"
    elif not route.live:
        hidden = f"the model {config.model!r} is not available: {route.unavailable_reason}"
        yield "WARN", f"{config.path}: {hidden}", "codex-shim list --all"
    else:
        yield "OK", f"{config.path}: the model is {config.model}, answered by {route_label(route)}"


def _catalog(context: DoctorContext, config: CodexConfig) -> Iterator[CheckResult]:
    path = config.catalog
    if path is None:
        if config.provider_key == PROVIDER_ID:
            missing = "model_catalog_json is not set: the picker shows no models of the shim"
            yield "WARN", f"{config.path}: {missing}", context.shell.edit(str(config.path))
        return
    if path in (catalog_file(context.env), codex_catalog_file(context.env)):
        return  # checked by the section "Catalog"
    try:
        data = CachedFile(path).read()
    except FileAccessError as error:
        yield "FAIL", f"{config.path}: model_catalog_json: {error}", context.shell.show(str(path))
        return
    edit = context.shell.edit(str(config.path))
    if data is None:
        gone = f"model_catalog_json names {path}, which does not exist: Codex does not start"
        yield "FAIL", f"{config.path}: {gone}", edit
    elif problems := catalog_problems(_parsed(data)):
        yield "FAIL", f"{path}: {problems[0]}: Codex does not start with it", edit
    else:
        yield (
            "INFO",
            f"{config.path}: model_catalog_json names {path}, which codex-shim did not write",
        )


def _parsed(data: bytes) -> object:
    import orjson  # noqa: PLC0415

    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def _dead_routes(context: DoctorContext, config: CodexConfig) -> Iterator[CheckResult]:
    """Yield settings that point at a port of this machine on which nothing listens."""
    for key, origin in loopback_origins(config):
        is_selected = key == f"model_providers.{config.provider_key}.base_url"
        if not (is_selected and config.provider_key == PROVIDER_ID) and not is_listening(
            origin.port
        ):
            dead = f"{config.path}: {key} points to {origin}, where nothing listens"
            if is_selected:
                yield "FAIL", f"{dead}: turns would hang", context.shell.edit(str(config.path))
            else:
                yield "INFO", dead


def _leftovers(context: DoctorContext, config: CodexConfig) -> Iterator[CheckResult]:
    for line in config.older_blocks:
        block = f"{config.path}: line {line}: a block of an older shim"
        yield "WARN", block, DISABLE_OLDER
    for folder in legacy_folders(context.cwd, config.catalog, home(context.env)):
        yield "INFO", f"{folder} was left by an older shim; codex-shim does not read it"
