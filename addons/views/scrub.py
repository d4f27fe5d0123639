"""Replace secrets in free text: keys, tokens, e-mail addresses, home folders.

For text of unknown structure. Structured data is masked by an allow-list (`masking`); this is the second line of
defense and the final check. Invariant: idempotent; `found` finds nothing in the result of `scrubbed`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MIN_SECRET_LENGTH = 6
"""A shorter known secret would match in any text."""

WORD_START = r"(?:\b|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{4}))"
RUN_START = r"(?:(?<![\w+/-])|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{4}))"
"""Where a match may begin. An escape such as `\\n` in JSON text ends in a letter, so a match may also begin behind it."""

PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("private key", r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?s:.{0,20000}?)(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)"),
        ("jwt", WORD_START+r"eyJ[\w-]{6,}(?:\.[\w-]+)*"),
        ("bearer", r"(?i)"+WORD_START+r"(?:bearer|basic|token)[ \t]+[\w.~+/-]{8,}=*"),
        ("password", r"(?i)"+WORD_START+r"[\w-]{0,40}(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|credential)[\w-]{0,20}[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?(?!<|(?:null|true|false|none)\b)(?=[\d.+-]{0,40}[^\s\"'<>,;&\d.+-])[^\s\"'<>,;&]{4,}"),
        ("cookie", r"(?i)"+WORD_START+r"(?:session|sessionid|sid|csrf\w{0,10})=(?!<)[^\s\"'<>,;&]{6,}"),
        ("cookie", r"(?i)"+WORD_START+r"(?:set-)?cookie[\"']?[ \t]{0,4}[:=][ \t]{0,4}(?!<)[^\r\n]+"),
        ("login in a URL", r"(?i)"+WORD_START+r"[a-z][a-z0-9+.-]{1,20}://[^\s/@:]{1,200}:[^\s/@]{1,200}@"),
        ("api key", WORD_START+r"(?:sk|pk|rk|gsk|xai|nvapi|fw|pplx|r8|hf|gh[oprsu]|github_pat|glpat|xox[a-z]|npm|pypi)[-_][\w-]{8,}"),
        ("google key", WORD_START+r"AIza[\w-]{20,}"),
        ("aws key", WORD_START+r"(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ABIA|ACCA)[A-Z0-9]{12,}"),
        ("e-mail", r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"),
        ("home folder", r"(?i)(?:/(?:home|users)/|[a-z]:\\{1,8}users\\{1,8})(?!<)[^\s/\\\"'<>:,;]+"),
        ("opaque", RUN_START+r"(?![\w-]{8}-[\w-]{4}-[\w-]{4}-[\w-]{4}-[\w-]{12}(?![\w+/-]))(?=[\w+/-]{0,200}\d)(?=[\w+/-]{0,200}[A-Za-z])[\w+-]{32,}(?:/[\w+/-]*)?={0,2}"),
        ("opaque", RUN_START+r"(?=[\w+/]{0,40}\d)(?=[\w+/]{0,40}[a-z])(?=[\w+/]{0,40}[A-Z])[A-Za-z0-9+/]{40}(?![\w+/])"),
    )
)  # fmt: skip


def scrubbed(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text with each secret replaced by its kind. `secrets` are known values, replaced everywhere."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= MIN_SECRET_LENGTH:
            text = text.replace(secret, "<secret>")
    # Repeat: a key can become visible only after the key right before it was replaced.
    while (replaced := _replaced_once(text)) != text:
        text = replaced
    return text


def _replaced_once(text: str) -> str:
    for kind, pattern in PATTERNS:
        text = pattern.sub(f"<{kind}>", text)
    return text


def found(text: str, secrets: Iterable[str] = ()) -> list[str]:
    """Return the kinds of secrets in a text, never the secrets themselves."""
    known = [secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH and secret in text]
    kinds = [kind for kind, pattern in PATTERNS if pattern.search(text)]
    return [*(["a secret of this machine"] if known else []), *dict.fromkeys(kinds)]


def scrubbed_value(value: object, secrets: Iterable[str] = ()) -> object:
    """Return a JSON value with all of its strings scrubbed, the names of members included."""
    if isinstance(value, str):
        return scrubbed(value, secrets)
    if isinstance(value, dict):
        return {
            scrubbed(str(key), secrets): scrubbed_value(each, secrets)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [scrubbed_value(each, secrets) for each in value]
    return value
