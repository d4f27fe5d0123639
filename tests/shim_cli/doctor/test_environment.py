from __future__ import annotations

import urllib.request

import pytest

from shim_cli.doctor.environment import system_proxies
from tests.shim_cli.doctor.findings import section_messages


@pytest.mark.parametrize(
    ("variables", "level"),
    [
        ({"HTTPS_PROXY": "http://user:hush@proxy"}, "FAIL"),
        ({"all_proxy": "http://user:hush@proxy", "NO_PROXY": "localhost,10.0.0.1"}, "FAIL"),
        ({"http_proxy": "http://user:hush@proxy", "NO_PROXY": "localhost, 127.0.0.1"}, "OK"),
        ({"HTTP_PROXY": "http://user:hush@proxy", "no_proxy": "127.0.0.0/8"}, "OK"),
        ({"HTTP_PROXY": "http://user:hush@proxy", "no_proxy": "*"}, "OK"),
        ({"HTTP_PROXY": ""}, "OK"),
    ],
)
def test_proxy_must_exclude_loopback(
    env: dict[str, str], variables: dict[str, str], level: str
) -> None:
    [(shown, message)] = section_messages(env | variables, "Environment")

    assert shown == level
    assert "hush" not in message


def test_variables_of_older_shims_are_listed_without_values(env: dict[str, str]) -> None:
    env |= {"CODEX_SHIM_ENABLE_WEBSOCKETS": "hush", "CODEX_SHIM_ROUTER_LOG": "hush"}

    assert section_messages(env, "Environment")[1:] == [
        (
            "INFO",
            "CODEX_SHIM_ENABLE_WEBSOCKETS is set, but has no effect: only older shims read it",
        ),
        ("INFO", "CODEX_SHIM_ROUTER_LOG is set, but has no effect: only older shims read it"),
    ]


@pytest.mark.parametrize(
    ("platform", "names"),
    [
        ("darwin", ("getproxies_macosx_sysconf", "proxy_bypass_macosx_sysconf")),
        ("win32", ("getproxies_registry", "proxy_bypass_registry")),
    ],
)
@pytest.mark.parametrize("bypass", [True, False])
def test_system_proxy_is_read_on_macos_and_windows(
    monkeypatch: pytest.MonkeyPatch, platform: str, names: tuple[str, str], bypass: bool
) -> None:
    proxies = {"http": "http://user:hush@proxy"}
    monkeypatch.setattr(urllib.request, names[0], lambda: proxies, raising=False)
    monkeypatch.setattr(urllib.request, names[1], lambda _host: bypass, raising=False)

    assert system_proxies(platform) == (proxies, bypass)


def test_linux_has_no_system_proxy() -> None:
    assert system_proxies("linux") == ({}, True)


@pytest.mark.parametrize(("leaves_out", "level"), [(True, "OK"), (False, "WARN")])
def test_system_proxy_must_exclude_loopback(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch, leaves_out: bool, level: str
) -> None:
    monkeypatch.setattr(
        "shim_cli.doctor.environment.system_proxies",
        lambda _platform: ({"http": "http://user:hush@proxy"}, leaves_out),
    )

    shown, message = section_messages(env, "Environment")[1]

    assert (shown, "hush" in message) == (level, False)
