"""Rate-limit windows in headers and events: every spelling in use, and arbitrary input."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.usage import (
    MAX_WINDOWS,
    Window,
    number,
    windows_in_event,
    windows_in_headers,
)

NOW = 1_800_000_000.0


def test_codex_headers() -> None:
    head = (
        (b"X-Codex-Primary-Used-Percent", b"42.5"),
        (b"x-codex-primary-window-minutes", b"300"),
        (b"x-codex-primary-reset-at", b"1800000600"),
        (b"x-codex-secondary-used-percent", b"7"),
        (b"x-codex-secondary-reset-after-seconds", b"60"),
        (b"x-spark-primary-used-percent", b"1"),
        (b"x-codex-credits-balance", b"5"),
        (b"x-codex-primary-window-minutes-x", b"5"),
    )
    assert windows_in_headers(head, NOW) == [
        Window("primary", 42.5, 300, 1_800_000_600.0),
        Window("secondary", 7.0, None, NOW + 60),
        Window("spark primary", 1.0, None, None),
    ]


def test_rate_limit_headers_of_providers() -> None:
    head = (
        (b"x-ratelimit-limit-requests", b"200"),
        (b"x-ratelimit-remaining-requests", b"150"),
        (b"x-ratelimit-reset-requests", b"6m0.5s"),
        (b"anthropic-ratelimit-input-tokens-limit", b"1000"),
        (b"anthropic-ratelimit-input-tokens-remaining", b"0"),
        (b"anthropic-ratelimit-input-tokens-reset", b"2027-01-15T08:00:10Z"),
        (b"x-ratelimit-limit-tokens", b"0"),
        (b"x-ratelimit-remaining-tokens", b"0"),
    )
    assert windows_in_headers(head, NOW) == [
        Window("requests", 25.0, None, NOW + 360.5),
        Window("input-tokens", 100.0, None, NOW + 10),
    ]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (b"90", NOW + 90),
        (b"0", NOW),
        (b"1800000600", 1_800_000_600.0),
        (b"900000001", 900_000_001.0),
        (b"900000000", NOW + 900_000_000),
        (b"250ms", NOW + 0.25),
        (b"1.5s", NOW + 1.5),
        (b"2m", NOW + 120),
        (b"2h", NOW + 7200),
        (b"1d", NOW + 86_400),
        (b"1d2h3m4s", NOW + 93_784),
        (b"2027-01-15T08:00:10+00:00", NOW + 10),
        (b"soon", None),
        (b"5 apples", None),
        (b"", None),
    ],
)
def test_reset_time_in_each_format(text: bytes, at: float | None) -> None:
    head = (
        (b"x-ratelimit-limit-tokens", b"300"),
        (b"x-ratelimit-remaining-tokens", b"200"),
        (b"x-ratelimit-reset-tokens", text),
    )
    [window] = windows_in_headers(head, NOW)
    assert (window.name, window.used_percent) == ("tokens", 33.3)
    assert window.resets_at == (None if at is None else pytest.approx(at, abs=0.001))


@pytest.mark.parametrize(
    ("limit", "left", "used"), [(b"10", b"10", 0.0), (b"10", b"12", 0.0), (b"10", b"-5", 100.0)]
)
def test_used_percent_is_between_0_and_100(limit: bytes, left: bytes, used: float) -> None:
    names = (
        b"anthropic-ratelimit-output-tokens-limit",
        b"anthropic-ratelimit-output-tokens-remaining",
    )
    [window] = windows_in_headers(tuple(zip(names, (limit, left), strict=True)), NOW)
    assert window == Window("output-tokens", used)


def test_number_of_windows_is_limited() -> None:
    head = tuple((b"x-f%d-primary-used-percent" % n, b"1") for n in range(MAX_WINDOWS + 1))
    assert len(windows_in_headers(head, NOW)) == MAX_WINDOWS


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3.0),
        ("4.5", 4.5),
        (-1, -1.0),
        (True, None),
        ("x", None),
        ("nan", None),
        (1e12, None),
        (-1e12, None),
        (1e12 - 1, 1e12 - 1),
        (10**400, None),
        ([], None),
    ],
)
def test_number_is_read_from_numbers_and_strings(value: object, expected: float | None) -> None:
    assert number(value) == expected


def test_first_reset_field_wins() -> None:
    fields = {"used_percent": 1, "reset_at": 5, "resets_at": 6, "reset_after_seconds": 7}
    for left, at in (({}, 5.0), ({"reset_at"}, 6.0), ({"reset_at", "resets_at"}, NOW + 7)):
        event = {"primary": {name: value for name, value in fields.items() if name not in left}}
        assert windows_in_event(event, NOW) == [Window("primary", 1.0, None, at)]


def test_window_as_plain_data() -> None:
    plain = {"name": "primary", "used_percent": 1.0, "minutes": 300, "resets_at": 5.0}
    assert Window("primary", 1.0, 300, 5.0).plain() == plain


def test_rate_limits_event() -> None:
    event = {
        "type": "codex.rate_limits",
        "rate_limits": {
            "primary": {"used_percent": 3, "window_minutes": 300, "resets_at": 5},
            "secondary": None,
        },
    }
    assert windows_in_event(event, NOW) == [Window("primary", 3.0, 300, 5.0)]


NAMES = st.sampled_from(
    [
        b"x-codex-primary-used-percent",
        b"x-codex-primary-reset-at",
        b"x-ratelimit-limit-tokens",
        b"x-ratelimit-remaining-tokens",
        b"x-ratelimit-reset-tokens",
    ]
)


@given(
    st.lists(
        st.tuples(NAMES, st.binary(max_size=12) | st.sampled_from([b"inf", b"nan", b"9" * 400]))
    )
)
def test_any_headers_are_accepted(head: list[tuple[bytes, bytes]]) -> None:
    for window in windows_in_headers(tuple(head), NOW):
        assert abs(window.used_percent) < 1e12


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.dictionaries(
            st.sampled_from(["rate_limits", "primary", "used_percent"]), inner
        ),
    )
)
def test_any_event_is_accepted(event: object) -> None:
    windows_in_event(event if isinstance(event, dict) else {}, NOW)
