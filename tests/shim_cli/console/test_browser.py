from __future__ import annotations

import sys
import webbrowser

import pytest

from shim_cli.console.browser import is_headless, open_url


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
@pytest.mark.parametrize(
    ("env", "headless"),
    [
        ({"DISPLAY": ":0"}, False),
        ({"WAYLAND_DISPLAY": "wayland-0"}, False),
        ({}, True),
        ({"DISPLAY": ""}, True),
        ({"DISPLAY": ":0", "CI": "true"}, True),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "a b c d"}, True),
        ({"DISPLAY": ":0", "SSH_TTY": "/dev/pts/1"}, True),
    ],
)
def test_headless_machine_is_detected(env: dict[str, str], *, headless: bool) -> None:
    assert is_headless(env) is headless


@pytest.mark.parametrize("opened", [True, False])
def test_result_of_the_browser_is_returned(
    monkeypatch: pytest.MonkeyPatch, *, opened: bool
) -> None:
    urls: list[str] = []

    def browse(url: str) -> bool:
        urls.append(url)
        return opened

    monkeypatch.setattr(webbrowser, "open", browse)
    assert open_url("file:///page.html") is opened
    assert urls == ["file:///page.html"]


@pytest.mark.parametrize("error", [webbrowser.Error("none"), OSError("none")])
def test_browser_that_cannot_start_is_false(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_url: str) -> bool:
        raise error

    monkeypatch.setattr(webbrowser, "open", fail)
    assert open_url("file:///page.html") is False
