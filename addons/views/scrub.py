"""Free text without what must not be passed on: keys, tokens, e-mail addresses, home folders.

For text whose shape is not known. What has a shape is masked by construction (`masking`); this is the second line,
and the check at the end. Invariant: idempotent, and `found` finds nothing in what `scrubbed` gave.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SHORTEST_SECRET = 6
"""A shorter known secret would be found in any text."""

B = r"(?:\b|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{4}))"
C = r"(?:(?<![\w+/-])|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{4}))"
"""Where a word may begin: also right behind an escape of a JSON text, whose letter would pass for the word's own."""

PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("private key", r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?s:.{0,20000}?)(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)"),
        ("jwt", B+r"eyJ[\w-]{6,}(?:\.[\w-]+)*"),
        ("bearer", r"(?i)"+B+r"(?:bearer|basic|token)[ \t]+[\w.~+/-]{8,}=*"),
        ("password", r"(?i)"+B+r"[\w-]{0,40}(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|credential)[\w-]{0,20}[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?(?!<|(?:null|true|false|none)\b)(?=[\d.+-]{0,40}[^\s\"'<>,;&\d.+-])[^\s\"'<>,;&]{4,}"),
        ("cookie", r"(?i)"+B+r"(?:session|sessionid|sid|csrf\w{0,10})=(?!<)[^\s\"'<>,;&]{6,}"),
        ("cookie", r"(?i)"+B+r"(?:set-)?cookie[\"']?[ \t]{0,4}[:=][ \t]{0,4}(?!<)[^\r\n]+"),
        ("login in a URL", r"(?i)"+B+r"[a-z][a-z0-9+.-]{1,20}://[^\s/@:]{1,200}:[^\s/@]{1,200}@"),
        ("api key", B+r"(?:sk|pk|rk|gsk|xai|nvapi|fw|pplx|r8|hf|gh[oprsu]|github_pat|glpat|xox[a-z]|npm|pypi)[-_][\w-]{8,}"),
        ("google key", B+r"AIza[\w-]{20,}"),
        ("aws key", B+r"(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ABIA|ACCA)[A-Z0-9]{12,}"),
        ("e-mail", r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"),
        ("home folder", r"(?i)(?:/(?:home|users)/|[a-z]:\\{1,8}users\\{1,8})(?!<)[^\s/\\\"'<>:,;]+"),
        ("opaque", C+r"(?![\w-]{8}-[\w-]{4}-[\w-]{4}-[\w-]{4}-[\w-]{12}(?![\w+/-]))(?=[\w+/-]{0,200}\d)(?=[\w+/-]{0,200}[A-Za-z])[\w+-]{32,}(?:/[\w+/-]*)?={0,2}"),
        ("opaque", C+r"(?=[\w+/]{0,40}\d)(?=[\w+/]{0,40}[a-z])(?=[\w+/]{0,40}[A-Z])[A-Za-z0-9+/]{40}(?![\w+/])"),
    )
)  # fmt: skip


def scrubbed(text: str, secrets: Iterable[str] = ()) -> str:
    """The text, with a name in the place of each find. `secrets` are known ones, found wherever they stand."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "<secret>")
    for kind, pattern in PATTERNS:
        text = pattern.sub(f"<{kind}>", text)
    return text


def found(text: str, secrets: Iterable[str] = ()) -> list[str]:
    """What kinds of things the text holds that must not be passed on; never the things themselves."""
    known = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET and secret in text]
    kinds = [kind for kind, pattern in PATTERNS if pattern.search(text)]
    return [*(["a secret of this machine"] if known else []), *dict.fromkeys(kinds)]


def scrubbed_value(value: object, secrets: Iterable[str] = ()) -> object:
    """A JSON value whose every text, names of members too, is scrubbed."""
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
