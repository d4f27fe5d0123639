"""`codex-shim test` with a real shim and strict fake upstreams."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.model_upstream import KEY, Refuse, say
from tests.shim_cli.daemons import User, user_with_daemons
from tests.shim_cli.run import shim


@pytest.fixture
def upstream() -> Iterator[ChatUpstream]:
    with ChatUpstream() as fake:
        fake.default_answer = say("OK")
        yield fake


@pytest.fixture
def user(tmp_path: Path, upstream: ChatUpstream) -> Iterator[User]:
    row = {"model": "m", "provider": "vllm", "base_url": upstream.base_url, "api_key_env": "FAKE_KEY"}  # fmt: skip
    rows = [
        {**row, "slug": "good-one"},
        {**row, "slug": "wrong-key", "api_key_env": "WRONG_KEY"},
        {**row, "slug": "no-key", "api_key_env": "NO_SUCH_KEY"},
    ]
    settings = tmp_path / ".codex-shim" / "models.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"models": rows}))
    with user_with_daemons(tmp_path) as someone:
        someone.more = {"FAKE_KEY": KEY, "WRONG_KEY": "sk-wrong"}
        yield someone


def test_each_row_has_a_line_and_each_failure_a_command(user: User, upstream: ChatUpstream) -> None:
    done = user.run("test")

    assert done.returncode == 1
    good, wrong, wrong_next, missing, missing_next = done.stdout.splitlines()
    assert re.fullmatch(
        r"ok    good-one   (0\.\d\d|[1-9]\d*\.\d) s  127\.0\.0\.1:\d+ \(chat\)", good
    )
    assert wrong.startswith("FAIL  wrong-key  ")
    assert "refused the key of wrong-key" in wrong
    assert wrong_next.strip() == "codex-shim doctor"
    assert missing.startswith("FAIL  no-key     no-key (vllm) has no key: ")
    assert "NO_SUCH_KEY is not set" in missing
    assert missing_next.strip() == "codex-shim doctor models"
    assert len(upstream.bodies) == 1, "one turn a model, none without a key, none with the demo"


def test_named_models_only(user: User) -> None:
    done = user.run("test", "good-one", "good-one")

    assert done.returncode == 0
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["good-one"]


def test_json_has_every_result(user: User) -> None:
    done = user.run("test", "--all", "--json")

    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert (report["ok"], report["failed"]) == (1, 2)
    assert [each["slug"] for each in report["models"]] == ["good-one", "wrong-key", "no-key"]
    assert [each["ok"] for each in report["models"]] == [True, False, False]
    assert report["models"][1]["next"] == "codex-shim doctor"


def test_empty_answer_fails(user: User, upstream: ChatUpstream) -> None:
    upstream.play(say(""))

    done = user.run("test", "good-one")

    assert done.returncode == 1
    assert done.stdout.startswith("FAIL  good-one  ")


def test_rate_limit_is_one_line(user: User, upstream: ChatUpstream) -> None:
    upstream.default_answer = Refuse(429, "slow\ndown", headers={"retry-after": "700"})

    done = user.run("test", "good-one")

    first, advice = done.stdout.splitlines()
    assert first.startswith("FAIL  good-one  ")
    assert advice.strip() == "codex-shim usage"


def test_demo_model_is_tested_while_it_is_the_only_one(tmp_path: Path) -> None:
    with user_with_daemons(tmp_path) as new:
        done = new.run("test")

    assert (done.returncode, done.stdout.split()[:2]) == (0, ["ok", "shim-demo"])


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["shim-dmeo"], 1, "Did you mean 'shim-demo'?"),
        (["shim-demo", "--all"], 2, "Name models, or pass --all"),
    ],
)
def test_wrong_arguments_start_nothing(
    tmp_path: Path, args: list[str], code: int, message: str
) -> None:
    done = shim(tmp_path, "test", *args)

    assert done.returncode == code
    assert message in done.stderr
    assert not (tmp_path / "state" / "run").exists()
