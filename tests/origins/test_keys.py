"""Keys from everywhere that a row may name, and what is told when there are none."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from addons.core.credential import Origin, Secret, SecretHeader
from addons.core.key_places import (
    BEARER,
    X_API_KEY,
    CommandKey,
    EnvKey,
    FileKey,
    InlineKey,
    KeyPlace,
    KeySlot,
)
from addons.core.keys import KeyProblem
from addons.core.model_row import ModelRow
from addons.core.target import Target
from addons.core.translate.conversation import Dialects
from addons.origins.keys import (
    RETRY_SECONDS,
    CommandAnswer,
    KeyRing,
    RowKey,
    readable_by_others,
    run_command,
)

ORIGIN = Origin("https", "a.example", 443)
TARGET = Target("glm", "GLM", "zai", "glm-5", Dialects.CHAT, ORIGIN, "/v1/chat/completions")
CANARY = "sk-canary-0123"
PRINT = (sys.executable, "-c", f"print('{CANARY}')")


def at_once(task: Callable[[], None]) -> None:
    task()


def key(ring: KeyRing, *slots: KeySlot) -> RowKey:
    return ring.key_of(ModelRow("glm", "GLM", "zai", "glm-5", TARGET, slots), TARGET)


def slot(place: KeyPlace, *, required: bool = True) -> KeySlot:
    return KeySlot(BEARER, place, "api_key_env", required)


def ring(folder: Path, env: Mapping[str, str] | None = None) -> KeyRing:
    return KeyRing(env if env is not None else {"PATH": os.defpath}, folder, start=at_once)


def plain(found: object) -> list[bytes]:
    assert isinstance(found, tuple), found
    assert all(isinstance(header, SecretHeader) for header in found)
    return [header.name + b": " + header.value_for(ORIGIN) for header in found]


def problem(found: object) -> str:
    assert isinstance(found, KeyProblem), found
    assert CANARY not in found.message
    assert "glm (zai)" in found.message
    return found.message


def test_a_row_without_keys_sends_none(tmp_path: Path) -> None:
    assert key(ring(tmp_path)).current() == ()


def test_each_header_has_its_own_form_and_is_bound_to_the_rows_origin(tmp_path: Path) -> None:
    slots = (
        slot(InlineKey(Secret("one"))),
        KeySlot(X_API_KEY, EnvKey(("TWO",)), "extra_headers.x-api-key"),
    )
    found = key(ring(tmp_path, {"TWO": " two "}), *slots).current()
    assert plain(found) == [b"authorization: Bearer one", b"x-api-key: two"]
    assert isinstance(found, tuple)
    assert {header.bound_to for header in found} == {ORIGIN}


def test_the_first_variable_that_is_set_counts_and_is_read_at_use(tmp_path: Path) -> None:
    env: dict[str, str] = {"A": ""}
    row_key = key(ring(tmp_path, env), slot(EnvKey(("A", "B"))))
    told = problem(row_key.current())
    assert "A or B" in told
    assert row_key.missing() == told
    env["B"] = "b"
    assert plain(row_key.current()) == [b"authorization: Bearer b"]
    env["A"] = "a"
    assert plain(row_key.current()) == [b"authorization: Bearer a"]
    assert row_key.missing() == ""


def test_a_variable_that_holds_no_plain_key_is_told_without_it(tmp_path: Path) -> None:
    row_key = key(ring(tmp_path, {"A": f"{CANARY} x"}), slot(EnvKey(("A",))))
    assert "does not hold a plain key" in problem(row_key.current())


def test_what_is_not_required_is_left_out_while_it_is_empty(tmp_path: Path) -> None:
    row_key = key(ring(tmp_path), slot(EnvKey(("A",)), required=False))
    assert row_key.current() == ()
    assert row_key.missing() == ""


@pytest.mark.parametrize("name", ["key", "sub/key", "~/key", "{folder}/key"])
def test_a_file_is_found_from_the_folder_of_models_json_or_from_home(
    tmp_path: Path, name: str
) -> None:
    home = tmp_path / "home"
    for folder in (tmp_path / "sub", home):
        folder.mkdir()
        (folder / "key").write_text("k\n")
    (tmp_path / "key").write_text("k\n")
    place = FileKey(name.format(folder=tmp_path))
    row_key = key(ring(tmp_path, {"HOME": str(home)}), slot(place))
    assert plain(row_key.current()) == [b"authorization: Bearer k"]


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    row_key = key(ring(tmp_path), slot(FileKey("key")))
    assert "does not exist" in problem(row_key.current())
    (tmp_path / "key").write_text("one")
    assert plain(row_key.current()) == [b"authorization: Bearer one"]
    (tmp_path / "key").write_text("two")
    row_key.refused()
    assert plain(row_key.current()) == [b"authorization: Bearer two"]
    assert row_key.missing() == ""


@pytest.mark.parametrize("content", ["", "  \n", f"{CANARY}\n{CANARY}", "x" * 70_000])
def test_a_file_that_holds_no_plain_key_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)
    row_key = key(ring(tmp_path), slot(FileKey("key")))
    assert "does not hold one plain key" in problem(row_key.current())
    assert row_key.missing()


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "key").mkdir()
    assert "the key file" in problem(key(ring(tmp_path), slot(FileKey("key"))).current())


def test_a_file_for_its_owner_alone_is_told_from_others(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("k")
    path.chmod(0o600)
    assert not readable_by_others(path)
    for mode in (0o640, 0o604, 0o620):
        path.chmod(mode)
        assert readable_by_others(path)
    assert not readable_by_others(tmp_path / "none")


def test_a_command_prints_a_key(tmp_path: Path) -> None:
    row_key = key(ring(tmp_path), slot(CommandKey(PRINT)))
    assert plain(row_key.current()) == [b"authorization: Bearer " + CANARY.encode()]
    assert row_key.missing() == row_key.trouble() == ""


FAILING = {
    "nothing": ("pass", "did not print one plain key"),
    "two lines": (f"print('{CANARY}'); print('{CANARY}')", "did not print one plain key"),
    "exit code": (f"import sys; print('{CANARY}'); sys.exit(3)", "failed with exit code 3"),
    "stderr": (
        f"import sys; print('{CANARY}', file=sys.stderr); sys.exit(1)",
        "failed with exit code 1",
    ),
    "a question": ("print(input())", "failed with exit code 1"),
}


@pytest.mark.parametrize("case", FAILING)
def test_a_command_that_gives_no_key_is_told_without_what_it_said(
    tmp_path: Path, case: str
) -> None:
    code, reason = FAILING[case]
    row_key = key(ring(tmp_path), slot(CommandKey((sys.executable, "-c", code))))
    row_key.current()
    told = problem(row_key.current())
    assert reason in told
    assert row_key.trouble() == told
    assert row_key.missing() == "", "a command's row stays offered: its answer comes and goes"


@pytest.mark.parametrize("program", ["no-such-program", "./none", "nul\0"])
def test_a_command_that_cannot_be_started_is_told(tmp_path: Path, program: str) -> None:
    found = run_command((program,), {"PATH": os.defpath}, tmp_path)
    assert isinstance(found, KeyProblem)
    assert "could not be started" in found.message


def test_a_command_that_takes_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("addons.origins.keys.COMMAND_SECONDS", 0.2)
    found = run_command((sys.executable, "-c", "import time; time.sleep(60)"), {}, tmp_path)
    assert isinstance(found, KeyProblem)
    assert "took longer" in found.message


def test_a_command_gets_no_shell_and_its_own_arguments(tmp_path: Path) -> None:
    argv = (sys.executable, "-c", "import sys; print(len(sys.argv[1]))", "$(id); `id`")
    found = run_command(argv, {}, tmp_path)
    assert isinstance(found, Secret)
    assert found.matches(Secret("11"))


def test_a_command_cannot_read_what_the_shim_was_given_to_read(tmp_path: Path) -> None:
    reads, writes = os.pipe()
    kept = os.dup(0)
    try:
        os.write(writes, b"typed\n")
        os.dup2(reads, 0)
        found = run_command((sys.executable, "-c", "print(input())"), {}, tmp_path)
    finally:
        os.dup2(kept, 0)
        for descriptor in (reads, writes, kept):
            os.close(descriptor)
    assert isinstance(found, KeyProblem)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Program:
    """A command whose answers are set by hand, and threads that wait to be let go."""

    def __init__(self) -> None:
        self.answers: list[Secret | KeyProblem] = []
        self.runs = 0
        self.waiting: list[Callable[[], None]] = []

    def run(self, _argv: tuple[str, ...]) -> Secret | KeyProblem:
        self.runs += 1
        return self.answers.pop(0)

    def finish(self, answer: Secret | KeyProblem) -> None:
        self.answers.append(answer)
        self.waiting.pop(0)()


def answering() -> tuple[CommandAnswer, Program, Clock]:
    program, clock = Program(), Clock()
    place = CommandKey(("get-key",), 300.0)
    return CommandAnswer(place, program.run, clock, program.waiting.append), program, clock


def test_until_a_command_has_answered_the_key_is_on_its_way() -> None:
    answer, program, _ = answering()
    for _ in range(3):
        found = answer.current()
        assert isinstance(found, KeyProblem)
        assert found.passing
    assert len(program.waiting) == 1
    program.finish(secret := Secret("k"))
    assert answer.current() is secret


def test_a_command_runs_once_per_ttl_and_its_old_answer_serves_meanwhile() -> None:
    answer, program, clock = answering()
    answer.current()
    program.finish(old := Secret("old"))
    clock.now += 299
    assert answer.current() is old
    assert not program.waiting
    clock.now += 2
    assert answer.current() is old
    assert answer.current() is old
    assert len(program.waiting) == 1
    program.finish(new := Secret("new"))
    assert answer.current() is new


def test_a_command_that_fails_later_leaves_the_last_key_and_is_tried_again() -> None:
    answer, program, clock = answering()
    answer.current()
    program.finish(old := Secret("old"))
    clock.now += 301
    answer.current()
    program.finish(KeyProblem("no"))
    assert answer.current() is old
    assert not program.waiting
    clock.now += RETRY_SECONDS
    assert answer.current() is old
    assert len(program.waiting) == 1


def test_a_refused_answer_is_got_anew_at_once() -> None:
    answer, program, _ = answering()
    answer.current()
    program.finish(Secret("old"))
    answer.refused()
    answer.refused()
    found = answer.current()
    assert isinstance(found, KeyProblem)
    assert found.passing
    assert len(program.waiting) == 1
    program.finish(new := Secret("new"))
    assert answer.current() is new


def test_a_command_is_run_again_when_the_upstream_refused_its_key(tmp_path: Path) -> None:
    code = (
        "import pathlib; p = pathlib.Path('runs'); n = int(p.read_text()) + 1 if p.exists() else 1"
    )
    code += "; p.write_text(str(n)); print(f'key-{n}')"
    row_key = key(ring(tmp_path), slot(CommandKey((sys.executable, "-c", code))))
    assert plain(row_key.current()) == plain(row_key.current()) == [b"authorization: Bearer key-1"]
    row_key.refused()
    assert plain(row_key.current()) == [b"authorization: Bearer key-2"]


def test_commands_are_run_ahead_and_forgotten_with_their_rows(tmp_path: Path) -> None:
    started: list[Callable[[], None]] = []
    keys = KeyRing({}, tmp_path, start=started.append)
    place = CommandKey(("a",))
    rows = [ModelRow(name, name, "p", "m", TARGET, (slot(place),)) for name in ("one", "two")]
    keys.prepare(rows)
    assert len(started) == 1, "two rows with one command run it once"
    keys.prepare(rows)
    assert len(started) == 1
    keys.prepare([])
    assert keys.last_answer(place) is None
    keys.prepare(rows)
    assert len(started) == 2


def test_looking_for_trouble_runs_nothing(tmp_path: Path) -> None:
    started: list[Callable[[], None]] = []
    row_key = key(KeyRing({}, tmp_path, start=started.append), slot(CommandKey(("a",))))
    assert row_key.trouble() == row_key.missing() == ""
    assert started == []


def test_a_real_thread_gets_the_key(tmp_path: Path) -> None:
    row_key = key(KeyRing({"PATH": os.defpath}, tmp_path), slot(CommandKey(PRINT)))
    row_key.current()
    for thread in threading.enumerate():
        if thread.name == "auth_command":
            thread.join(20)
    assert plain(row_key.current()) == [b"authorization: Bearer " + CANARY.encode()]
    assert CANARY not in repr(row_key)
