"""`codex-shim try` with a real shim, its demo model and a strict fake upstream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.model_upstream import KEY, Broken, Ending, Refuse, say
from tests.shim_cli.daemons import User, user_with_daemons
from tests.shim_cli.run import shim


@pytest.fixture
def upstream() -> Iterator[ChatUpstream]:
    with ChatUpstream() as fake:
        yield fake


@pytest.fixture
def user(tmp_path: Path, upstream: ChatUpstream) -> Iterator[User]:
    row = {"model": "m", "slug": "local-one", "provider": "vllm", "base_url": upstream.base_url, "api_key_env": "FAKE_KEY"}  # fmt: skip
    settings = tmp_path / ".codex-shim" / "models.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"models": [row]}))
    with user_with_daemons(tmp_path) as someone:
        someone.more = {"FAKE_KEY": KEY}
        yield someone


def test_first_turn_starts_the_shim_and_uses_the_users_own_model(
    user: User, upstream: ChatUpstream
) -> None:
    upstream.play(say("Good morning"), say("Again"))

    first = user.run("try", "Say hello")
    second = user.run("try")

    assert (first.returncode, first.stdout) == (0, "Good morning\n")
    started, summary = first.stderr.splitlines()
    assert started.startswith("codex-shim is now running in the background. Stop it:")
    assert summary.startswith(f"local-one · {authority(upstream)} (chat) · ")
    assert " tokens in, " in summary
    assert (second.stdout, len(second.stderr.splitlines())) == ("Again\n", 1)
    assert upstream.objections == []
    said = [
        message
        for message in upstream.bodies[0]["messages"]  # type: ignore[attr-defined]
        if message["role"] == "user"
    ]
    assert "Say hello" in json.dumps(said)


def authority(upstream: ChatUpstream) -> str:
    return urlsplit(upstream.base_url).netloc


def test_json_is_one_object(user: User, upstream: ChatUpstream) -> None:
    upstream.play(say("Good morning"))

    done = user.run("try", "hi", "--model", "local-one", "--json")

    report = json.loads(done.stdout)
    assert (report["ok"], report["slug"], report["text"]) == (True, "local-one", "Good morning")
    assert (report["provider"], report["problem"], report["next"]) == ("vllm", None, "")
    assert report["label"] == f"{authority(upstream)} (chat)"
    assert report["usage"]["input"] > 0


def test_refused_turn_says_who_refused_and_what_to_type(user: User, upstream: ChatUpstream) -> None:
    upstream.play(Refuse(401, "wrong key"), Refuse(401, "wrong key"))

    done = user.run("try")
    report = user.run("try", "--json")

    assert (done.returncode, done.stdout) == (1, "")
    message, advice = done.stderr.splitlines()[-2:]
    at = f"{authority(upstream)} (chat), model local-one"
    assert message.startswith(f"codex-shim: the turn failed at {at}: ")
    assert "refused the key" in message
    assert advice == "Next: codex-shim doctor"
    assert report.returncode == 1
    assert json.loads(report.stdout)["next"] == "codex-shim doctor"


def test_answer_that_breaks_off_keeps_its_text_and_fails(
    user: User, upstream: ChatUpstream
) -> None:
    broken = Broken(say("Good morning"), b'"content"', Ending.RESET)
    upstream.default_answer = broken

    done = user.run("try")

    assert done.returncode == 1
    assert f"the turn failed at {authority(upstream)} (chat), model local-one" in done.stderr
    assert "Traceback" not in done.stderr


def test_demo_model_answers_a_new_user(tmp_path: Path) -> None:
    with user_with_daemons(tmp_path) as new:
        done = new.run("try")

    assert done.returncode == 0
    assert done.stdout.startswith("Hello! I am shim-demo")
    assert "shim-demo · demo · " in done.stderr


@pytest.mark.parametrize(
    ("model", "code", "message"),
    [
        ("shim-dmeo", 1, "there is no model 'shim-dmeo'. Did you mean 'shim-demo'?"),
        ("nothing-like-it", 1, "there is no model 'nothing-like-it'\n"),
        ("", 2, "the name of the model is empty"),
    ],
)
def test_unknown_model_starts_nothing(tmp_path: Path, model: str, code: int, message: str) -> None:
    done = shim(tmp_path, "try", "hi", "--model", model)

    assert done.returncode == code
    assert message in done.stderr
    assert not (tmp_path / "state" / "run").exists()
