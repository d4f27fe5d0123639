"""A program that behaves as Codex does on its command line, for tests of what runs Codex.

Asks for a version, a catalog or a run; a run posts its turns until an answer has no calls. `FAKE_CODEX_PLANTS` names what it
plants: `header`, `item`, `tool`, `event`, or a behaviour: `silent` (it sends no turn), `hangs`, `fails`, `leaves`, `babbles`.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

VERSION = "0.172.0"


def main() -> None:
    """Run."""
    arguments, plants = sys.argv[1:], os.environ.get("FAKE_CODEX_PLANTS", "").split()
    if "fails" in plants:
        sys.exit("Error: a made-up reason")
    if arguments == ["--version"]:
        sys.stdout.write(f"codex-cli {VERSION}\n")
    elif arguments[:2] == ["debug", "models"] and "babbles" in plants:
        sys.stdout.write("no such command\n")
    elif arguments[:2] == ["debug", "models"]:
        entry = {"slug": "gpt-5.5", "visibility": "list", "planted_key": 1}
        lite = {"slug": "gpt-6-sol", "visibility": "list", "use_responses_lite": True}
        sys.stdout.write(json.dumps({"models": [entry, lite]}))
    elif "exec" in arguments:
        run(arguments, plants)


def run(arguments: list[str], plants: list[str]) -> None:
    """Post the turns of one run."""
    if "leaves" in plants:
        leave_processes(Path(os.environ["FAKE_CODEX_FOLDER"]))
    if "hangs" in plants:
        time.sleep(600)
    if "silent" in plants:
        sys.exit("Error: nothing to do")
    config = dict(
        pair.split("=", 1) for flag, pair in itertools.pairwise(arguments) if flag == "-c"
    )
    base = json.loads(config["model_providers.codex_shim.base_url"])
    token = os.environ.get("CODEX_SHIM_TOKEN", "")
    if not token:
        check_isolation(str(config))
    items: list[object] = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
    ]
    if "item" in plants:
        items.append({"type": "planted_item"})
    tools = [{"type": "function", "name": "planted_tool"}] if "tool" in plants else []
    body = {"model": json.loads(config["model"]), "input": items, "tools": tools, "stream": True}
    headers = {
        "content-type": "application/json",
        "originator": "codex_exec",
        **({"x-planted": "1"} if "header" in plants else {}),
        **({"x-codex-shim-token": token} if token else {}),
    }
    while True:
        stream = post(base, json.dumps(body), headers)
        events = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]
        if os.environ.get("RUST_LOG"):
            trace(events, plants)
        done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
        items += done
        if not any(item["type"].endswith("_call") for item in done):
            return


def check_isolation(config: str) -> None:
    """Fail unless this run has a folder of its own, no network, and a login exactly if its provider requires one."""
    home = Path(os.environ["CODEX_HOME"])
    assert os.environ["HTTPS_PROXY"].endswith(":9")
    assert os.environ["HOME"] == str(home)
    assert (home / "auth.json").exists() == ("requires_openai_auth" in config)


def leave_processes(folder: Path) -> None:
    """Start two programs that keep stderr open, one of them in a session of its own, and note their ids."""
    sleep = [sys.executable, "-SE", "-c", "import time; time.sleep(600)"]
    left = [subprocess.Popen(sleep, start_new_session=own) for own in (False, True)]
    with (folder / "left").open("a") as ids:
        ids.writelines(f"{one.pid}\n" for one in left)


def post(base: str, body: str, headers: dict[str, str]) -> str:
    """Post one turn and return its answer."""
    parts = urlsplit(base)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    connection.request("POST", f"{parts.path}/responses", body, headers)
    return connection.getresponse().read().decode()


def trace(events: list[dict[str, object]], plants: list[str]) -> None:
    """Name the events that are ignored, on stderr."""
    for event in events:
        if event["type"] == "response.queued" and "event" not in plants:
            sys.stderr.write(f"TRACE codex_api: unhandled responses event: {event['type']}\n")


if __name__ == "__main__":
    main()
