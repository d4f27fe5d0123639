"""What counts of a request, and what differs in each run of Codex."""

from __future__ import annotations

import orjson

from addons.core.cassette.comparison import comparable, first_difference


def request(folder: str, day: str, chunk: str, identity: str, output: str = "seen") -> str:
    """Return a request of Codex 0.171.0, shortened: a prompt, a call and its output."""
    context = (
        f"<environment_context>\n  <cwd>{folder}</cwd>\n  <current_date>{day}</current_date>\n"
        "</environment_context>"
    )
    skills = f"## Skills\n- `r0` = `{folder}/../home/skills`\n### Available skills"
    measured = (
        f"Chunk ID: {chunk}\nWall time: 0.{len(folder)} seconds\nProcess exited with code 0\n"
        f"Original token count: {len(folder)}\nOutput:\n{output}\n{folder}\n"
    )
    return orjson.dumps(
        {
            "model": "m",
            "input": [
                {"type": "message", "id": f"msg_{identity}", "content": [{"text": skills}]},
                {"type": "message", "id": f"msg_{identity}", "content": [{"text": context}]},
                {"type": "function_call", "call_id": "c1", "arguments": f'{{"cmd":"ls {folder}"}}'},
                {"type": "function_call_output", "id": f"fco_{identity}", "call_id": "c1", "output": measured},
            ],
            "prompt_cache_key": identity,
            "client_metadata": {"turn_id": identity},
        }
    ).decode()  # fmt: skip


FIRST = request("/home/me/a", "2026-11-30", "bd3b21", "01a2")


def test_two_runs_of_one_prompt_are_equal() -> None:
    second = request("/home/me/project", "2026-12-01", "9d8b1e", "01b3")
    assert first_difference(comparable(FIRST), comparable(second)) is None


def difference(recorded: object, sent: object) -> str:
    return str(first_difference(recorded, sent))


def test_first_difference_is_named_with_its_place() -> None:
    other = request("/home/me/a", "2026-11-30", "bd3b21", "01a2", output="gone")
    found = difference(comparable(FIRST), comparable(other))
    assert found.startswith("at input[3].output, character 36: recorded ")
    assert "seen" in found
    assert "gone" in found


def test_every_other_value_counts() -> None:
    recorded = {"a": [1, {"b": "same text"}], "c": None}
    assert difference(recorded, {**recorded, "a": [1]}) == 'at a[1]: recorded {"b":"same text"}, sent nothing'  # fmt: skip
    assert difference(recorded, {**recorded, "d": 1}) == "at d: recorded nothing, sent 1"
    assert difference({"a": 1}, {"a": True}) == "at a: recorded 1, sent true"
    assert difference({"a": 1}, {"a": 1.0}) == "at a: recorded 1, sent 1.0"
    assert difference("text", "tex") == "at the body, character 4: recorded 'text', sent 'tex'"
    long = difference({"a": "x" * 100 + "1"}, {"a": "x" * 100 + "2"})
    assert long == f"at a, character 101: recorded '{'x' * 20}1', sent '{'x' * 20}2'"
    assert len(difference({"a": "x" * 900}, {"a": "y"})) < 200


def test_body_that_is_no_object_is_compared_as_it_is() -> None:
    assert comparable("not json") == "not json"
    assert comparable("[1]") == [1]


def test_id_of_another_member_counts() -> None:
    assert comparable('{"tool":{"id":"x"}}') == {"tool": {"id": "x"}}
