"""GET /health: built from memory, and true to the table."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from addons.core.secrets import Secret
from addons.core.server.admission import TokenRule
from addons.core.server.health import health_report, without_folders
from addons.core.turn import Answer, ClientRequest
from tests.core.server.sources import STATUS, Setup


def test_report_joins_the_table_and_the_status() -> None:
    assert health_report(Setup().table, STATUS) == {
        "ok": True,
        "version": "1.2.3",
        "models": 2,
        "chatgpt_passthrough": True,
        "cursor_passthrough": False,
        "demo": True,
        "pid": 42,
        "uptime_seconds": 61.3,
        "live_turns": 3,
        "reasons": {"chatgpt": "logged out"},
        "problems": ["models.json: broken"],
        "quota": {},
        "unavailable": [],
        "budgets": [],
    }


def test_passthrough_is_reported_only_while_a_route_of_it_is_live() -> None:
    report = health_report(Setup(unavailable="expired").table, STATUS)
    assert (report["chatgpt_passthrough"], report["models"]) == (False, 1)


@pytest.mark.parametrize("path", ["/health", "/v1/health", "/health?x=1"])
def test_health_is_served_under_its_path(path: str) -> None:
    setup = Setup()
    reply = setup.ask("GET", path)
    assert reply.head.status == 200
    assert orjson.loads(reply.body) == health_report(setup.table, STATUS)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/jane/.codex-shim/models.json: line 1: not valid", "models.json: line 1: not valid"),
        ("no login at /home/Jane Doe/.codex/auth.json. Type `codex login`", "no login at auth.json. Type `codex login`"),
        (r"C:\Users\Jane Doe\models.json: line 1", "models.json: line 1"),
        ('the file "/srv/jane/k" is missing', 'the file "k" is missing'),
        ("see https://chatgpt.com/backend-api/codex and ~/.codex-shim/x", "see https://chatgpt.com/backend-api/codex and ~/.codex-shim/x"),
        ("and/or 1/2", "and/or 1/2"),
    ],
)  # fmt: skip
def test_only_the_last_part_of_a_path_is_left(text: str, shown: str) -> None:
    assert without_folders(text) == shown


@pytest.mark.parametrize(("shown", "tells"), [(None, False), ("wrong", False), ("right", True)])
def test_paths_are_named_only_to_a_client_that_shows_the_local_token(
    monkeypatch: pytest.MonkeyPatch, shown: str | None, tells: bool
) -> None:
    path = "/home/jane/models.json"
    status = replace(STATUS, reasons={"row": f"no key in {path}"}, problems=(f"{path}: broken",))
    monkeypatch.setattr("tests.core.server.sources.STATUS", status)
    router = Setup(token=TokenRule(required=True, expected=Secret("right"))).router
    credentials = {b"x-codex-shim-token": Secret(shown)} if shown else {}
    step = router.plan(ClientRequest("GET", "/health", (), b"", credentials)).start()
    assert isinstance(step, Answer)
    body = step.reply.body.decode()
    assert ("models.json: broken" in body, "no key in" in body) == (True, True)
    assert ("/home/jane" in body) is tells
