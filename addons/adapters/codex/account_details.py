"""Details of an account that its login does not hold: the account of an access token, the region of a workspace.

OpenAI is asked for them as Codex asks, in the background. A turn that comes before the first answer is held for
`HOLD_SECONDS`: without its region it may go to the wrong server.

Never does: send a request on the request path, follow a redirect, raise, store an answer. Invariant: the owner of a token belongs to that token; the region belongs to the account, whatever its token is, so that
a refresh of the token changes neither the headers nor the origin.

Source: Codex 0.171 on loopback asks `GET {authapi}/v1/user-auth-credential/whoami` for a personal access token and
`GET {backend}/wham/accounts/check` for the region, and sends `x-openai-account-routing-override` to the origin that the
backend named.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import orjson

from addons.adapters.codex.backend_models import DiscoveryError, JsonRequest
from addons.adapters.system.paths import Env
from addons.core.codex.login import Login, LoginMethod
from addons.core.codex.routing import AccountRouting, is_part_of, read_routing, read_whoami
from addons.core.secrets import Origin
from addons.core.upstream.outbound_proxy import CA_FILE, proxy_for

log = logging.getLogger(__name__)

AUTHAPI_VARIABLE = "CODEX_AUTHAPI_BASE_URL"
"""Codex's own variable."""
AUTHAPI = "https://auth.openai.com/api/accounts"
WHOAMI = "/v1/user-auth-credential/whoami"
ACCOUNTS = "/wham/accounts/check"
HOLD_SECONDS = 5.0
"""How long a turn waits for the details of a new login, counted from the first turn that waits."""
LOOK_SECONDS = 0.05
PERSONAL_PLANS = frozenset({None, "free", "go", "plus", "pro", "prolite"})
"""Plans without a workspace, so without a region."""


@dataclass(frozen=True, slots=True)
class _Known:
    """One login as the file has it, and the same login with the details."""

    given: Login
    completed: Login


class AccountDetails:
    """The details of the login that was asked for last. `complete` costs a comparison."""

    def __init__(self, env: Env, base_url: str) -> None:
        self._env = env
        self._base = base_url
        self._known: _Known | None = None
        self._regions: dict[bytes, tuple[str, Origin | None]] = {}
        """Digest of an account id → the region and the backend that OpenAI named last."""
        self.error = ""
        """Why the last request failed; empty when it did not, or none was needed."""
        self._asked: Login | None = None
        """The login whose details were asked for last, with or without success."""
        self._held: Login | None = None
        """The login that turns wait for, or have given up."""
        self._held_until = 0.0
        """Monotonic time; 0 when given up."""

    def is_pending(self, login: Login) -> bool:
        """Return whether details that may change where a turn goes were not asked for yet."""
        if self._asked and login.same_token(self._asked):
            return False
        is_placed = login.account_id and login.account_id.digest in self._regions
        return login.lacks_account or not (login.plan_type in PERSONAL_PLANS or is_placed)

    def hold(self, login: Login) -> float:
        """Return after how many seconds a turn of this login looks again; 0 when it need not wait, or no longer."""
        if not self.is_pending(login):
            return 0.0
        now = time.monotonic()
        if self._held is None or not login.same_token(self._held):
            self._held, self._held_until = login, now + HOLD_SECONDS
        if now < self._held_until:
            return LOOK_SECONDS
        if self._held_until:
            self._held_until = 0.0
            log.warning(
                "OpenAI has not named the region of this account within %g s; turns go to the usual server until it does."
                " If they fail, check the network and restart codex-shim",
                HOLD_SECONDS,
            )
        return 0.0

    def complete(self, login: Login) -> Login:
        """Return the login with what is known of its account."""
        known = self._known
        if known is None or login is known.completed:
            return login
        if login is known.given:
            return known.completed
        completed = (
            self._by_token(login, known) if login.same_token(known.given) else self._placed(login)
        )
        self._known = _Known(login, completed) if completed is not login else known
        return completed

    async def refresh(self, login: Login) -> None:
        """Ask for what this login lacks. Never raises: `error` holds the reason."""
        try:
            await self._ask_for(login)
        except Exception:
            self._asked = login
            raise
        # not when it is cancelled, at the end of the shim: turns that wait would go to the usual server
        self._asked = login

    async def _ask_for(self, login: Login) -> None:
        self.error = ""
        found = self._placed(login)
        try:
            if found.method is LoginMethod.ACCESS_TOKEN:
                found = self._placed(await self._with_account(found))
            if found.plan_type not in PERSONAL_PLANS:
                found = await self._with_region(found)
        except (DiscoveryError, ValueError) as error:
            self.error = str(error)
        if found is not login:
            self._known = _Known(login, found)

    @staticmethod
    def _by_token(login: Login, known: _Known) -> Login:
        return replace(
            login,
            account_id=known.completed.account_id,
            plan_type=known.completed.plan_type,
            account_hint=known.completed.account_hint,
            is_fedramp=known.completed.is_fedramp,
            routing_override=known.completed.routing_override,
            backend=known.completed.backend,
        )

    def _placed(self, login: Login) -> Login:
        """Return the login with the region of its account, if OpenAI has named it before."""
        region = self._regions.get(login.account_id.digest) if login.account_id else None
        if region is None or region == (login.routing_override, login.backend):
            return login
        return replace(login, routing_override=region[0], backend=region[1])

    async def _with_account(self, login: Login) -> Login:
        base = self._env.get(AUTHAPI_VARIABLE, "").strip().rstrip("/") or AUTHAPI
        origin = Origin.of(base)
        if origin.scheme != "https" and not origin.is_loopback:
            msg = f"{AUTHAPI_VARIABLE} must be https, or http to this machine"
            raise DiscoveryError(msg)
        return read_whoami(await self._ask(base + WHOAMI, login), login)

    async def _with_region(self, login: Login) -> Login:
        url = self._base.rstrip("/").removesuffix("/codex") + ACCOUNTS
        routing = read_routing(await self._ask(url, login), login)
        backend = self._trusted(routing)
        if login.account_id:
            self._regions[login.account_id.digest] = (routing.override, backend)
        return replace(login, routing_override=routing.override, backend=backend)

    def _trusted(self, routing: AccountRouting) -> Origin | None:
        """Return the origin that the backend named, if it is one of the same service. Raises DiscoveryError."""
        own = Origin.of(self._base)
        if not routing.origin or (named := Origin.of(routing.origin)) == own:
            return None
        if is_part_of(named, own):
            return named
        msg = f"{own} named a server of this account that is not part of {own.host}, so it is not used"
        raise DiscoveryError(msg)

    async def _ask(self, url: str, login: Login) -> Mapping[str, object]:
        proxy = proxy_for(Origin.of(url), self._env, own_port=0)
        body = await JsonRequest(url, login, proxy, self._env.get(CA_FILE, "")).send()
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:
            content = None
        if not isinstance(content, dict):
            msg = f"the answer of {Origin.of(url)} is not a JSON object"
            raise DiscoveryError(msg)
        return content
