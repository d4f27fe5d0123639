"""`picker` and `dashboard`: a browser is sent to the page, and no other user of the machine sees the token on the way."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

from shim_cli.pages import way_to
from tests.cli.daemons import User, user_with_daemons

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="signals, and a browser by $BROWSER"
)

BROWSER = """#!/bin/sh
printf '%s\\n' "$0" "$@" >"$(dirname "$0")/argv"
"""


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    with user_with_daemons(tmp_path) as someone:
        yield someone


def token_of(user: User) -> str:
    return (user.state / "token").read_text().strip()


@pytest.mark.parametrize("page", ["picker", "dashboard"])
def test_a_browser_is_given_a_file_and_never_the_token(user: User, page: str) -> None:
    browser = user.home / "browser"
    browser.write_text(BROWSER)
    browser.chmod(0o700)
    ran = user.run(page, BROWSER=f"{browser} %s", DISPLAY=":0", PATH=os.environ["PATH"])
    assert (ran.returncode, ran.stdout) == (
        0,
        f"Opened http://127.0.0.1:{user.port}/{page} in your browser.\n",
    )
    assert "runs in the background now" in ran.stderr
    argv = (user.home / "argv").read_text()
    way = Path(unquote(urlparse(argv.splitlines()[1]).path))
    token = token_of(user)
    assert token not in argv + ran.stdout + ran.stderr
    assert f"http://127.0.0.1:{user.port}/{page}#token={token}" in way.read_text()
    assert stat.S_IMODE(way.stat().st_mode) == 0o600
    assert stat.S_IMODE(way.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("more", [("--no-open",), ()])
def test_without_a_browser_the_way_is_told_and_the_token_is_not(
    user: User, more: tuple[str, ...]
) -> None:
    ran = user.run("picker", *more, **({"DISPLAY": ":0"} if more else {}))
    way = user.state / "run" / f"picker-{user.port}.html"
    assert ran.returncode == 0
    assert ran.stdout.splitlines()[1] == f"  {way.as_uri()}"
    assert str(user.state / "token") in ran.stdout
    assert token_of(user) not in ran.stdout + ran.stderr
    again = user.run("picker", *more)
    assert again.stderr == ""


def test_a_browser_that_does_not_start_is_no_failure(user: User) -> None:
    ran = user.run("picker", BROWSER="no-such-browser-here %s", DISPLAY=":0")
    assert ran.returncode == 0
    assert ran.stdout.startswith("Open this file in a browser")


def test_the_page_of_another_address_is_led_to_as_it_is(tmp_path: Path) -> None:
    env = {"CODEX_SHIM_STATE_DIR": str(tmp_path)}
    way = way_to(env, 1, "picker", 'http://[::1]:1/picker?"<&')
    assert "http://[::1]:1/picker?&quot;&lt;&amp;#token=" in way.read_text()
