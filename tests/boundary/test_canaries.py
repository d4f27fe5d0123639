"""Fourteen credentials, echoed by an upstream in fifty forms, are in nothing that a person can read."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from itertools import product
from pathlib import Path

import pytest

from tests.boundary.canaries import (
    CANARIES,
    LOCAL_TOKEN,
    MARK,
    ROW_KEYS,
    Echo,
    Setup,
    Shim,
    echoes,
    echoing,
    found,
    mitmdump,
    needles_of,
)
from tests.support.client import client
from tests.support.upstream import Script
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(120)

ENDPOINTS = ("/health", "/api/models", "/api/usage", "/api/turns", "/v1/models", "/nowhere")
PROVIDERS = {"chat": "generic-chat-completion-api", "messages": "anthropic", "responses": "openai-responses"}  # fmt: skip


async def read_all_surfaces(
    setup: Setup, shim: Shim, caplog: pytest.LogCaptureFixture
) -> dict[str, bytes]:
    """What can be read while the shim runs."""
    return {
        **{path: await shim.get(path) for path in ENDPOINTS},
        "log": caplog.text.encode(),
        "terminal": setup.shown.getvalue().encode(),
    }


def check(artefacts: Mapping[str, bytes], canaries: Mapping[str, str]) -> None:
    needles = needles_of(canaries)
    assert {
        name: leaks for name, data in artefacts.items() if (leaks := found(data, canaries, needles))
    } == {}


def check_files(setup: Setup, canaries: Mapping[str, str]) -> None:
    files, views = setup.files, setup.views()
    for name in ("flows", "har"):
        assert MARK.encode() in files[str(setup.folder / name)]
    assert any(name.endswith("access.jsonl") for name in files)
    assert any(".sqlite" in name for name in files)
    assert sum(MARK.encode() in page for page in views.values()) > 4
    assert MARK in setup.shown.getvalue()
    check({**files, **views}, canaries)


def scripts(echo: Echo) -> list[Script]:
    return [
        echo.streams(),
        echo.streams(error=True),
        echo.refuses(b"400 Bad Request"),
        echo.refuses(b"401 Unauthorized"),
    ]


async def test_search_finds_every_form() -> None:
    for name, canary in CANARIES.items():
        for echo, form in zip(echoes({name: canary}), needles_of({name: canary}), strict=False):
            assert found(echo.encode(), {name: canary}, needles_of({name: canary})), form


async def test_chatgpt_route(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = Echo("responses", CANARIES)
    async with echoing(*scripts(echo), *scripts(echo)) as backend:
        setup = Setup(tmp_path, backend)
        async with mitmdump(setup) as shim:
            for codex in (True, False):
                for _ in scripts(echo):
                    assert (await shim.turn("gpt-5.5", codex=codex)).complete
            surfaces = await read_all_surfaces(setup, shim, caplog)
        turns = [one for one in backend.requests if b"/responses" in one.line]
        assert len(turns) == 2 * len(scripts(echo))
        own = {k: v for k, v in CANARIES.items() if k not in {"access token", "account"}}
        check({"sent upstream": b"".join(one.head for one in turns)}, own)
    check(surfaces, CANARIES)
    check_files(setup, CANARIES)


async def test_endpoints_beside_the_turns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = Echo("responses", CANARIES)
    answers = [echo.says(), echo.refuses(b"400 Bad Request"), echo.refuses(b"429 Too Many")]
    answers *= 2
    async with echoing(*answers) as backend:
        setup = Setup(tmp_path, backend)
        async with mitmdump(setup) as shim:
            for codex in (True, False):
                for path in (
                    "/v1/alpha/search",
                    "/v1/images/edits",
                    "/v1/alpha/notes/v2/read_file",
                ):
                    assert (await shim.turn("gpt-5.5", codex=codex, path=path)).complete
            surfaces = await read_all_surfaces(setup, shim, caplog)
        asked = [one for one in backend.requests if one.line.startswith(b"POST")]
        assert len(asked) == len(answers)
        own = {k: v for k, v in CANARIES.items() if k not in {"access token", "account"}}
        check({"sent upstream": b"".join(one.head for one in asked)}, own)
    check(surfaces, CANARIES)
    check_files(setup, CANARIES)


def row(kind: str, protocol: str, port: int, folder: Path) -> dict[str, object]:
    (folder / "key").write_text(ROW_KEYS["file"])
    (folder / "key").chmod(0o600)
    keys: dict[str, dict[str, object]] = {
        "inline": {"api_key": ROW_KEYS["inline"]},
        "file": {"api_key_file": str(folder / "key")},
        "env": {"api_key_env": "ROW_KEY"},
        "header": {"api_key": "sk-unused-1234", "extra_headers": {"x-gateway-key": ROW_KEYS["header"]}},
        "body": {"api_key": "sk-unused-1234", "extra_body": {"api_key": ROW_KEYS["body"]}},
    }  # fmt: skip
    base = f"http://127.0.0.1:{port}"
    return {"slug": kind, "model": "big", "provider": PROVIDERS[protocol], "base_url": base, **keys[kind]}  # fmt: skip


@pytest.mark.parametrize("protocol", PROVIDERS)
async def test_rows(tmp_path: Path, caplog: pytest.LogCaptureFixture, protocol: str) -> None:
    caplog.set_level(logging.DEBUG)
    canaries = {**CANARIES, **{f"row key ({kind})": key for kind, key in ROW_KEYS.items()}}
    answers: dict[str, bytes] = {}
    kinds = (
        ROW_KEYS if protocol == "chat" else {kind: ROW_KEYS[kind] for kind in ("inline", "body")}
    )
    async with AsyncExitStack() as fakes:
        rows, upstreams = {}, {}
        for kind, key in kinds.items():
            # What every turn knows is echoed in one row of each protocol; the other rows differ in their key alone.
            known = CANARIES if kind == "inline" else {}
            echo = Echo(protocol, {**known, "row key": key})
            last = echo.refuses(b"422 Unprocessable Content")
            fake = await fakes.enter_async_context(echoing(*scripts(echo), last))
            rows[kind], upstreams[kind] = row(kind, protocol, fake.port, tmp_path), fake
        setup = Setup(tmp_path, fake, rows)
        async with mitmdump(setup) as shim:
            await until(lambda: shim.shim.sources.table().resolve("inline"))
            for kind, number in product(kinds, range(5)):
                response = await shim.turn(kind, codex=number != 4)
                assert response.complete
                answers[f"head {kind} {number}"] = response.head
                # of text in pieces a client is given the pieces
                events = response.body.split(b"\n\n")
                answers[f"body {kind} {number}"] = b"".join(e for e in events if b"delta" not in e)
            surfaces = await read_all_surfaces(setup, shim, caplog)
        for kind, fake in upstreams.items():
            sent = [one for one in fake.requests if b"/codex/" not in one.line]
            assert len(sent) >= 5
            check({kind: b"".join(one.head for one in sent)}, CANARIES)
            assert ROW_KEYS[kind].encode() in b"".join(one.head + one.body for one in sent)
    if protocol != "responses":
        check(answers, canaries)
    check(surfaces, canaries)
    check_files(setup, canaries)


async def test_cursor_and_demo(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with echoing(Echo("responses", CANARIES).refuses(b"404 Not Found")) as fake:
        setup = Setup(tmp_path, fake)
        project = tmp_path / "project"
        project.mkdir()
        setup.cursor.say(" ".join(echoes(CANARIES)))
        context = f"<environment_context>\n  <cwd>{project}</cwd>\n</environment_context>"
        texts = [("user", context), ("user", MARK)]
        items = [{"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]} for role, text in texts]  # fmt: skip
        async with mitmdump(setup) as shim:
            await until(lambda: shim.shim.sources.cursor.reason == "")
            response = await shim.turn("composer-2-5", codex=True, input=items, store=False)
            assert MARK.encode() in response.body
            await shim.turn("shim-demo", codex=True)
            surfaces = await read_all_surfaces(setup, shim, caplog)
    check(surfaces, CANARIES)
    check_files(setup, CANARIES)


async def test_health_without_the_token_names_no_path(tmp_path: Path) -> None:
    async with echoing(Echo("responses", CANARIES).refuses(b"404 Not Found")) as fake:
        setup = Setup(tmp_path, fake)
        (tmp_path / "models.json").write_text("{broken")
        async with mitmdump(setup) as shim:
            surfaces = await shim.get("/health")
            assert str(tmp_path).encode() in surfaces
            for token in ("", f"{LOCAL_TOKEN}x"):
                body = await shim.get("/health", token)
                assert b"models.json" in body
                assert str(tmp_path).encode() not in body


MISPLACED = "sk-x-8Hd2Lq7Zx1Vn5Tb"
TARGETS = {
    "host of an absolute target": "POST http://{key}/v1/responses HTTP/1.1",
    "host with a port": "POST http://{key}:80/v1/responses HTTP/1.1",
    "user of an absolute target": "POST http://{key}@localhost/v1/responses HTTP/1.1",
    "CONNECT target": "CONNECT {key}:443 HTTP/1.1",
    "behind letters of a path": "POST /v1/responses{key} HTTP/1.1",
    "before letters of a path": "POST /v1/{key}responses HTTP/1.1",
    "segment of a path": "POST /{key}/responses HTTP/1.1",
    "last segment of an absolute target": "GET http://localhost/v1/x{key} HTTP/1.1",
}


async def test_key_in_the_wrong_place_of_a_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    canaries = {"misplaced key": MISPLACED}
    async with echoing(Echo("responses", CANARIES).refuses(b"404 Not Found")) as fake:
        setup = Setup(tmp_path, fake)
        async with mitmdump(setup) as shim:
            for model in (MISPLACED, f"Bearer {MISPLACED}"):
                for codex in (True, False):
                    response = await shim.turn(model, codex=codex)
                    check({"answer": response.head + response.body}, canaries)
            for line in TARGETS.values():
                async with client(shim.port) as c:
                    head = f"{line.format(key=MISPLACED)}\r\nhost: localhost\r\n"
                    c.writer.write(
                        head.encode() + b"content-length: 2\r\nconnection: close\r\n\r\n{}"
                    )
                    answer = await c.response()
                    assert answer.status >= 400
                    check({line: answer.head + answer.body}, canaries)
            surfaces = await read_all_surfaces(setup, shim, caplog)
        assert not [one for one in fake.requests if b"responses" in one.line]
    check(surfaces, canaries)
    files, views = setup.files, setup.views()
    assert b"kept-by-codex-shim" in files[str(setup.folder / "flows")]
    check({**files, **views}, canaries)
