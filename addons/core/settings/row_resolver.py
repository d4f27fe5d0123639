"""The target and keys of a row, from its checked fields, or the field that is wrong.

Never reads an environment variable or a file. Invariant: a header that looks like a key is a secret and in no target;
each header name is sent once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import get_args
from urllib.parse import quote, urlencode

from addons.core.headers import HOP_BY_HOP, Headers, bad_header
from addons.core.secrets import Secret, looks_secret
from addons.core.settings.key_refs import (
    CommandKey,
    EnvKey,
    FileKey,
    InlineKey,
    KeyRef,
    SecretHeaderSpec,
)
from addons.core.settings.near_miss import nearest
from addons.core.settings.presets import (
    BY_WORD,
    GENERIC,
    LOGIN_PROVIDERS,
    OLLAMA_MARKS,
    Preset,
    family_for,
    is_own_address,
    preset_for,
)
from addons.core.settings.profiles import context_window_for, profile_for
from addons.core.settings.row import ModelRow
from addons.core.settings.row_schema import FieldProblem, RowFields
from addons.core.settings.upstream_url import (
    Endpoint,
    EndpointError,
    EndpointRules,
    Versioning,
    composed_endpoint,
    verbatim_endpoint,
)
from addons.core.upstream.api_keys import AuthScheme
from addons.core.upstream.profile import EffortStyle, Profile
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target

DISABLED = 'It is switched off: "enabled" is false in its row.'
SHIM_SETS = HOP_BY_HOP | {b"host", b"content-length", b"content-type", b"accept-encoding"}
"""Headers that frame the request or decide how its answer is read. A row cannot set them."""
PROTOCOL_OF_END = {
    "/anthropic": Protocol.MESSAGES,
    "/anthropic/v1": Protocol.MESSAGES,
    "/v1/messages": Protocol.MESSAGES,
    "/v1/responses": Protocol.RESPONSES,
}
_EFFORT = ("effort_style", "efforts")
BODY_TRAITS: Mapping[str, tuple[str, ...]] = {
    "reasoning_effort": _EFFORT,
    "reasoning": _EFFORT,
    "thinking": (*_EFFORT, "needs_own_reasoning"),
    "enable_thinking": _EFFORT,
    "chat_template_kwargs": _EFFORT,
    "max_tokens": ("max_output_tokens",),
    "max_completion_tokens": ("max_output_tokens",),
    "max_output_tokens": ("max_output_tokens",),
    "response_format": ("structured_output", "format_with_tools"),
    "tool_choice": ("tool_choice_required", "tool_choice_named", "tool_choice_none"),
}
"""Field of `extra_body_params` → the traits that could only contradict it."""
THINKING_OFF = frozenset({"disabled", "off", "none", "false", "no"})
THINKING_ON = frozenset({"enabled", "on", "auto", "true", "yes", "default"})

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STYLES: frozenset[str] = frozenset(get_args(EffortStyle))


class _WrongFieldError(Exception):
    def __init__(self, problem: FieldProblem) -> None:
        super().__init__(problem.field)
        self.problem = problem


def resolve_row(fields: RowFields, slug: str, rules: EndpointRules) -> ModelRow | FieldProblem:
    """Return the row with its target, or the field that is wrong."""
    row = ModelRow(
        slug=slug,
        display_name=fields.display_name or fields.model,
        provider=fields.provider,
        model=fields.model,
        fallback=tuple(fields.fallback),
        vision=fields.vision or "",
        privacy=fields.privacy,
        default_verbosity=fields.model_verbosity,
        description=fields.description or "",
        price=fields.price,
        states_context=fields.max_context_limit is not None,
        unavailable_reason="" if fields.enabled else DISABLED,
    )
    try:
        return _complete(row, fields, rules)
    except _WrongFieldError as wrong:
        return wrong.problem


def _complete(row: ModelRow, fields: RowFields, rules: EndpointRules) -> ModelRow:
    if not row.slug.isprintable() or " " in row.slug:
        raise _WrongFieldError(FieldProblem("slug", "it must be one word of printable characters"))
    if fields.vision and _says_images(fields) and not fields.no_image_support:
        reason = (
            'it contradicts "no_image_support": false, by which the model takes pictures itself'
        )
        raise _WrongFieldError(FieldProblem("vision", reason))
    preset = _preset(fields)
    endpoint = _endpoint(fields, preset, rules)
    headers, secret_headers = _headers(fields)
    set_by_row = {header.scheme.header for header in secret_headers}
    key = () if preset.auth.header in set_by_row else _key(fields, preset, endpoint)
    profile = profile_for(_family(preset, endpoint), fields.model, preset.protocol)
    target = Target(
        slug=row.slug,
        display_name=row.display_name,
        provider=row.provider,
        model=row.model,
        protocol=preset.protocol,
        origin=endpoint.origin,
        path=endpoint.path,
        headers=headers,
        extra_body={**preset.body, **fields.extra_body_params},
        profile=_adjusted(profile, fields),
        context_tokens=fields.max_context_limit or context_window_for(fields.model),
        max_output_tokens=fields.max_output_tokens,
        images=not (fields.no_image_support or fields.vision),
        row_fields=_row_fields(fields, set_by_row),
    )
    return replace(row, target=target, keys=(*key, *secret_headers))


def _says_images(fields: RowFields) -> bool:
    return "no_image_support" in fields.model_fields_set


def _row_fields(fields: RowFields, key_headers: set[bytes]) -> Mapping[str, str]:
    """Return which traits the row decides, and by which of its fields: no refusal changes those."""
    decided = {
        "thinking": ("effort_style", "efforts") if fields.thinking is not None else (),
        "model_verbosity": ("verbosity", "omit:verbosity") if fields.model_verbosity else (),
        "max_output_tokens": ("max_output_tokens",) if fields.max_output_tokens else (),
        "no_image_support": ("images",) if _says_images(fields) else (),
        "vision": ("images",) if fields.vision else (),
        "endpoint_url": ("protocol",) if fields.endpoint_url else (),
        "extra_headers": ("auth",) if key_headers else (),
    }
    asked = {
        f"extra_body_params.{name}": BODY_TRAITS.get(name, ())
        for name, value in fields.extra_body_params.items()
        if value is not None
    }
    return {trait: field for field, traits in (asked | decided).items() for trait in traits}


def _preset(fields: RowFields) -> Preset:
    word = fields.provider.lower()
    if word in LOGIN_PROVIDERS:
        reason = f"{word} models need no row: they come from your login"
        raise _WrongFieldError(FieldProblem("provider", reason))
    preset = preset_for(word).for_model(fields.model)
    if word not in BY_WORD and not (fields.endpoint_url or fields.base_url):
        near = nearest(word, BY_WORD)
        meant = f' (did you mean "{near}"?)' if near else ""
        reason = f"unknown provider{meant}; another server needs a base_url"
        raise _WrongFieldError(FieldProblem("provider", reason))
    address = (fields.endpoint_url or fields.base_url or "").lower()
    if preset.name in {GENERIC, "openai"} and any(mark in address for mark in OLLAMA_MARKS):
        return preset_for("ollama")
    spoken = _protocol_of(address.partition("?")[0].rstrip("/"))
    return preset.speaking(spoken) if spoken and preset.protocol is Protocol.CHAT else preset


def _protocol_of(address: str) -> Protocol | None:
    """Return the protocol that the end of an address names, as in an address copied from another program's setup."""
    ends = (end for end in PROTOCOL_OF_END if address.endswith(end))
    return next((PROTOCOL_OF_END[end] for end in ends), None)


