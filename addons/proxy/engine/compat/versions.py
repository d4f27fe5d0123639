"""The versions of mitmproxy that CI runs, and the sentence for every other one.

Never does: import more of mitmproxy than its version. Invariant: the range is the one in pyproject.toml.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence

from mitmproxy import version

from addons.adapters.system.packages import install_command

TESTED = ">=12.2,<12.4"
_FIRST, _BELOW = (12, 2), (12, 4)
MAX_REASONS = 3
"""How many differences are named. The rest are counted."""
_NUMBERS = re.compile(r"(\d+)\.(\d+)")


class IncompatibleMitmproxyError(Exception):
    """The installed mitmproxy cannot run the engine. The text is for the user."""


class SelfTestError(Exception):
    """A turn of the start check did not end as it should. The text names the difference."""


def is_tested(installed: str) -> bool:
    """Return whether a version lies in the tested range."""
    found = _NUMBERS.match(installed)
    return found is not None and _FIRST <= tuple(map(int, found.groups())) < _BELOW


def incompatible(
    reasons: Sequence[str], installed: str | None = None
) -> IncompatibleMitmproxyError:
    """Return the error that names the installed version, the tested ones, what differs, and what to type."""
    found = f"{version.VERSION if installed is None else installed} on Python {platform.python_version()}"
    text = f"codex-shim needs mitmproxy {TESTED} and found {found}"
    if reasons:
        more = len(reasons) - MAX_REASONS
        named = "; ".join(reasons[:MAX_REASONS]) + (f"; and {more} more" if more > 0 else "")
        text += f", where the start check failed: {named}"
    return IncompatibleMitmproxyError(
        f"{text}. Nothing was served. Install a tested version: "
        f"`{install_command(f'mitmproxy{TESTED}')}`."
    )
