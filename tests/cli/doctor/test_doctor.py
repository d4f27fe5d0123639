from __future__ import annotations

import json
import time
from pathlib import Path

import orjson
import pytest

from addons.core.catalog import codex_shape, fallback_entries
from addons.core.cursor.status import NOT_FOUND
from addons.core.login import LoginProblem, read_login
from shim_cli.doctor.codex import NEWEST, OLDEST
from shim_cli.doctor.finding import Finding, Subject
from shim_cli.doctor.report import lines_of
from shim_cli.doctor.sections import findings_of
from tests.cli.doctor.looking import found, jwt, put
from tests.cli.run import environment, shim
from tests.e2e import codex_cli
from tests.origins.fake_codex import FakeCodex


def test_with_nothing_set_up_each_warning_says_what_to_type(tmp_path: Path) -> None:
    ran = shim(tmp_path, "doctor", "--port", "9")

    lines = ran.stdout.splitlines()
    home = str(tmp_path)
    assert ran.returncode == 0
    assert ran.stderr == ""
    no_login = read_login(None, f"{home}/.codex/auth.json")
    assert isinstance(no_login, LoginProblem)
    assert lines[lines.index("Codex CLI") :] == [
        "Codex CLI",
        "  WARN  Codex is not on PATH, nor named by CODEX_BIN",
        "        npm install -g @openai/codex",
        "Settings",
        f"  INFO  {home}/.codex-shim/models.json does not exist: no models of your own",
        "ChatGPT passthrough",
        f"  WARN  {no_login.message}",
        "        codex login",
        "Cursor passthrough",
        f"  INFO  {NOT_FOUND.reason}",
        "Daemon",
        "  WARN  nothing listens at http://127.0.0.1:9",
        "        codex-shim serve --port 9",
        "Catalog",
        f"  WARN  {home}/state/custom_model_catalog.json does not exist yet",
        "        codex-shim generate",
        "Codex config",
        f"  INFO  {home}/.codex/config.toml does not exist: Codex does not use the shim",
        "Environment",
        "  OK    no proxy variable is set",
        "Certificates",
        "  OK    upstreams are verified with the public certificates that come with mitmproxy",
        "Summary",
        "  11 OK, 4 WARN, 0 FAIL, 3 INFO",
    ]
    assert not (tmp_path / ".codex").exists()
    assert not (tmp_path / "state").exists()


def test_a_failure_is_the_exit_code_and_json_says_the_same(tmp_path: Path) -> None:
    put(tmp_path / "state" / "custom_model_catalog.json", "{}")

    ran = shim(tmp_path, "doctor", "--json", "--port", "9")

    report = json.loads(ran.stdout)
    assert ran.returncode == 1
    assert report["summary"]["FAIL"] == 1
    assert [row["section"] for row in report["findings"] if row["level"] == "FAIL"] == ["Catalog"]


def test_every_warning_and_failure_names_something_to_type(tmp_path: Path) -> None:
    put(tmp_path / "state" / "custom_model_catalog.json", "{")
    put(tmp_path / ".codex-shim" / "models.json", "{")
    env = environment(tmp_path, {"HTTPS_PROXY": "http://proxy:3128", "CODEX_BIN": "/nowhere"})

    findings = findings_of(Subject(env, 9, cwd=tmp_path))

    told = [finding for finding in findings if finding.level in {"WARN", "FAIL"}]
    assert len(told) >= 6
    assert [finding for finding in told if not finding.advice] == []


def test_versions_are_those_of_this_environment(env: dict[str, str]) -> None:
    dependencies = found(env, "Dependencies")

    assert {level for level, _ in found(env, "Python") + dependencies} == {"OK"}
    assert dependencies[0][1].startswith("mitmproxy 12.")


@pytest.mark.parametrize(
    ("installed", "level"),
    [("12.2.0", "OK"), ("12.9", "OK"), ("12.1.9", "FAIL"), ("13.0.0", "FAIL"), ("", "FAIL")],
)
def test_another_mitmproxy_is_a_failure(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch, installed: str, level: str
) -> None:
    monkeypatch.setattr("shim_cli.doctor.packages.version_of", lambda _package: installed)

    assert found(env, "Dependencies")[0][0] == level


def test_the_installed_codex_is_named(env: dict[str, str], tmp_path: Path) -> None:
    fake = FakeCodex(tmp_path)
    env |= {"CODEX_BIN": str(fake.binary)}

    assert found(env, "Codex CLI") == [
        ("OK", f"Codex 0.169.0 at {fake.binary} (tried with 0.133.0 to 0.169.0)")
    ]


@pytest.mark.parametrize(
    ("version", "level", "said"),
    [
        ("0.133.0", "OK", "tried with"),
        ("0.132.9", "WARN", "older than 0.133.0"),
        ("0.170.0-alpha.1", "INFO", "newer than 0.169.0"),
    ],
)
def test_a_codex_out_of_the_range_that_was_tried_is_told(
    env: dict[str, str], tmp_path: Path, version: str, level: str, said: str
) -> None:
    env |= {"CODEX_BIN": str(FakeCodex(tmp_path, version=version).binary)}

    [(shown, message)] = found(env, "Codex CLI")

    assert (shown, said in message) == (level, True)


def test_the_range_that_was_tried_is_that_of_the_end_to_end_tests() -> None:
    assert (OLDEST, NEWEST) == (codex_cli.OLDEST, codex_cli.VERSION)