def _family(preset: Preset, endpoint: Endpoint) -> str:
    return family_for(preset.name, endpoint.origin.host)


def _endpoint(fields: RowFields, preset: Preset, rules: EndpointRules) -> Endpoint:
    rules = replace(rules, allow_http=fields.allow_http)
    field = "endpoint_url" if fields.endpoint_url else "base_url"
    base = fields.base_url or preset.base_url
    if not fields.endpoint_url and not base:
        reason = f"it is required: {preset.name} has no address of its own"
        raise _WrongFieldError(FieldProblem(field, reason))
    query = urlencode({"api-version": fields.api_version}) if fields.api_version else ""
    path = preset.own_path.replace("{model}", quote(fields.model, safe="@-._~"))
    versioning = Versioning(preset.version_segment, fields.base_url_append_v1, path)
    try:
        if fields.endpoint_url:
            return verbatim_endpoint(fields.endpoint_url, rules)
        return composed_endpoint(base, preset.protocol, versioning, rules, query)
    except EndpointError as error:
        raise _WrongFieldError(FieldProblem(field, str(error))) from None


def _key(fields: RowFields, preset: Preset, endpoint: Endpoint) -> tuple[SecretHeaderSpec, ...]:
    """Return the row's key: the first that the row names, else the provider's own variable."""
    for field, key in _named_keys(fields):
        if isinstance(key, EnvKey):
            _require_variable(field, key.variables[0])
        return (SecretHeaderSpec(preset.auth, key, field),)
    if not preset.key_env or not is_own_address(preset, endpoint.origin):
        return ()
    key = EnvKey(preset.key_env)
    return (SecretHeaderSpec(preset.auth, key, "api_key_env", required=preset.needs_key),)


