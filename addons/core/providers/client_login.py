"""The login that a client sends itself: whether it may go to ChatGPT or to the API, and what it replaces or is replaced by.

Never does: read a login, bind one to an origin. Invariant: the form of the credential decides, never the state of
auth.json alone: no API key goes to ChatGPT, and no token of ChatGPT goes to the API.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from addons.core.codex.login import Login, LoginKind, LoginProblem
from addons.core.headers import Headers, canonical
from addons.core.secrets import Secret, SecretHeader

_FOR_CHATGPT = re.compile(
    rb"(?i:bearer)[ \t]+eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"
    rb"|(?i:bearer)[ \t]+at-[\x21-\x7e]+"
    rb"|(?i:agentassertion)[ \t]+[\x21-\x7e]+"
)
"""What Codex sends to ChatGPT: a JWT, a personal access token, or the signature of an agent identity."""
_FOR_API = re.compile(rb"(?i:bearer)[ \t]++(?!(?i:eyJ|at-))(?![^.]+\.[^.]+\.[^.]+\Z)[\x21-\x7e]+")
"""What Codex may send to the API: a key, and nothing that looks like a token of ChatGPT.

The blanks are possessive: given back one by one, each would have the rest scanned again.
"""
_OFF = frozenset({LoginKind.DISABLED, LoginKind.PROXY_UNUSABLE, LoginKind.API_BASE})


def is_for(authorization: Secret, *, chatgpt: bool) -> bool:
    """Return whether a client's Authorization has the form of a login for ChatGPT, or else for the API.

    No value is for both, and an API key is never for ChatGPT. An unknown form is for the API only.
    """
    return authorization.fits(_FOR_CHATGPT if chatgpt else _FOR_API)


def forbids(problem: LoginProblem, own: Sequence[SecretHeader]) -> bool:
    """Return whether the client's own credential must not replace auth.json.

    A login that is switched off stays off, and nothing is sent without a usable proxy or address. After a change of the login only
    a credential that names its account is certain to belong to this route.
    """
    return problem.kind in _OFF or (problem.kind is LoginKind.CHANGED and len(own) == 1)


def completes(own: Sequence[SecretHeader], login: Login) -> bool:
    """Return whether the client's own credential names the account that the login lacks."""
    return login.lacks_account and len(own) > 1


def headers_with(headers: Headers, login: Login | None) -> Headers:
    """Return the request headers with those of the login in place of the client's."""
    own = login.headers if login else ()
    if not own:
        return headers
    names = {name for name, _ in own}
    return (*((name, value) for name, value in headers if canonical(name) not in names), *own)
