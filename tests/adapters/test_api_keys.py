"""Keys from every source that a row may name, and the messages when there is none."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from addons.adapters.api_keys import (
    RETRY_SECONDS,
    CommandOutput,
    KeyRing,
    RowKey,
    is_open_to_others,
    run_command,
)
from addons.core.secrets import Origin, Secret, SecretHeader
from addons.core.settings.key_refs import (
    CommandKey,
    EnvKey,
    FileKey,
    InlineKey,
    KeyRef,
    SecretHeaderSpec,
)
from addons.core.settings.row import ModelRow
from addons.core.upstream.api_keys import BEARER, X_API_KEY, KeyProblem
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target

ORIGIN = Origin("https", "a.example", 443)
TARGET = Target("glm", "GLM", "zai", "glm-5", Protocol.CHAT, ORIGIN, "/v1/chat/completions")
CANARY = "sk-canary-0123"
PRINT = (sys.executable, "-c", f"print('{CANARY}')")


def run_now(task: Callable[[], None]) -> None:
    task()


def key(ring: KeyRing, *headers: SecretHeaderSpec) -> RowKey:
    return ring.key_for(ModelRow("glm", "GLM", "zai", "glm-5", TARGET, headers), TARGET)


def header(ref: KeyRef, *, required: bool = True) -> SecretHeaderSpec:
    return SecretHeaderSpec(BEARER, ref, "api_key_env", required)


def ring(folder: Path, env: Mapping[str, str] | None = None) -> KeyRing:
    return KeyRing(env if env is not None else {"PATH": os.defpath}, folder, start=run_now)


def plain(found: object) -> list[bytes]:
    assert isinstance(found, tuple), found
    assert all(isinstance(each, SecretHeader) for each in found)
    return [each.name + b": " + each.value_for(ORIGIN) for each in found]


def problem(found: object) -> str:
    assert isinstance(found, KeyProblem), found
    assert CANARY not in found.message
    assert "glm (zai)" in found.message
    return found.message


def test_row_without_keys_sends_none(tmp_path: Path) -> None:
    assert key(ring(tmp_path)).current() == ()


def test_each_header_has_its_scheme_and_is_bound_to_the_origin(tmp_path: Path) -> None:
    specs = (
        header(InlineKey(Secret("one"))),
        SecretHeaderSpec(X_API_KEY, EnvKey(("TWO",)), "extra_headers.x-api-key"),
    )
    found = key(ring(tmp_path, {"TWO": " two "}), *specs).current()
    assert plain(found) == [b"authorization: Bearer one", b"x-api-key: two"]
    assert isinstance(found, tuple)
    assert {each.bound_to for each in found} == {ORIGIN}


def test_first_set_variable_is_read_at_use(tmp_path: Path) -> None:
    env: dict[str, str] = {"A": ""}
    row_key = key(ring(tmp_path, env), header(EnvKey(("A", "B"))))
    message = problem(row_key.current())
    assert "A or B" in message
    assert row_key.missing_reason() == message
    env["B"] = "b"
    assert plain(row_key.current()) == [b"authorization: Bearer b"]
    env["A"] = "a"
    assert plain(row_key.current()) == [b"authorization: Bearer a"]
    assert row_key.missing_reason() == ""


def test_invalid_variable_is_reported_without_its_value(tmp_path: Path) -> None:
    row_key = key(ring(tmp_path, {"A": f"{CANARY} x"}), header(EnvKey(("A",))))
    assert "does not hold a plain key" in problem(row_key.current())


def test_optional_header_is_omitted_while_it_has_no_key(tmp_path: Path) -> None:
    row_key = key(ring(tmp_path), header(EnvKey(("A",)), required=False))
    assert row_key.current() == ()
    assert row_key.missing_reason() == ""


@pytest.mark.parametrize("name", ["key", "sub/key", "~/key", "{folder}/key"])
def test_key_file_path_is_relative_to_models_json_or_home(tmp_path: Path, name: str) -> None:
    home = tmp_path / "home"
    for folder in (tmp_path / "sub", home):
        folder.mkdir()
        (folder / "key").write_text("k\n")
    (tmp_path / "key").write_text("k\n")
    ref = FileKey(name.format(folder=tmp_path))
    row_key = key(ring(tmp_path, {"HOME": str(home)}), header(ref))
    assert plain(row_key.current()) == [b"authorization: Bearer k"]


def test_changed_key_file_is_read_again(tmp_path: Path) -> None:
    row_key = key(ring(tmp_path), header(FileKey("key")))
    assert "does not exist" in problem(row_key.current())
    (tmp_path / "key").write_text("one")
    assert plain(row_key.current()) == [b"authorization: Bearer one"]
    (tmp_path / "key").write_text("two")
    row_key.refused()
    assert plain(row_key.current()) == [b"authorization: Bearer two"]
    assert row_key.missing_reason() == ""


@pytest.mark.parametrize("content", ["", "  \n", f"{CANARY}\n{CANARY}", "x" * 70_000])
def test_key_file_without_a_plain_key_is_reported(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)
    row_key = key(ring(tmp_path), header(FileKey("key")))
    assert "does not hold one plain key" in problem(row_key.current())
    assert row_key.missing_reason()


def test_unreadable_key_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "key").mkdir()
    assert "the key file" in problem(key(ring(tmp_path), header(FileKey("key"))).current())


def test_file_mode_decides_whether_others_can_open_it(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("k")
    path.chmod(0o600)
    assert not is_open_to_others(path)
    for mode in (0o640, 0o604, 0o620):
        path.chmod(mode)
        assert is_open_to_others(path)
    assert not is_open_to_others(tmp_path / "none")


def test_command_prints_a_key(tmp_path: Path) -> None:
    row_key = key(ring(tmp_path), header(CommandKey(PRINT)))
    assert plain(row_key.current()) == [b"authorization: Bearer " + CANARY.encode()]
    assert row_key.missing_reason() == row_key.command_problem() == ""


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
def test_command_without_a_key_is_reported_without_its_output(tmp_path: Path, case: str) -> None:
    code, reason = FAILING[case]
    row_key = key(ring(tmp_path), header(CommandKey((sys.executable, "-c", code))))
    row_key.current()
    message = problem(row_key.current())
    assert reason in message
    assert row_key.command_problem() == message
    assert row_key.missing_reason() == "", (
        "a row with a command stays offered, because the next run may succeed"
    )


@pytest.mark.parametrize("program", ["no-such-program", "./none", "nul\0"])
def test_command_that_cannot_start_is_reported(tmp_path: Path, program: str) -> None:
    found = run_command((program,), {"PATH": os.defpath}, tmp_path)
    assert isinstance(found, KeyProblem)
    assert "could not be started" in found.message


def test_command_that_takes_too_long_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("addons.adapters.api_keys.COMMAND_SECONDS", 0.2)
    found = run_command((sys.executable, "-c", "import time; time.sleep(60)"), {}, tmp_path)
    assert isinstance(found, KeyProblem)
    assert "took longer" in found.message


def test_command_runs_without_a_shell(tmp_path: Path) -> None:
    argv = (sys.executable, "-c", "import sys; print(len(sys.argv[1]))", "$(id); `id`")
    found = run_command(argv, {}, tmp_path)
    assert isinstance(found, Secret)
    assert found.matches(Secret("11"))


def test_command_cannot_read_the_standard_input_of_the_shim(tmp_path: Path) -> None:
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
    """A command with scripted results, whose threads run when the test says so."""

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


def answering() -> tuple[CommandOutput, Program, Clock]:
    program, clock = Program(), Clock()
    ref = CommandKey(("get-key",), 300.0)
    return CommandOutput(ref, program.run, clock, program.waiting.append), program, clock


def test_key_is_pending_until_the_command_ends() -> None:
    answer, program, _ = answering()
    for _ in range(3):
        found = answer.current()
        assert isinstance(found, KeyProblem)
        assert found.is_pending
    assert len(program.waiting) == 1
    program.finish(secret := Secret("k"))
    assert answer.current() is secret


def test_command_runs_once_per_ttl_and_its_old_output_is_used_meanwhile() -> None:
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


def test_later_failure_keeps_the_last_key_and_is_retried() -> None:
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


def test_refused_key_is_fetched_again_at_once() -> None:
    answer, program, _ = answering()
    answer.current()
    program.finish(Secret("old"))
    answer.refused()
    answer.refused()
    found = answer.current()
    assert isinstance(found, KeyProblem)
    assert found.is_pending
    assert len(program.waiting) == 1
    program.finish(new := Secret("new"))
    assert answer.current() is new


def test_command_runs_again_after_its_key_was_refused(tmp_path: Path) -> None:
    code = (
        "import pathlib; p = pathlib.Path('runs'); n = int(p.read_text()) + 1 if p.exists() else 1"
    )
    code += "; p.write_text(str(n)); print(f'key-{n}')"
    row_key = key(ring(tmp_path), header(CommandKey((sys.executable, "-c", code))))
    assert plain(row_key.current()) == plain(row_key.current()) == [b"authorization: Bearer key-1"]
    row_key.refused()
    assert plain(row_key.current()) == [b"authorization: Bearer key-2"]


def test_commands_run_before_the_first_turn_and_are_forgotten_with_their_rows(
    tmp_path: Path,
) -> None:
    started: list[Callable[[], None]] = []
    keys = KeyRing({}, tmp_path, start=started.append)
    ref = CommandKey(("a",))
    rows = [ModelRow(name, name, "p", "m", TARGET, (header(ref),)) for name in ("one", "two")]
    keys.prepare(rows)
    assert len(started) == 1, "two rows with one command run it once"
    keys.prepare(rows)
    assert len(started) == 1
    keys.prepare([])
    assert keys.last_output(ref) is None
    keys.prepare(rows)
    assert len(started) == 2


def test_checking_for_problems_runs_no_command(tmp_path: Path) -> None:
    started: list[Callable[[], None]] = []
    row_key = key(KeyRing({}, tmp_path, start=started.append), header(CommandKey(("a",))))
    assert row_key.command_problem() == row_key.missing_reason() == ""
    assert started == []


def test_real_thread_fetches_the_key(tmp_path: Path) -> None:
    row_key = key(KeyRing({"PATH": os.defpath}, tmp_path), header(CommandKey(PRINT)))
    row_key.current()
    for thread in threading.enumerate():
        if thread.name == "auth_command":
            thread.join(20)
    assert plain(row_key.current()) == [b"authorization: Bearer " + CANARY.encode()]
    assert CANARY not in repr(row_key)
