"""Which limit is used up, and when it ends."""

from addons.core.providers.used_up import has_limit_of_its_own, reset_of
from addons.core.turn import Head

NOW = 1_000_000_000.0
WINDOWS = (
    (b"x-codex-primary-used-percent", b"100"),
    (b"x-codex-primary-reset-at", b"%d" % (NOW + 7_200)),
    (b"x-codex-secondary-used-percent", b"99"),
    (b"x-codex-secondary-reset-at", b"%d" % (NOW + 500_000)),
)


def test_stated_time_comes_before_that_of_the_windows() -> None:
    assert reset_of(Head(429, WINDOWS), b"", NOW) == NOW + 7_200
    assert reset_of(Head(429, WINDOWS), b'{"error":{"resets_in_seconds":60}}', NOW) == NOW + 60
    assert reset_of(Head(429, WINDOWS), {"error": {"resets_in_seconds": 60}}, NOW) == NOW + 60


def test_longest_of_the_stated_times_counts() -> None:
    head = Head(429, ((b"retry-after", b"1"),))
    assert reset_of(head, b'{"error":{"resets_in_seconds":60}}', NOW) == NOW + 60


def test_nothing_is_known_without_a_time() -> None:
    assert reset_of(Head(429, WINDOWS[2:]), b"used up", NOW) is None


def test_limit_of_one_model_has_a_name_of_its_own() -> None:
    assert has_limit_of_its_own(Head(429, ((b"x-codex-active-limit", b"Codex_bengalfox"),)))
    assert not has_limit_of_its_own(Head(429, ((b"x-codex-active-limit", b"codex"),)))
    assert not has_limit_of_its_own(Head(429))
