"""Section "Codex features": which of Codex's own features work with the block in config.toml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from addons.adapters.codex.activate import uses_api_key, uses_chatgpt_login
from addons.core.codex.features import ENABLE, features, grouped, login_change
from addons.core.codex.provider_config import PROVIDER_ID, Values
from shim_cli.doctor.finding import CheckResult, DoctorContext


def _change(block: Values, env: Mapping[str, str]) -> str:
    return login_change(block, chatgpt_login=uses_chatgpt_login(env), api_key=uses_api_key(env))


def codex_features(context: DoctorContext) -> Iterator[CheckResult]:
    """Check the block, if Codex uses it."""
    config = context.config
    if config.provider is None or config.provider.key != PROVIDER_ID:
        return
    block = config.provider.table
    if change := _change(block, context.env):
        yield "WARN", f"{config.path}: {change}", ENABLE
    for each in grouped(features(block)):
        if each.is_on:
            yield "OK", f"on: {each.name}"
        else:
            yield "INFO", f"off: {each.name}: {each.reason}"