def test_a_codex_that_names_no_version_is_a_warning(env: dict[str, str], tmp_path: Path) -> None:
    env |= {"CODEX_BIN": str(FakeCodex(tmp_path, behaviour="broken").binary)}

    [(level, message)] = found(env, "Codex CLI")

    assert (level, "did not name a version" in message) == ("WARN", True)


def test_a_login_is_shown_without_what_is_secret_in_it(env: dict[str, str], tmp_path: Path) -> None:
    claims = {
        "exp": int(time.time()) + 9 * 86400 + 3600 + 1800,
        "https://api.openai.com/auth": {"chatgpt_plan_type": "pro"},
    }
    tokens = {"access_token": jwt(claims), "account_id": "0123-4567-89ab-cdef"}
    put(tmp_path / ".codex" / "auth.json", json.dumps({"tokens": tokens}))

    assert found(env, "ChatGPT passthrough") == [
        ("OK", f"logged in: {tmp_path}/.codex/auth.json"),
        ("INFO", "plan pro, account …cdef, the token expires in 9 d 1 h"),
        ("INFO", "1 model, built in, until the shim has run with the login"),
    ]


def test_a_login_that_does_not_say_when_it_ends(env: dict[str, str], tmp_path: Path) -> None:
    put(tmp_path / ".codex" / "auth.json", '{"tokens":{"access_token":"opaque"}}')

    assert found(env, "ChatGPT passthrough")[1] == (
        "INFO",
        "plan unknown, the token does not say when it expires",
    )


@pytest.mark.parametrize(
    ("tokens", "level", "said"),
    [
        ({"access_token": jwt({"exp": 1000})}, "WARN", "has expired"),
        ({}, "WARN", "holds no ChatGPT access token"),
    ],
)
def test_a_login_that_cannot_be_used_says_why(
    env: dict[str, str], tmp_path: Path, tokens: dict[str, str], level: str, said: str
) -> None:
    put(tmp_path / ".codex" / "auth.json", json.dumps({"tokens": tokens}))

    [(shown, message)] = found(env, "ChatGPT passthrough")

    assert shown == level
    assert said in message


def test_a_passthrough_that_was_switched_off_is_only_noted(env: dict[str, str]) -> None:
    env |= {"CODEX_SHIM_DISABLE_CHATGPT": "1"}

    [(level, message)] = found(env, "ChatGPT passthrough")

    assert level == "INFO"
    assert "switched off" in message


def test_settings_that_are_right(env: dict[str, str], tmp_path: Path) -> None:
    path = put(tmp_path / ".codex-shim" / "models.json", "[]")

    assert found(env, "Settings") == [("OK", str(path))]


def test_settings_with_a_mistake_fail_by_name(env: dict[str, str], tmp_path: Path) -> None:
    path = put(tmp_path / "mine.json", '{"chatgpt":{"credential":"mine"}}')

    [(level, message)] = found(env, "Settings", path)

    assert level == "FAIL"
    assert message.startswith(f"{path}: chatgpt.credential:")


def test_settings_that_were_named_must_exist(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "none.json"

    assert found(env, "Settings", path) == [("FAIL", f"{path} does not exist, and it was named")]


def test_settings_that_are_a_folder_fail(env: dict[str, str], tmp_path: Path) -> None:
    [(level, message)] = found(env, "Settings", tmp_path)

    assert level == "FAIL"
    assert str(tmp_path) in message


@pytest.mark.parametrize(
    ("content", "level", "said"),
    [
        (orjson.dumps(codex_shape(fallback_entries())), "OK", "{path}, 1 model"),
        (b"<", "FAIL", "{path} is not JSON: Codex would not start with it"),
        (
            b'{"models":[]}',
            "FAIL",
            "{path}: models: must contain at least one model: Codex would not start with it",
        ),
    ],
)
def test_the_catalog_is_read_as_codex_would(
    env: dict[str, str], tmp_path: Path, content: bytes, level: str, said: str
) -> None:
    path = put(tmp_path / "state" / "custom_model_catalog.json", content)

    assert found(env, "Catalog")[0] == (level, said.format(path=path))


def test_the_installed_codex_has_the_last_word_on_the_catalog(
    env: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "state" / "custom_model_catalog.json"
    put(path, orjson.dumps(codex_shape(fallback_entries())))
    env |= {"CODEX_BIN": str(FakeCodex(tmp_path, behaviour="refuse").binary)}

    [(level, message)] = found(env, "Catalog")

    assert (level, "missing field `slug`" in message) == ("FAIL", True)


def test_a_catalog_that_is_out_of_date_names_what_changed(
    env: dict[str, str], tmp_path: Path
) -> None:
    entries = [{**fallback_entries()[0], "slug": slug} for slug in "abcde"]
    put(tmp_path / "state" / "custom_model_catalog.json", orjson.dumps(codex_shape(entries)))

    assert found(env, "Catalog")[1:] == [
        (
            "WARN",
            "it is out of date: shim-demo is not in it; a, b, c and 2 more are no longer offered",
        )
    ]


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
def test_a_proxy_must_leave_the_loopback_alone(
    env: dict[str, str], variables: dict[str, str], level: str
) -> None:
    [(shown, message)] = found(env | variables, "Environment")

    assert shown == level
    assert "hush" not in message


def test_lines_are_grouped_by_section_with_padded_levels() -> None:
    findings = [
        Finding("A", "OK", "one"),
        Finding("A", "FAIL", "two", "type this"),
        Finding("B", "INFO", "three"),
    ]

    assert lines_of(findings) == [
        "A",
        "  OK    one",
        "  FAIL  two",
        "        type this",
        "B",
        "  INFO  three",
    ]
