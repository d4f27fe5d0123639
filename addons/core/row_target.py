"""From the checked fields of a row to what its turns need: target, keys, or the one field that is wrong.

Never does: read a variable or a file. Invariant: a header that looks like a key is a secret and stands in no target;
one name is sent once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import get_args
from urllib.parse import urlencode

from addons.core.credential import Origin, Secret
from addons.core.endpoints import Endpoint, EndpointError, Rules, Versioning, composed, verbatim
from addons.core.headers import HOP_BY_HOP, Headers, bad_header
from addons.core.key_places import (
    AuthForm,
    CommandKey,
    EnvKey,
    FileKey,
    InlineKey,
    KeyPlace,
    KeySlot,
    looks_secret,
)
from addons.core.model_row import ModelRow
from addons.core.presets import (
    GENERIC,
    LOCAL_MARKS,
    NOT_OURS,
    Preset,
    family_of,
    is_host_of,
    preset_of,
)
from addons.core.profiles import context_of, profile_of
from addons.core.row_fields import FieldProblem, RowFields
from addons.core.target import EffortStyle, Profile, Target

DISABLED = 'It is switched off: "enabled" is false in its row.'
SHIM_SETS = HOP_BY_HOP | {b"host", b"content-length", b"content-type", b"accept-encoding"}
"""Headers that frame the request or decide how its answer is read: ours alone."""
THINKING_OFF = frozenset({"disabled", "off", "none", "false", "no"})
THINKING_ON = frozenset({"enabled", "on", "auto", "true", "yes", "default"})

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STYLES: frozenset[str] = frozenset(get_args(EffortStyle))


class _WrongFieldError(Exception):
    def __init__(self, problem: FieldProblem) -> None:
        super().__init__(problem.field)
        self.problem = problem


def row_of(fields: RowFields, slug: str, rules: Rules) -> ModelRow | FieldProblem:
    """Give the row with its target, or the field that keeps it from having one."""
    row = ModelRow(
        slug=slug,
        display_name=fields.display_name or fields.model,
        provider=fields.provider,
        model=fields.model,
        fallback=tuple(fields.fallback),
        default_verbosity=fields.model_verbosity,
        price=fields.price,
        hidden_because="" if fields.enabled else DISABLED,
    )
    try:
        return _complete(row, fields, rules)
    except _WrongFieldError as wrong:
        return wrong.problem


def _complete(row: ModelRow, fields: RowFields, rules: Rules) -> ModelRow:
    if not row.slug.isprintable() or " " in row.slug:
        raise _WrongFieldError(FieldProblem("slug", "it must be one word of printable characters"))
    preset = _preset(fields)
    endpoint = _endpoint(fields, preset, rules)
    headers, secret_headers = _headers(fields)
    taken = {slot.form.header for slot in secret_headers}
    key = () if preset.auth.header in taken else _key(fields, preset, endpoint)
    profile = profile_of(_family(preset, endpoint), fields.model, preset.dialect)
    target = Target(
        slug=row.slug,
        display_name=row.display_name,
        provider=row.provider,
        model=row.model,
        dialect=preset.dialect,
        origin=endpoint.origin,
        path=endpoint.path,
        headers=headers,
        extra_body=dict(fields.extra_body_params),
        profile=_adjusted(profile, fields),
        context_tokens=fields.max_context_limit or context_of(fields.model),
        max_output_tokens=fields.max_output_tokens,
        images=not fields.no_image_support,
    )
    return replace(row, target=target, keys=(*key, *secret_headers))


def _preset(fields: RowFields) -> Preset:
    word = fields.provider.lower()
    if word in NOT_OURS:
        reason = f"{word} models need no row: they come from your login"
        raise _WrongFieldError(FieldProblem("provider", reason))
    preset = preset_of(word)
    address = (fields.endpoint_url or fields.base_url or "").lower()
    if preset.name in {GENERIC, "openai"} and any(mark in address for mark in LOCAL_MARKS):
        return preset_of("ollama")
    return preset


def _family(preset: Preset, endpoint: Endpoint) -> str:
    return family_of(preset.name, endpoint.origin.host)


def _endpoint(fields: RowFields, preset: Preset, rules: Rules) -> Endpoint:
    rules = replace(rules, allow_http=fields.allow_http)
    field = "endpoint_url" if fields.endpoint_url else "base_url"
    base = fields.base_url or preset.base_url
    if not fields.endpoint_url and not base:
        reason = f"it is required: {preset.name} says no address of its own"
        raise _WrongFieldError(FieldProblem(field, reason))
    query = urlencode({"api-version": fields.api_version}) if fields.api_version else ""
    versioning = Versioning(preset.version_segment, fields.base_url_append_v1)
    try:
        if fields.endpoint_url:
            return verbatim(fields.endpoint_url, rules)
        return composed(base, preset.dialect, versioning, rules, query)
    except EndpointError as error:
        raise _WrongFieldError(FieldProblem(field, str(error))) from None


def _key(fields: RowFields, preset: Preset, endpoint: Endpoint) -> tuple[KeySlot, ...]:
    """The row's key: the first of the ways in which it names one, else the provider's own variable."""
    for field, place in _places(fields):
        if isinstance(place, EnvKey):
            _require_variable(field, place.variables[0])
        return (KeySlot(preset.auth, place, field),)
    if not preset.key_env or not _is_at_home(preset, endpoint.origin):
        return ()
    place = EnvKey(preset.key_env)
    return (KeySlot(preset.auth, place, "api_key_env", required=preset.needs_key),)


def _is_at_home(preset: Preset, origin: Origin) -> bool:
    """Whether an address is the provider's own: nobody else gets a key that the row does not name."""
    home = preset.base_url and Origin.of(preset.base_url) == origin
    return bool(home) or (origin.scheme == "https" and is_host_of(preset, origin.host))


