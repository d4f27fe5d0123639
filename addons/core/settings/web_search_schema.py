"""Checks the `web_search` section of models.json with pydantic, and makes its value.

Imported only for a file that has the section: importing pydantic costs more than the rest of `codex-shim list`. Never
quotes a value in a problem, because it may be a key. Invariant: total; a key goes to the service's own address by
default, and to another one only if the section names it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from addons.core.settings.key_refs import EnvKey, FileKey, KeyRef, SecretHeaderSpec
from addons.core.settings.near_miss import nearest
from addons.core.settings.row_schema import FieldProblem, Key, Text
from addons.core.settings.upstream_url import EndpointError, EndpointRules, verbatim_endpoint
from addons.core.settings.web_search import (
    SEARCH_SERVICES,
    SearchEndpoint,
    SearchServiceSpec,
    WebSearch,
)

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _Fields(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
        extra="forbid",
        strict=True,
    )

    service: Text | None = None
    chatgpt: bool = False
    base_url: Text | None = None
    allow_http: bool = False
    api_key: Key = None
    api_key_env: Text | None = None
    api_key_file: Text | None = None
    log_queries: bool = False


FIELDS = tuple(_Fields.model_fields)
_OF_A_SERVICE = ("base_url", "allow_http", "api_key", "api_key_env", "api_key_file")


def web_search_from(section: Mapping[str, object]) -> WebSearch | tuple[FieldProblem, ...]:
    """Return the value of a section, or its problems."""
    try:
        fields = _Fields.model_validate(section)
    except ValidationError as error:
        return tuple(_problem(each) for each in error.errors(include_url=False))
    if fields.service is None:
        return _without_service(fields)
    spec = SEARCH_SERVICES.get(fields.service.lower())
    if spec is None:
        return (FieldProblem("service", _unknown_service(fields.service)),)
    endpoint = _endpoint(fields, spec)
    if isinstance(endpoint, FieldProblem):
        return (endpoint,)
    return WebSearch(fields.chatgpt, endpoint, fields.log_queries)


def _unknown_service(name: str) -> str:
    if name.lower() == "chatgpt":
        return 'for your ChatGPT login write "chatgpt": true instead'
    near = nearest(name, SEARCH_SERVICES)
    meant = f' (did you mean "{near}"?)' if near else ""
    return f"it is one of {', '.join(SEARCH_SERVICES)}; this is none of them{meant}"


def _without_service(fields: _Fields) -> WebSearch | tuple[FieldProblem, ...]:
    named = next((name for name in _OF_A_SERVICE if name in fields.model_fields_set), None)
    if named:
        known = ", ".join(SEARCH_SERVICES)
        return (FieldProblem("service", f"{named} is that of a service: name it, one of {known}"),)
    return WebSearch(fields.chatgpt, None, fields.log_queries)


def _endpoint(fields: _Fields, spec: SearchServiceSpec) -> SearchEndpoint | FieldProblem:
    url = fields.base_url or spec.base_url
    if not url:
        reason = (
            f"it is required, such as http://127.0.0.1:8080: {spec.label} has no address of its own"
        )
        return FieldProblem("base_url", reason)
    try:
        found = verbatim_endpoint(url, EndpointRules(fields.allow_http))
    except EndpointError as error:
        reason = str(error).replace("in the row", "in web_search")
        return FieldProblem("base_url", reason)
    if "?" in found.path:
        return FieldProblem("base_url", "it must end after its path, without a query")
    key = _key(fields, spec)
    if isinstance(key, FieldProblem):
        return key
    path = urlsplit(url).path.rstrip("/").removesuffix(spec.suffix).rstrip("/")
    service = next(name for name, each in SEARCH_SERVICES.items() if each is spec)
    return SearchEndpoint(service, found.origin, path, key)


def _key(fields: _Fields, spec: SearchServiceSpec) -> SecretHeaderSpec | FieldProblem | None:
    """Return the key: the first that the section names, else the service's own variable at its own address."""
    found: tuple[str, KeyRef] | None = None
    if fields.api_key:
        found = "api_key", fields.api_key
    elif fields.api_key_env:
        if not _VARIABLE.fullmatch(fields.api_key_env):
            # the value may be the key itself, so it is not quoted
            return FieldProblem("api_key_env", "it must be the name of an environment variable")
        found = "api_key_env", EnvKey((fields.api_key_env,))
    elif fields.api_key_file:
        found = "api_key_file", FileKey(fields.api_key_file)
    elif spec.variables and fields.base_url is None:
        found = "api_key_env", EnvKey(spec.variables)
    return found and SecretHeaderSpec(spec.auth, found[1], f"web_search.{found[0]}")


def _problem(error: ErrorDetails) -> FieldProblem:
    name = str(error["loc"][0]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        near = nearest(name, FIELDS)
        meant = f' (did you mean "{near}"?)' if near else f": the fields are {', '.join(FIELDS)}"
        return FieldProblem(name, f"there is no such field{meant}")
    if error["type"] == "bool_type":
        return FieldProblem(name, "it is neither true nor false")
    reason = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    text = "it must be text" if error["type"].startswith("string") else reason
    return FieldProblem(name, text[:1].lower() + text[1:])
