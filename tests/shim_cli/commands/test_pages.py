"""`picker` and `dashboard` open a page in the browser without showing the token to other users."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

from shim_cli.commands.pages import redirect_page
from tests.shim_cli.daemons import User, user_with_daemons

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
def test_browser_gets_a_file_and_never_the_token(user: User, page: str) -> None:
    browser = user.home / "browser"
    browser.write_text(BROWSER)
    browser.chmod(0o700)
    ran = user.run(page, BROWSER=f"{browser} %s", DISPLAY=":0", PATH=os.environ["PATH"])
    assert (ran.returncode, ran.stdout) == (
        0,
        f"Opened http://127.0.0.1:{user.port}/{page} in your browser.\n",
    )
    assert "is now running in the background" in ran.stderr
    argv = (user.home / "argv").read_text()
    redirect = Path(unquote(urlparse(argv.splitlines()[1]).path))
    token = token_of(user)
    assert token not in argv + ran.stdout + ran.stderr
    assert f"http://127.0.0.1:{user.port}/{page}#token={token}" in redirect.read_text()
    assert stat.S_IMODE(redirect.stat().st_mode) == 0o600
    assert stat.S_IMODE(redirect.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("more", [("--no-open",), ()])
def test_without_a_browser_the_file_is_printed_and_not_the_token(
    user: User, more: tuple[str, ...]
) -> None:
    ran = user.run("picker", *more, **({"DISPLAY": ":0"} if more else {}))
    redirect = user.state / "run" / f"picker-{user.port}.html"
    assert ran.returncode == 0
    assert ran.stdout.splitlines()[1] == f"  {redirect.as_uri()}"
    assert str(user.state / "token") in ran.stdout
    assert token_of(user) not in ran.stdout + ran.stderr
    again = user.run("picker", *more)
    assert again.stderr == ""


def test_failed_browser_is_not_an_error(user: User) -> None:
    ran = user.run("picker", BROWSER="no-such-browser-here %s", DISPLAY=":0")
    assert ran.returncode == 0
    assert ran.stdout.startswith("Open this file in a browser.")


def test_redirect_url_is_escaped(tmp_path: Path) -> None:
    env = {"CODEX_SHIM_STATE_DIR": str(tmp_path)}
    redirect = redirect_page(env, 1, "picker", 'http://[::1]:1/picker?"<&')
    assert "http://[::1]:1/picker?&quot;&lt;&amp;#token=" in redirect.read_text()


def test_on_a_remote_machine_a_tunnel_is_named_and_no_file(user: User) -> None:
    ran = user.run("dashboard", SSH_CONNECTION="10.0.0.1 1 10.0.0.2 22")
    assert ran.returncode == 0
    assert f"ssh -N -L {user.port}:127.0.0.1:{user.port} " in ran.stdout
    assert f"open http://127.0.0.1:{user.port}/dashboard there" in ran.stdout
    assert "file://" not in ran.stdout
    assert token_of(user) not in ran.stdout + ran.stderr
