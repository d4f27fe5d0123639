"""A Codex home with threads, in the form that Codex 0.171 writes: rollouts, state database and writer locks."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS threads (
    id TEXT PRIMARY KEY, rollout_path TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    source TEXT NOT NULL, model_provider TEXT NOT NULL, cwd TEXT NOT NULL, title TEXT NOT NULL, model TEXT);
CREATE TABLE IF NOT EXISTS thread_spawn_edges (
    parent_thread_id TEXT NOT NULL, child_thread_id TEXT NOT NULL PRIMARY KEY, status TEXT NOT NULL);
"""


def thread_id(number: int) -> str:
    return f"01a229d8-0000-7000-8000-{number:012d}"


def meta_line(thread: str, provider: str, source: object = "exec") -> bytes:
    payload = {
        "session_id": thread, "id": thread, "timestamp": "2026-11-30T00:26:36.418Z", "cwd": "/somewhere",
        "source": source, "model_provider": provider,
        "base_instructions": {"text": 'Say "model_provider":"openai" — grüße'}, "history_mode": "paginated",
    }  # fmt: skip
    return line("session_meta", payload, 0)


def settings_line(provider: str, ordinal: int) -> bytes:
    settings = {"model": "gpt-5.5", "model_provider_id": provider, "approval_policy": "never"}
    payload = {"type": "thread_settings_applied", "thread_id": "x", "thread_settings": settings}
    return line("event_msg", payload, ordinal)


def message_line(text: str, ordinal: int) -> bytes:
    content = [{"type": "input_text", "text": text}]
    return line("response_item", {"type": "message", "role": "user", "content": content}, ordinal)


def line(kind: str, payload: object, ordinal: int) -> bytes:
    record = {
        "timestamp": "2026-11-30T00:26:36.465Z",
        "ordinal": ordinal,
        "type": kind,
        "payload": payload,
    }
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def rollout(thread: str, provider: str, source: object = "exec") -> bytes:
    return (
        meta_line(thread, provider, source)
        + message_line('say session_meta and "thread_settings_applied"', 1)
        + settings_line(provider, 2)
        + message_line("hello", 3)
    )


@dataclass
class CodexThreads:
    """The threads under a home folder."""

    home: Path

    @property
    def codex(self) -> Path:
        return self.home / ".codex"

    @property
    def env(self) -> dict[str, str]:
        return {"HOME": str(self.home), "CODEX_SHIM_STATE_DIR": str(self.home / "state")}

    @property
    def database(self) -> Path:
        return self.codex / "state_5.sqlite"

    def path(self, thread: str) -> Path:
        name = f"rollout-2026-11-30T00-26-36-{thread}.jsonl"
        return self.codex / "sessions" / "2026" / "11" / "30" / name

    def begin(
        self, number: int, provider: str = "openai", title: str = "hello", source: object = "exec"
    ) -> str:
        """Write a thread with rollout and row, and return its id."""
        thread = thread_id(number)
        path = self.path(thread)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rollout(thread, provider, source))
        row = (
            thread, str(path), 1, 1_795_998_396 - number,
            source if isinstance(source, str) else json.dumps(source), provider, "/somewhere", title, "gpt-5.5",
        )  # fmt: skip
        with closing(sqlite3.connect(self.database)) as database, database:
            database.executescript(SCHEMA)
            database.execute("INSERT INTO threads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        return thread

    def begin_sub_agent(self, number: int, parent: str, provider: str = "openai") -> str:
        """Write the thread of a sub-agent, and return its id."""
        spawn = {"subagent": {"thread_spawn": {"parent_thread_id": parent, "depth": 1}}}
        thread = self.begin(number, provider, "agent", spawn)
        with closing(sqlite3.connect(self.database)) as database, database:
            database.execute(
                "INSERT INTO thread_spawn_edges VALUES (?, ?, 'open')", (parent, thread)
            )
        return thread

    def go_on(self, thread: str, provider: str) -> bytes:
        """Append what Codex writes when it resumes a thread, and return it."""
        added = settings_line(provider, 4) + message_line("more", 5)
        with self.path(thread).open("ab") as file:
            file.write(added)
        return added

    def row(self, thread: str) -> str:
        """Return the provider in the database."""
        with closing(sqlite3.connect(self.database)) as database:
            query = "SELECT model_provider FROM threads WHERE id = ?"
            provider: str = database.execute(query, (thread,)).fetchone()[0]
            return provider

    def named(self, thread: str) -> set[str]:
        """Return every provider that the rollout names."""
        found = set()
        for each in self.path(thread).read_bytes().splitlines():
            payload = json.loads(each)["payload"]
            if "model_provider" in payload:
                found.add(payload["model_provider"])
            if payload.get("type") == "thread_settings_applied":
                found.add(payload["thread_settings"]["model_provider_id"])
        return found
