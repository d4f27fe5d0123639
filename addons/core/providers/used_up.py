"""Used-up limits: which one, and until when.

Never classifies a refusal. Invariant: the time that an upstream states comes before what its windows say.
"""

from __future__ import annotations

from addons.core.turn import Head
from addons.core.upstream.durations import retry_after_seconds
from addons.core.upstream.error_body import read_error_body
from addons.core.usage import windows_in_headers

USED_UP_PERCENT = 100.0
ACTIVE_LIMIT, LIMIT_OF_A_MODEL = b"x-codex-active-limit", b"codex_"
"""What ChatGPT counts the request against: `premium` or `codex` for the account, `codex_…` for some models."""


def has_limit_of_its_own(head: Head) -> bool:
    """Return whether a limit of the model is used up, while other models of the account go on."""
    return (head.header(ACTIVE_LIMIT) or b"").lower().startswith(LIMIT_OF_A_MODEL)


def reset_of(head: Head, body: object, now: float) -> float | None:
    """Return when the upstream will answer again, in Unix seconds: as it says, else when its used-up limits end."""
    waits = (retry_after_seconds(head.headers, now), read_error_body(body, now).wait)
    # a `retry-after` of a second may come with the reset of a week
    if stated := [now + wait for wait in waits if wait is not None]:
        return max(stated)
    windows = windows_in_headers(head.headers, now)
    ends = [each.resets_at for each in windows if each.used_percent >= USED_UP_PERCENT]
    return max((end for end in ends if end is not None), default=None)
