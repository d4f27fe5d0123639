"""Rate limits of a head are told by an event, and nothing else is."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from addons.core.headers import Headers
from addons.core.protocols.responses.websocket.rate_limits import rate_limits_event

PRIMARY: Headers = (
    (b"X-Codex-Primary-Used-Percent", b"12.5"),
    (b"x-codex-primary-window-minutes", b"300"),
    (b"x-codex-primary-reset-at", b"1796000000"),
)


def read(*fields: tuple[bytes, bytes]) -> object:
    event = rate_limits_event(fields)
    return None if event is None else orjson.loads(event)


def test_windows_and_credits_are_told_as_chatgpt_does() -> None:
    assert read(
        *PRIMARY,
        (b"x-codex-secondary-used-percent", b"3"),
        (b"x-codex-credits-has-credits", b"True"),
        (b"x-codex-credits-unlimited", b"false"),
        (b"x-codex-credits-balance", b"7"),
    ) == {
        "type": "codex.rate_limits",
        "rate_limits": {
            "primary": {"used_percent": 12.5, "window_minutes": 300, "reset_at": 1796000000},
            "secondary": {"used_percent": 3.0},
        },
        "credits": {"has_credits": True, "unlimited": False, "balance": "7"},
    }


def test_head_without_a_used_window_tells_nothing() -> None:
    assert read(*PRIMARY[1:]) is None
    assert read((b"x-codex-primary-used-percent", b"much")) is None
    assert read((b"x-ratelimit-remaining-requests", b"5")) is None


def test_incomplete_credits_are_left_out() -> None:
    assert "credits" not in str(read(*PRIMARY, (b"x-codex-credits-has-credits", b"true")))


NAMES = st.sampled_from([name for name, _ in PRIMARY] + [b"x-codex-credits-unlimited"])


@given(st.lists(st.tuples(NAMES | st.binary(max_size=10), st.binary(max_size=12))))
def test_any_head_tells_valid_json_or_nothing(fields: list[tuple[bytes, bytes]]) -> None:
    read(*fields)
