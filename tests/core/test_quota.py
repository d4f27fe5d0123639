"""Quotas out of heads and events: every spelling in use, and no crash for what is none."""

from hypothesis import given
from hypothesis import strategies as st

from addons.core.quota import Window, windows_of, windows_of_event

NOW = 1_800_000_000.0


def test_the_windows_of_codex() -> None:
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
    assert windows_of(head, NOW) == [
        Window("primary", 42.5, 300, 1_800_000_600.0),
        Window("secondary", 7.0, None, NOW + 60),
        Window("spark primary", 1.0, None, None),
    ]


def test_the_rate_limits_of_providers() -> None:
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
    assert windows_of(head, NOW) == [
        Window("requests", 25.0, None, NOW + 360.5),
        Window("input-tokens", 100.0, None, NOW + 10),
    ]


def test_the_event_of_a_stream() -> None:
    event = {
        "type": "codex.rate_limits",
        "rate_limits": {
            "primary": {"used_percent": 3, "window_minutes": 300, "resets_at": 5},
            "secondary": None,
        },
    }
    assert windows_of_event(event, NOW) == [Window("primary", 3.0, 300, 5.0)]


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
def test_no_head_breaks_it(head: list[tuple[bytes, bytes]]) -> None:
    for window in windows_of(tuple(head), NOW):
        assert abs(window.used_percent) < 1e12


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.dictionaries(
            st.sampled_from(["rate_limits", "primary", "used_percent"]), inner
        ),
    )
)
def test_no_event_breaks_it(event: object) -> None:
    windows_of_event(event if isinstance(event, dict) else {}, NOW)
