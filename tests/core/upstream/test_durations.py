"""The time to wait in each form that upstreams use. The clock is fixed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.upstream.durations import retry_after_seconds, stated_wait, wait_in_field

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("name", "value", "seconds"),
    [
        (b"retry-after", b"7", 7.0),
        (b"Retry-After", b"1.5", 1.5),
        (b"retry-after", b"0", 0.0),
        (b"retry-after-ms", b"1500", 1.5),
        (b"retry-after", b"Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        (b"retry-after", b"Tue, 14 Nov 2023 22:13:50 -0000", 30.0),
        (b"retry-after", b"Tue, 14 Nov 2023 22:13:00 GMT", 0.0),
        (b"retry-after", b"soon", None),
        (b"retry-after", b"-3", None),
        (b"retry-after", b"nan", None),
        (b"retry-after", b"inf", None),
        (b"other", b"7", None),
    ],
)
def test_retry_after_in_each_form(name: bytes, value: bytes, seconds: float | None) -> None:
    assert retry_after_seconds(((name, value),), NOW) == seconds


def test_milliseconds_take_precedence_over_seconds() -> None:
    headers = ((b"retry-after", b"7"), (b"retry-after-ms", b"200"))
    assert retry_after_seconds(headers, NOW) == 0.2


@given(st.binary(max_size=40))
def test_any_retry_after_is_read_or_ignored(value: bytes) -> None:
    seconds = retry_after_seconds(((b"retry-after", value),), NOW)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"90s", 90.0),
        (b"1m30s", 90.0),
        (b"PT1M30S", 90.0),
        (b"2023-11-14T22:14:20Z", 60.0),
        (b"1700000030", 30.0),
        (b"1700000030000", 30.0),
    ],
)
def test_retry_after_in_forms_beyond_the_standard(value: bytes, seconds: float) -> None:
    assert retry_after_seconds(((b"retry-after", value),), NOW) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([("x-ratelimit-reset-requests", "1m12s"), ("x-ratelimit-remaining-requests", "0")], 72.0),
        ([("x-ratelimit-reset-requests", "1m12s"), ("x-ratelimit-remaining-requests", "5")], None),
        ([("x-ratelimit-reset-tokens", "17ms"), ("x-ratelimit-remaining-tokens", "0")], 0.017),
        ([("x-ratelimit-reset-tokens-minute", "11.4"), ("x-ratelimit-remaining-tokens-minute", "0")], 11.4),
        ([("X-RateLimit-Reset", "1700000030")], 30.0),
        ([("X-RateLimit-Reset", "1700000030000"), ("X-RateLimit-Remaining", "0")], 30.0),
        ([("X-RateLimit-Reset", "1699999000")], None),
        ([("anthropic-ratelimit-tokens-reset", "2023-11-14T22:14:20Z"), ("anthropic-ratelimit-tokens-remaining", "0")], 60.0),
        ([("ratelimit", '"default";r=0;t=30')], 30.0),
        ([("ratelimit", '"default";r=7;t=30')], None),
        ([("ratelimit", "limit=100, remaining=0, reset=50")], 50.0),
        ([("x-ratelimit-reset", "soon")], None),
        ([("retry-after", "7"), ("x-ratelimit-reset", "99")], 7.0),
    ],
)  # fmt: skip
def test_reset_of_an_exhausted_limit_is_the_wait(
    headers: list[tuple[str, str]], seconds: float | None
) -> None:
    sent = tuple((name.encode(), value.encode()) for name, value in headers)
    assert retry_after_seconds(sent, NOW) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Please try again in 1h15m3.2s.", 4503.2),
        ("Please try again in 6m1s. Visit the docs", 361.0),
        ("Please try again in 400ms.", 0.4),
        ("try again in 20s", 20.0),
        ("The next try is possible in 3 minutes, try again then", 180.0),
        ("please retry after 23 seconds", 23.0),
        ("Please retry in 34.074824224s.", 34.074824),
        ("Please wait for about 5 minutes before the next request", 300.0),
        ("Please wait 5 more seconds", 5.0),
        ("try again in 1 hour and 20 minutes", 4800.0),
        ("available again in 2 days", 172_800.0),
        ("Resets in 2d 3h", 183_600.0),
        ("Your limit resets in 01:15:03", 4503.0),
        ("wait a minute", 60.0),
        ("Your quota will reset after 27h41m36s", 99_696.0),
        ("try again in half an hour", 1800.0),
        ("wait half a minute", 30.0),
        ("resets in 02:30", 150.0),
        ("try again in 5:00 minutes", 300.0),
        ("请半小时后重试", 1800.0),
        ("请在半个小时后再试", 1800.0),
        ("retry in an hour", 3600.0),
        ("Retry-After: 30", 30.0),
        ('{"retry_after": 12.5}', 12.5),
        ("请在23秒后重试", 23.0),
        ("请 3 分钟后再试", 180.0),
        ("12 s remaining", 12.0),
    ],
)
def test_length_of_time_in_a_text(text: str, seconds: float) -> None:
    assert stated_wait(text, None) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Your limit will reset at 2023-11-15 07:49:08", 34_548.0),
        ("Usage limit reached for 5 hour. Your limit will reset at 2023-11-14 23:13:20", 3600.0),
        ("try again at 2023-11-15T00:13:20Z", 7200.0),
        ("try again at 2023-11-15T08:13:20+08:00", 7200.0),
        ("resets at 2023-11-15 08:13:20 (UTC+8)", 7200.0),
        ("try again after 2023/11/14 23:13:20 GMT", 3600.0),
        ("您的限额将在 2023-11-14 23:13:20 重置。", 3600.0),
        ("You will regain access on 2023-11-15 at 00:13 UTC.", 7180.0),
        ("try again at Nov 14th, 2023 11:13 PM.", 3580.0),
        ("Try again after Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        ("usage limit reached|1700003600", 3600.0),
        ("try again at 23:13:20 UTC", 3600.0),
        ("try again at 22:13 UTC", 86_380.0),
        ("Your limit resets at 1am (UTC)", 10_000.0),
        ("resets at 12:30 AM UTC+2", 1_000.0),
        ("Access resets at 10:57 PM GMT-3.", 13_420.0),
        ("It will reset at 2023-11-15 07:13:20 +0800 CST.", 3_600.0),
        ("请在 07:13 UTC+8 之后重试", 3_580.0),
        ("available until 00:00Z, then it resets", 6_400.0),
        ("resets at 1700003600000", 3600.0),
    ],
)
def test_point_in_time_in_a_text(text: str, seconds: float) -> None:
    assert stated_wait(text, NOW) == pytest.approx(seconds)
    assert stated_wait(text, None) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Usage limit reached for 5 hour.",
        "Limit 60, used 60 in 1 minute",
        "The limit resets every 5 hours",
        "Your limit will reset at 2023-11-01 07:49:08",
        "resets at 2023-99-99 99:99:99",
        "request 1700003600 failed",
        "retry with request id 20260610204201088",
        "try again at 9999999999",
        "try again at 14:20",
        "try again at 25:70 UTC",
        "see section 3:20 of the docs and try again",
    ],
)
def test_text_without_a_wait_gives_none(text: str) -> None:
    assert stated_wait(text, NOW) is None


@pytest.mark.parametrize(
    ("name", "value", "seconds"),
    [
        ("retryDelay", "34s", 34.0),
        ("retry_after", 12, 12.0),
        ("retry_after", "12", 12.0),
        ("retryAfterMs", 1500, 1.5),
        ("retry_after_seconds", 0.5, 0.5),
        ("resets_in_seconds", 99, 99.0),
        ("resets_at", 1_700_003_600, 3600.0),
        ("X-RateLimit-Reset", "1700003600000", 3600.0),
        ("quotaResetDelay", "21h15m3.2s", 76_503.2),
        ("quotaResetTimeStamp", "2023-11-14T23:13:20Z", 3600.0),
        ("reset_time", "Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        ("retry_after", "PT1M30S", 90.0),
        ("reset", True, None),
        ("retry_after", -1, None),
        ("retry_after", float("nan"), None),
        ("retry_after", None, None),
        ("reset_at", "soon", None),
        ("resets_at", 1_600_000_000, None),
        ("message", "5s", None),
        ("waiting_list", 5, None),
    ],
)
def test_wait_in_a_field(name: str, value: object, seconds: float | None) -> None:
    assert wait_in_field(name, value, NOW) == seconds


def test_point_in_time_needs_a_clock() -> None:
    assert wait_in_field("resets_at", 1_700_003_600, None) is None
    assert wait_in_field("resets_at", "2023-11-14T23:13:20Z", None) is None


@given(st.text(max_size=80), st.none() | st.floats(0, 1e10))
def test_any_text_gives_a_length_or_none(text: str, now: float | None) -> None:
    for found in (stated_wait(text, now), wait_in_field("retry_after", text, now)):
        assert found is None or found >= 0


@pytest.mark.parametrize("value", [1, 30.0, "30"])
def test_small_number_is_no_point_in_time(value: object) -> None:
    assert wait_in_field("resets_at", value, 1_800_000_000.0) is None
    assert wait_in_field("reset_after", value, 1_800_000_000.0) == float(str(value))
