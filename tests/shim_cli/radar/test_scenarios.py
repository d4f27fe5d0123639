"""The scenarios: complete, and without an effect on the machine."""

from __future__ import annotations

import orjson

from shim_cli.radar.recorder import DONE
from shim_cli.radar.scenarios import FILES, NO_PATCH, SCENARIOS, SCHEMA


def test_scenarios_have_names_of_their_own_and_end_with_a_message() -> None:
    names = [scenario.name for scenario in SCENARIOS]
    assert len(set(names)) == len(names) >= 8
    for scenario in SCENARIOS:
        items = [event["item"] for event in scenario.answers[-1] if event["type"] == "response.output_item.done"]  # fmt: skip
        assert [item["type"] for item in items if isinstance(item, dict)][-1] == "message"
        assert sum(each.traced for each in SCENARIOS) == 1
    assert DONE[-1]["type"] == "response.completed"


def test_commands_change_nothing() -> None:
    for scenario in SCENARIOS:
        for answer in scenario.answers:
            for event in answer:
                item = event.get("item")
                if isinstance(item, dict) and item.get("name") == "exec_command":
                    assert orjson.loads(item["arguments"]) == {"cmd": "true"}
                if isinstance(item, dict) and item.get("name") == "apply_patch":
                    assert item["input"] == NO_PATCH


def test_schema_is_strict() -> None:
    schema = orjson.loads(FILES[SCHEMA])
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == set(schema["properties"])
