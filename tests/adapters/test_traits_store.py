"""The file of traits: kept over a restart, shared between processes, bounded, dated, and harmless when it is broken."""

from __future__ import annotations

import stat
from pathlib import Path

import orjson
import pytest

from addons.adapters.system.file_lock import locked
from addons.adapters.traits_store import (
    MAX_FILE_BYTES,
    MAX_MODELS,
    STALE_SECONDS,
    FileTraits,
    parse_traits,
    traits_file,
)
from addons.core.upstream.traits import (
    MAX_REFUSED_ITEMS,
    MAX_TRAITS,
    NO_TRAITS,
    Source,
    Trait,
)

NOW = 1_800_000_000.0
STRICT = Trait("strict_tools", value=False, refusal_text="no strict")
SEEN = Trait("call_ids", "verbatim", Source.OBSERVED)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return traits_file({"CODEX_SHIM_STATE_DIR": str(tmp_path / "state")})


def store(path: Path, now: float = NOW) -> FileTraits:
    return FileTraits(path, lambda: now)


def store_with(
    path: Path, *traits: Trait, scope: str = "a", items: tuple[str, ...] = ()
) -> FileTraits:
    made = store(path)
    made.learn(scope, traits, items)
    made.flush()
    return made


def test_missing_file_has_no_traits_and_is_not_created(path: Path) -> None:
    assert store(path).current("a") is NO_TRAITS
    assert not path.parent.exists()


def test_traits_survive_a_restart_with_date_refusal_and_items(path: Path) -> None:
    store_with(path, STRICT, SEEN, items=("d1", "d2"))
    known = store(path).current("a")
    assert known.entries["strict_tools"].refusal_text == "no strict"
    assert known.entries["strict_tools"].since == NOW
    assert known.entries["call_ids"].source is Source.OBSERVED
    assert known.refused_items == ("d1", "d2")


def test_file_is_private(path: Path) -> None:
    store_with(path, STRICT)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_turn_sees_what_was_learnt_before_it_is_written(path: Path) -> None:
    made = store(path)
    path.parent.mkdir(parents=True)
    with locked(path.with_name("traits.json.lock")):
        made.learn("a", [STRICT], [])
        assert made.current("a").value("strict_tools") is False
        made.refresh()
        assert made.current("a").value("strict_tools") is False
    made.flush()
    assert store(path).current("a").value("strict_tools") is False


def test_same_object_while_nothing_changes(path: Path) -> None:
    made = store_with(path, STRICT)
    made.refresh()
    first, scopes = made.current("a"), made.scopes
    made.refresh()
    assert made.current("a") is first
    assert made.scopes is scopes


def test_two_processes_lose_nothing(path: Path) -> None:
    one, two = store(path), store(path)
    one.learn("a", [STRICT], [])
    one.flush()
    two.learn("b", [SEEN], [])
    two.learn("a", [], ["d"])
    two.flush()
    one.refresh()
    assert set(one.scopes) == {"a", "b"}
    assert one.current("a").refused_items == ("d",)


def test_forgetting_reaches_a_running_process(path: Path) -> None:
    running = store_with(path, STRICT)
    store_with(path, SEEN, scope="b")
    store(path).forget({"a"})
    running.refresh()
    assert set(running.scopes) == {"b"}


def test_learnt_trait_becomes_stale_and_observed_trait_does_not(path: Path) -> None:
    store_with(path, STRICT, SEEN)
    assert set(store(path, NOW + STALE_SECONDS - 1).current("a").entries) == {
        "strict_tools",
        "call_ids",
    }
    assert set(store(path, NOW + STALE_SECONDS + 1).current("a").entries) == {"call_ids"}


def test_running_process_drops_a_stale_trait(path: Path) -> None:
    times = [NOW]
    running = FileTraits(path, lambda: times[0])
    running.learn("a", [STRICT], [])
    running.flush()
    running.refresh()
    times[0] += STALE_SECONDS + 1
    running.refresh()
    assert running.current("a").entries == {}


def test_trait_from_the_future_is_stale() -> None:
    trait = {
        "name": "strict_tools",
        "value": False,
        "source": "learnt",
        "since": NOW + 9,
        "words": "",
    }
    data = orjson.dumps({"models": {"a": {"traits": [trait]}}})
    assert parse_traits(data, NOW)["a"].entries == {}


def test_number_of_models_traits_and_items_is_bounded(path: Path) -> None:
    made = store(path)
    for number in range(MAX_MODELS + 5):
        made.learn(f"m{number}", [STRICT], [])
    many = [Trait(f"omit:f{number}", value=True) for number in range(MAX_TRAITS + 5)]
    made.learn("m0", many, [f"d{number}" for number in range(MAX_REFUSED_ITEMS + 5)])
    made.flush()
    known = store(path)
    assert len(known.scopes) == MAX_MODELS
    assert "m5" not in known.scopes
    assert len(known.current("m0").entries) == MAX_TRAITS
    assert known.current("m0").refused_items[-1] == f"d{MAX_REFUSED_ITEMS + 4}"
    assert len(known.current("m0").refused_items) == MAX_REFUSED_ITEMS


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'{"models": []}',
        b'{"models": {"a": 1, "b": {"traits": 2, "refused_items": {"x": 1}}}}',
        b'{"models": {"a": {"traits": [{"name": "no_such", "value": true, "source": "learnt", "since": 1, "words": ""}]}}}',
        b'{"models": {"a": {"traits": [{"name": "strict_tools", "value": "x", "source": "learnt", "since": 1, "words": ""}]}}}',
        b'{"models": {"a": {"traits": [{"name": "strict_tools", "value": false, "source": "king", "since": 1, "words": ""}]}}}',
        b" " * (MAX_FILE_BYTES + 1),
    ],
)  # fmt: skip
def test_broken_file_has_no_traits(data: bytes) -> None:
    assert all(not known.entries for known in parse_traits(data, 1.0).values())


def test_folder_that_cannot_be_written_changes_no_turn(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    made = store(tmp_path / "file" / "traits.json")
    made.learn("a", [STRICT], [])
    made.flush()
    assert made.current("a").value("strict_tools") is False
