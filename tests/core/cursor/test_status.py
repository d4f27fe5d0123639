"""The login state that the output of `cursor-agent status` gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.cursor.status import (
    DISABLED,
    NOT_CHECKED,
    NOT_FOUND,
    ON_WINDOWS,
    Availability,
    Login,
    listed_models,
    logged_out,
    read_status,
    status_failed,
    wrong_binary,
)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (b'{"status":"authenticated","isAuthenticated":true,"userInfo":{"email":"a@b"}}', Login.IN),
        (
            b'{"status":"unauthenticated","isAuthenticated":false,"message":"Not logged in"}',
            Login.OUT,
        ),
        (
            b'{"status":"partially-authenticated","isAuthenticated":false,"hasAccessToken":true}',
            Login.IN,
        ),
        (
            b'{"status":"partially-authenticated","isAuthenticated":false,"hasAccessToken":false}',
            Login.OUT,
        ),
        (b'warning\n{"status":"authenticated"}', Login.IN),
        ("✓ Logged in as dev@example.com\n".encode(), Login.IN),
        (b"\x1b[31mNot \x1b[1mlogged in\x1b[0m", Login.OUT),
        (b"You are not authenticated. It was logged in before.", Login.OUT),
        (b"", Login.UNKNOWN),
        (b"error: unknown option '--format'", Login.UNKNOWN),
        (b"{broken", Login.UNKNOWN),
        (b'{"other":1}', Login.UNKNOWN),
    ],
)
def test_login_state_is_read_from_the_output(output: bytes, expected: Login) -> None:
    assert read_status(output) is expected


@given(st.binary(max_size=80))
def test_any_output_gives_a_state(output: bytes) -> None:
    assert read_status(output) in Login


@pytest.mark.parametrize("state", [DISABLED, NOT_CHECKED, NOT_FOUND, ON_WINDOWS])
def test_reason_makes_cursor_unusable(state: Availability) -> None:
    assert not state.usable
    assert Availability("/bin/cursor-agent").usable


def test_listed_models_are_ids_only() -> None:
    listing = b"\x1b[1mAvailable models\x1b[0m\n\nauto - Auto\ncomposer-2.5 - Composer 2.5 (current, default)\n\nTip: use --model <id>\n"
    assert listed_models(listing) == {"auto", "composer-2.5"}
    assert listed_models(b"\xff") == frozenset()


def test_reasons_name_the_command_to_type() -> None:
    binary = "/bin/cursor-agent"
    assert logged_out(binary).reason.startswith(
        "Cursor is logged out here. Run `cursor-agent login`"
    )
    assert "unset it" in wrong_binary(binary).reason
    assert wrong_binary(binary).binary == ""
    failed = status_failed(binary, "took longer than 15 s")
    assert failed.reason.startswith("`/bin/cursor-agent status` took longer than 15 s.")
    assert (failed.binary, failed.usable) == (binary, False)
