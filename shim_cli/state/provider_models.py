"""The live models of a row's provider, asked with the key of the row.

Never does: show a key, send it anywhere but to the origin of the row. Invariant: a list that cannot be had raises
`ServerError`, with a reason for the user.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

from addons.adapters.api_keys import KeyRing, run_command
from addons.adapters.codex.backend_models import DiscoveryError, JsonRequest
from addons.core.secrets import Secret, SecretHeader
from addons.core.settings.key_refs import CommandKey
from addons.core.settings.row import ModelRow
from addons.core.upstream.outbound_proxy import CA_FILE, proxy_for
from addons.core.upstream.target import Target
from shim_cli.state.offered_models import OfferedModel, ServerError, models_in


def provider_models(
    env: Mapping[str, str], folder: Path, row: ModelRow, target: Target
) -> list[OfferedModel]:
    """Return the models that `GET …/models` lists. `folder` is that of models.json. Raises ServerError."""
    path = target.path.partition("?")[0].removesuffix(target.protocol.spec.path_suffix)
    try:
        request = JsonRequest(
            f"{target.origin}{path}/models",
            None,
            proxy_for(target.origin, env, 0),
            env.get(CA_FILE, ""),
            _key_headers(env, folder, row, target),
            (*target.protocol.spec.headers, *target.headers),
        )
        found = models_in(json.loads(asyncio.run(request.send())))
    except DiscoveryError as error:
        raise ServerError(str(error)) from error
    except ValueError as error:
        msg = f"{target.origin} did not answer with a list of models"
        raise ServerError(msg) from error
    if not found:
        msg = f"{target.origin} lists no models"
        raise ServerError(msg)
    return found


def _key_headers(
    env: Mapping[str, str], folder: Path, row: ModelRow, target: Target
) -> tuple[SecretHeader, ...]:
    ring = KeyRing(env, folder)
    headers = []
    for spec in row.keys:
        if isinstance(spec.key, CommandKey):
            key = run_command(spec.key.argv, env, folder)
        else:
            key = ring.resolve(spec.key)
        if isinstance(key, Secret):
            scheme = spec.scheme
            headers.append(SecretHeader(scheme.header, key, target.origin, scheme.prefix))
        elif spec.required:
            raise ServerError(key.message)
    return tuple(headers)
