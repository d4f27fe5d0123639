"""The fields of one row of models.json, with every spelling that earlier shims took, checked by pydantic.

Imported only for a file with rows: importing pydantic costs more than the rest of `codex-shim list`. Never quotes a
value in a problem, because it may be a key. Invariant: keys are `Secret` as soon as they are parsed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic_core import ErrorDetails

from addons.core.secrets import Secret
from addons.core.settings.key_refs import DEFAULT_TTL_SECONDS, InlineKey, is_key
from addons.core.settings.near_miss import nearest
from addons.core.telemetry.prices import Price, parse_price

_REFERENCE = re.compile(
    r"\$[A-Z_][A-Z0-9_]*|\$env:\w+|\$\{(?:env:)?\w+\}|\{env:\w+\}|\{\{\w+\}\}|env:\w+|os\.environ/\w+|%[A-Za-z_]\w*%|<[^<>]*>"
)
"""What is no key but would be sent as one: a placeholder, or a variable as shells, OpenCode or LiteLLM write it.

Not every `$word`: a key of the user's own choice may begin like that."""


def _secret(value: object) -> object:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not is_key(value.strip()):
        msg = "it must be text of visible ASCII characters, without blanks"
        raise ValueError(msg)
    if _REFERENCE.fullmatch(value.strip()):
        msg = "it is a placeholder or names a variable; give the key itself, or the variable's name in api_key_env"
        raise ValueError(msg)
    return InlineKey(Secret(value.strip()))


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _named(name: str, *more: str) -> Any:
    """Return all names of a field: snake case, camel case, and other spellings that were in use."""
    spellings = [each for one in (name, *more) for each in (one, _camel(one))]
    return AliasChoices(*dict.fromkeys(spellings))


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Key = Annotated[InlineKey | None, BeforeValidator(_secret)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_listed)]
HeaderTexts = Mapping[str, str]


def _price(value: object) -> object:
    price = parse_price(value)
    if value is not None and price is None:
        msg = "it must be an object with input and output, and optionally cached and cache_written: US dollars per million tokens"
        raise ValueError(msg)
    return price


PriceField = Annotated[Price | None, BeforeValidator(_price)]


class RowFields(BaseModel):
    """One row with canonical field names. `addons.core.settings.row_resolver` interprets the values."""

    model_config = ConfigDict(
        frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True, extra="allow"
    )

    model: Text
    provider: Text = "generic-chat-completion-api"
    base_url: Text | None = Field(None, validation_alias=_named("base_url", "baseURL"))
    endpoint_url: Text | None = Field(
        None, validation_alias=_named("endpoint_url", "chat_completions_url", "endpointURL")
    )
    base_url_append_v1: bool | None = Field(None, validation_alias=_named("base_url_append_v1"))
    api_version: Text | None = Field(None, validation_alias=_named("api_version"))
    allow_http: bool = Field(default=False, validation_alias=_named("allow_http"))
    api_key: Key = Field(
        None, repr=False, validation_alias=_named("api_key", "bearer_token", "apikey")
    )
    api_key_env: Text | None = Field(
        None, validation_alias=_named("api_key_env", "api_key_environment")
    )
    api_key_file: Text | None = Field(None, validation_alias=_named("api_key_file"))
    auth_command: Texts = Field((), repr=False, validation_alias=_named("auth_command"))
    auth_args: tuple[str, ...] = Field((), repr=False, validation_alias=_named("auth_args"))
    auth_ttl_seconds: float = Field(
        DEFAULT_TTL_SECONDS, gt=0, le=86400, validation_alias=_named("auth_ttl_seconds")
    )
    extra_headers: HeaderTexts = Field({}, repr=False, validation_alias=_named("extra_headers"))
    env_http_headers: HeaderTexts = Field({}, validation_alias=_named("env_http_headers"))
    extra_body_params: Mapping[str, object] = Field(
        {}, repr=False, validation_alias=_named("extra_body_params", "extra_body")
    )
    display_name: Text | None = Field(None, validation_alias=_named("display_name", "name"))
    slug: Text | None = Field(None, validation_alias=_named("slug", "id"))
    description: Text | None = None
    index: int | None = None
    max_context_limit: int | None = Field(
        None,
        ge=1024,
        validation_alias=_named("max_context_limit", "context_window", "context_limit"),
    )
    max_output_tokens: int | None = Field(None, ge=1, validation_alias=_named("max_output_tokens"))
    no_image_support: bool = Field(default=False, validation_alias=_named("no_image_support"))
    enabled: bool = True
    model_verbosity: Literal["low", "medium", "high"] | None = Field(
        None, validation_alias=_named("model_verbosity")
    )
    thinking: bool | Text | None = Field(
        None, validation_alias=_named("thinking", "thinking_behavior", "thinking_mode")
    )
    fallback: Texts = ()
    vision: Text | None = None
    privacy: bool = True
    price: PriceField = None


OF_EARLIER_SHIMS = frozenset(
    {
        "args", "command", "compact_behavior", "cwd", "env", "mode", "native_transport_mode", "supports_compact",
        "timeout_seconds", "timeout", "use_native_transport", "cursor_model", "prices",
    }
)  # fmt: skip
"""Fields that existing files have and that have no meaning here."""
_IGNORED = {spelling for name in OF_EARLIER_SHIMS for spelling in (name, _camel(name))}


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """The problem of one field. Never quotes its value."""

    field: str
    reason: str


def read_row(row: Mapping[str, object]) -> RowFields | tuple[FieldProblem, ...]:
    """Return the checked fields of one row, or its problems."""
    try:
        return RowFields.model_validate(row)
    except ValidationError as error:
        return tuple(_problem(each) for each in error.errors(include_url=False))


def unknown_fields(fields: RowFields) -> tuple[str, ...]:
    """Return the names of fields without a meaning, which are mostly typing errors."""
    return tuple(sorted((fields.model_extra or {}).keys() - _IGNORED))


def misspelt_fields(row: Mapping[str, object]) -> tuple[FieldProblem, ...]:
    """Return a problem for each field that has no meaning and nearly the name of one that has."""
    unknown = sorted(row.keys() - _SPELLINGS.keys() - _IGNORED)
    found = ((name, nearest(name, _SPELLINGS)) for name in unknown)
    return tuple(
        FieldProblem(name, f'there is no such field (did you mean "{_SPELLINGS[near]}"?)')
        for name, near in found
        if near
    )


def _spellings() -> Mapping[str, str]:
    """Return every spelling of a field → its canonical name."""
    found: dict[str, str] = {}
    for name, field in RowFields.model_fields.items():
        alias = field.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else (name,)
        found |= {str(choice): name for choice in choices}
    return found


_SPELLINGS = _spellings()


_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
}
"""How pydantic's names of errors begin → what the field takes."""
_NOT_OF_KIND = ("_type", "_parsing", "_parsing_size", "_from_float")


def _problem(error: ErrorDetails) -> FieldProblem:
    field = ".".join(str(part) for part in error["loc"][:2]) or "row"
    if error["type"] == "missing":
        return FieldProblem(field, "it is required")
    kind = error["type"].partition("_")[0]
    if kind in _EXPECTED and error["type"].endswith(_NOT_OF_KIND):
        return FieldProblem(field, f"it is not {_EXPECTED[kind]}")
    reason = error["msg"].removeprefix("Value error, ")
    return FieldProblem(field, reason[:1].lower() + reason[1:])
