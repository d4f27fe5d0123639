"""What makes a model the active one: in which order, and what keeps it from happening."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest

from addons.core.providers.demo import demo_entry
from addons.core.routes import Route, RouteTable
from addons.core.turn import ClientRequest, Plan
from addons.origins import wiring
from addons.origins.codex_cli import CodexCli, CodexCliError
from addons.origins.wiring import WiringError, live_route, point_codex, switch_origin

GOOD = {**demo_entry(), "slug": "good"}


def no_plan(request: ClientRequest, route: Route) -> Plan:
    raise AssertionError(request, route)


def table(entry: Mapping[str, object] = GOOD) -> RouteTable:
    return RouteTable.of(
        [
            Route("good", "Good", "demo", "good", entry, no_plan),
            Route("off", "Off", "byok", "off", {}, no_plan, "no key"),
        ],
        {"alias": "good"},
    )


class Place:
    def __init__(self, root: Path) -> None:
        self.codex, self.state = root / "codex", root / "state"
        self.env = {
            "CODEX_HOME": str(self.codex),
            "CODEX_SHIM_STATE_DIR": str(self.state),
            "PATH": "",
        }

    @property
    def is_untouched(self) -> bool:
        return not self.codex.exists()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_everything_the_block_refers_to_is_there(place: Place) -> None:
    wired = point_codex(place.env, table(), "alias", 8765)
    assert wired.slug == "good"
    assert wired.message == f"Codex uses good from its next start on ({place.codex}/config.toml)."
    catalog = orjson.loads((place.state / "custom_model_catalog.json").read_bytes())
    assert catalog == {"models": [GOOD]}
    assert (place.state / "token").is_file()
    again = point_codex(place.env, table(), "good", 8765)
    assert again.message.startswith("Codex uses good already")


@pytest.mark.parametrize(
    ("slug", "words"), [("nope", "there is no model 'nope'"), ("off", "cannot be used now: no key")]
)
def test_only_a_live_model_is_made_active(place: Place, slug: str, words: str) -> None:
    with pytest.raises(WiringError, match=words):
        point_codex(place.env, table(), slug, 8765)
    assert place.is_untouched
    assert live_route(table(), "alias").slug == "good"


def test_a_catalog_that_codex_would_not_start_with_is_not_written(place: Place) -> None:
    with pytest.raises(WiringError, match="Codex would not start"):
        point_codex(place.env, table({"slug": "good"}), "good", 8765)
    assert place.is_untouched
    assert not place.state.exists()


def test_the_installed_codex_has_the_last_word(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CodexCli, "find", lambda env: CodexCli("codex", env))
    monkeypatch.setattr(CodexCli, "refusal_of", lambda *_: "no such field")
    with pytest.raises(WiringError, match="no such field"):
        point_codex(place.env, table(), "good", 8765)
    monkeypatch.setattr(CodexCli, "refusal_of", lambda *_: "")
    point_codex(place.env, table({"slug": "good"}), "good", 8765)

    def broken(*_: object) -> str:
        msg = "it crashed"
        raise CodexCliError(msg)

    monkeypatch.setattr(CodexCli, "refusal_of", broken)
    with pytest.raises(WiringError, match="Codex would not start"):
        point_codex(place.env, table({"slug": "other"}), "good", 8765)


@pytest.mark.parametrize("name", ["token", "custom_model_catalog.json", "wiring.json"])
def test_a_state_folder_that_cannot_be_used_is_told_of(place: Place, name: str) -> None:
    (place.state / name).mkdir(parents=True)
    (place.state / name / "full").touch()
    with pytest.raises(WiringError) as caught:
        point_codex(place.env, table(), "good", 8765)
    assert "CODEX_SHIM_STATE_DIR" in caught.value.advice
    assert not (place.codex / "config.toml").exists()


class Written:
    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        self.data += data


async def test_a_switch_tells_its_outcome_as_json(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "SWITCH_WAIT_SECONDS", 0.1)
    switch = switch_origin(place.env, table, lambda: 9000)
    done, failed = Written(), Written()
    await switch("good")(done)
    assert orjson.loads(done.data) == {
        "slug": "good",
        "ok": True,
        "written": True,
        "message": f"Codex uses good from its next start on ({place.codex}/config.toml).",
    }
    assert "http://127.0.0.1:9000/v1" in (place.codex / "config.toml").read_text()
    await switch("off")(failed)
    assert orjson.loads(failed.data)["ok"] is False


def test_a_model_that_the_installed_codex_does_not_take_is_not_made_active(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(_codex: CodexCli, catalog: bytes) -> str:
        at = catalog.find(b'"new"')
        return f"unknown variant `max` at line 1 column {at}" if at > 0 else ""

    monkeypatch.setattr(CodexCli, "find", lambda env: CodexCli("codex", env))
    monkeypatch.setattr(CodexCli, "refusal_of", refusal)
    both = RouteTable.of(
        [Route(s, s, "demo", s, {**GOOD, "slug": s}, no_plan) for s in ("new", "good")]
    )
    with pytest.raises(WiringError, match=r"new cannot be used now: .*npm install"):
        point_codex(place.env, both, "new", 8765)
    assert place.is_untouched
    point_codex(place.env, both, "good", 8765)
    catalog = orjson.loads((place.state / "custom_model_catalog.json").read_bytes())
    assert [entry["slug"] for entry in catalog["models"]] == ["good"]


def test_a_state_folder_that_cannot_be_used_is_told_with_what_to_set(place: Place) -> None:
    place.state.write_text("a file in the way")
    with pytest.raises(WiringError) as caught:
        point_codex(place.env, table(), "good", 8765)
    assert "CODEX_SHIM_STATE_DIR" in caught.value.advice
    assert place.is_untouched


def test_a_catalog_that_cannot_be_read_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_codex(place.env, table(), "good", 8765)
    before = (place.codex / "config.toml").read_bytes()

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        with pytest.raises(WiringError, match="Permission denied"):
            point_codex(place.env, table(), "good", 8765)
    assert (place.codex / "config.toml").read_bytes() == before
