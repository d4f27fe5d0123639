"""The smaller sections: daemon, environment, certificates, Cursor."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from addons.core.cursor.status import DISABLED, NOT_FOUND
from addons.version import VERSION
from shim_cli.doctor.environment import system_proxies
from shim_cli.doctor.finding import Subject
from shim_cli.doctor.sections import SECTIONS
from tests.cli.doctor.looking import found, put, whole
from tests.cli.test_status import HEALTHY, answering
from tests.support.certificates import make_authority


def test_a_running_shim_of_this_version(env: dict[str, str]) -> None:
    with answering(200, json.dumps({**HEALTHY, "version": VERSION}).encode()) as port:
        assert found(env, "Daemon", port=port) == [
            ("OK", f"running at http://127.0.0.1:{port}, 3 models"),
            ("OK", f"version {VERSION}, the same as this command"),
        ]


@pytest.mark.parametrize(("version", "said"), [("9.9.9", "version 9.9.9"), (None, "an older")])
def test_a_running_shim_of_another_version_is_a_warning(
    env: dict[str, str], version: str | None, said: str
) -> None:
    report = {**HEALTHY, "version": version, "problems": ["models.json: broken"]}
    with answering(200, json.dumps(report).encode()) as port:
        [_, mismatch, problem] = found(env, "Daemon", port=port)

    assert (mismatch[0], said in mismatch[1]) == ("WARN", True)
    assert problem == ("WARN", "it says: models.json: broken")


def test_somebody_else_on_the_port_is_a_failure_with_another_port(env: dict[str, str]) -> None:
    with answering(404, b"") as port:
        [finding] = whole(env, "Daemon", port=port)

    assert (finding.level, finding.advice) == ("FAIL", f"codex-shim serve --port {port + 1}")


def test_variables_of_older_shims_are_noted_by_name_alone(env: dict[str, str]) -> None:
    env |= {"CODEX_SHIM_ENABLE_WEBSOCKETS": "hush", "CODEX_SHIM_ROUTER_LOG": "hush"}

    assert found(env, "Environment")[1:] == [
        ("INFO", "CODEX_SHIM_ENABLE_WEBSOCKETS is set: an older shim had it, here it does nothing"),
        ("INFO", "CODEX_SHIM_ROUTER_LOG is set: an older shim had it, here it does nothing"),
    ]


@pytest.mark.parametrize(
    ("platform", "names"),
    [
        ("darwin", ("getproxies_macosx_sysconf", "proxy_bypass_macosx_sysconf")),
        ("win32", ("getproxies_registry", "proxy_bypass_registry")),
    ],
)
@pytest.mark.parametrize("bypass", [True, False])
def test_the_systems_proxy_is_looked_at_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, platform: str, names: tuple[str, str], bypass: bool
) -> None:
    proxies = {"http": "http://user:hush@proxy"}
    monkeypatch.setattr(urllib.request, names[0], lambda: proxies, raising=False)
    monkeypatch.setattr(urllib.request, names[1], lambda _host: bypass, raising=False)

    assert system_proxies(platform) == (proxies, bypass)


def test_linux_has_no_system_proxy() -> None:
    assert system_proxies("linux") == ({}, True)


@pytest.mark.parametrize(("leaves_out", "level"), [(True, "OK"), (False, "WARN")])
def test_a_system_proxy_must_leave_this_machine_out(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch, leaves_out: bool, level: str
) -> None:
    monkeypatch.setattr(
        "shim_cli.doctor.environment.system_proxies",
        lambda _platform: ({"http": "http://user:hush@proxy"}, leaves_out),
    )

    shown, message = found(env, "Environment")[1]

    assert (shown, "hush" in message) == (level, False)


def test_certificates_of_ones_own_are_loaded(env: dict[str, str], tmp_path: Path) -> None:
    file = make_authority(tmp_path).ca_file
    env |= {"CODEX_SHIM_CA_FILE": str(file)}

    assert found(env, "Certificates") == [
        ("OK", f"upstreams are verified with {file} alone (1 CA certificates)")
    ]


@pytest.mark.parametrize(
    ("content", "said"), [(None, "does not exist"), ("hello", "holds no PEM certificate")]
)
def test_certificates_that_cannot_be_used_fail(
    env: dict[str, str], tmp_path: Path, content: str | None, said: str
) -> None:
    if content is not None:
        put(tmp_path / "ca.pem", content)
    env |= {"CODEX_SHIM_CA_FILE": str(tmp_path / "ca.pem")}

    [finding] = whole(env, "Certificates")

    assert (finding.level, finding.advice) == ("FAIL", "unset CODEX_SHIM_CA_FILE")
    assert said in finding.message


@pytest.mark.parametrize(("mode", "level"), [(0o600, "INFO"), (0o644, "WARN")])
def test_a_ca_key_that_others_can_read_is_a_warning(
    env: dict[str, str], tmp_path: Path, mode: int, level: str
) -> None:
    put(tmp_path / ".mitmproxy" / "mitmproxy-ca.pem", "key").chmod(mode)

    assert found(env, "Certificates")[1][0] == level


def test_a_base_url_that_is_none_fails_once_and_breaks_nothing_else(env: dict[str, str]) -> None:
    env |= {"CODEX_SHIM_CHATGPT_BASE_URL": "chatgpt.com"}
    subject = Subject(env, 9, cwd=Path(env["HOME"]))

    levels = {name: [each[0] for each in section(subject)] for name, section in SECTIONS}

    assert levels["ChatGPT passthrough"] == ["FAIL"]
    assert [name for name, each in levels.items() if "FAIL" in each] == ["ChatGPT passthrough"]


def test_not_to_have_cursor_is_no_fault(env: dict[str, str]) -> None:
    assert found(env, "Cursor passthrough") == [("INFO", NOT_FOUND.reason)]
    env |= {"CODEX_SHIM_DISABLE_CURSOR": "1"}
    assert found(env, "Cursor passthrough") == [("INFO", DISABLED.reason)]