def _require_variable(field: str, name: str) -> None:
    if not _VARIABLE.fullmatch(name):
        # the value may be the key itself, so it is not quoted
        raise _WrongFieldError(
            FieldProblem(field, "it must be the name of an environment variable")
        )


def _named_keys(fields: RowFields) -> Iterator[tuple[str, KeyRef]]:
    if fields.api_key:
        yield "api_key", fields.api_key
    if fields.api_key_env:
        yield "api_key_env", EnvKey((fields.api_key_env,))
    if fields.api_key_file:
        yield "api_key_file", FileKey(fields.api_key_file)
    if fields.auth_command:
        argv = (*fields.auth_command, *fields.auth_args)
        yield "auth_command", CommandKey(argv, fields.auth_ttl_seconds)


def _headers(fields: RowFields) -> tuple[Headers, tuple[SecretHeaderSpec, ...]]:
    """Return the plain headers and those that carry keys. A value from the environment counts as a key."""
    plain: list[tuple[bytes, bytes]] = []
    secret: list[SecretHeaderSpec] = []
    for name, value in fields.extra_headers.items():
        header = _checked("extra_headers", name, value)
        if looks_secret(name):
            scheme = AuthScheme(header[0].lower())
            secret.append(
                SecretHeaderSpec(scheme, InlineKey(Secret(header[1])), f"extra_headers.{name}")
            )
        else:
            plain.append(header)
    for name, variable in fields.env_http_headers.items():
        _require_variable(f"env_http_headers.{ascii(name)[1:-1]}", variable)
        scheme = AuthScheme(_checked("env_http_headers", name, "")[0].lower())
        field = f"env_http_headers.{name}"
        secret.append(SecretHeaderSpec(scheme, EnvKey((variable,)), field, required=False))
    return tuple(plain), tuple(secret)


def _checked(field: str, name: str, value: str) -> tuple[bytes, bytes]:
    try:
        header = (name.strip().encode("ascii"), value.strip().encode("latin-1"))
    except UnicodeEncodeError:
        header = (b"", b"")
    shown = ascii(name)[1:-1][:60]
    if bad_header((header,)) is not None:
        reason = "its name is not a header name, or its value has a control character"
        raise _WrongFieldError(FieldProblem(f"{field}.{shown}", reason))
    if header[0].lower() in SHIM_SETS:
        raise _WrongFieldError(
            FieldProblem(f"{field}.{shown}", "codex-shim sets this header itself")
        )
    return header


def _adjusted(profile: Profile, fields: RowFields) -> Profile:
    """Return the profile with the changes that the row makes."""
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