def _require_variable(field: str, name: str) -> None:
    if not _VARIABLE.fullmatch(name):
        # what stands there may be the key itself, so it is not quoted
        raise _WrongFieldError(
            FieldProblem(field, "it must be the name of an environment variable")
        )


def _places(fields: RowFields) -> Iterator[tuple[str, KeyPlace]]:
    if fields.api_key:
        yield "api_key", fields.api_key
    if fields.api_key_env:
        yield "api_key_env", EnvKey((fields.api_key_env,))
    if fields.api_key_file:
        yield "api_key_file", FileKey(fields.api_key_file)
    if fields.auth_command:
        argv = (*fields.auth_command, *fields.auth_args)
        yield "auth_command", CommandKey(argv, fields.auth_ttl_seconds)


def _headers(fields: RowFields) -> tuple[Headers, tuple[KeySlot, ...]]:
    """Plain headers, and those that carry keys. What comes from the environment counts as a key."""
    plain: list[tuple[bytes, bytes]] = []
    secret: list[KeySlot] = []
    for name, value in fields.extra_headers.items():
        header = _checked("extra_headers", name, value)
        if looks_secret(name):
            form = AuthForm(header[0].lower())
            secret.append(KeySlot(form, InlineKey(Secret(header[1])), f"extra_headers.{name}"))
        else:
            plain.append(header)
    for name, variable in fields.env_http_headers.items():
        _require_variable(f"env_http_headers.{ascii(name)[1:-1]}", variable)
        form = AuthForm(_checked("env_http_headers", name, "")[0].lower())
        field = f"env_http_headers.{name}"
        secret.append(KeySlot(form, EnvKey((variable,)), field, required=False))
    return tuple(plain), tuple(secret)


def _checked(field: str, name: str, value: str) -> tuple[bytes, bytes]:
    try:
        header = (name.strip().encode("ascii"), value.strip().encode("latin-1"))
    except UnicodeEncodeError:
        header = (b"", b"")
    shown = ascii(name)[1:-1][:60]
    if bad_header((header,)) is not None:
        reason = "an odd name, or a control character in its value"
        raise _WrongFieldError(FieldProblem(f"{field}.{shown}", reason))
    if header[0].lower() in SHIM_SETS:
        raise _WrongFieldError(
            FieldProblem(f"{field}.{shown}", "codex-shim sets this header itself")
        )
    return header


def _adjusted(profile: Profile, fields: RowFields) -> Profile:
    """The profile as the row changes it."""
    if fields.model_verbosity:
        profile = replace(profile, verbosity=True)
    if fields.thinking is None:
        return profile
    word = str(fields.thinking).lower()
    if word in THINKING_OFF:
        return replace(profile, effort_style="none")
    style = _style(word)
    if style:
        return replace(profile, effort_style=style)
    if word in THINKING_ON:
        return profile
    known = ", ".join(sorted({"enabled", "disabled"} | _STYLES))
    raise _WrongFieldError(FieldProblem("thinking", f"it must be one of {known}"))


def _style(word: str) -> EffortStyle | None:
    styles: Mapping[str, EffortStyle] = {style: style for style in get_args(EffortStyle)}
    return styles.get(word)
