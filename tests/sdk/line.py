"""codex-shim with rows of models.json, and client programs that run in environments of their own.

Never does: pass on the environment of the developer. Invariant: a client program prints one JSON document, and its
stderr is shown if it fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.installation import CLOSED
from tests.e2e.shim import Shim
from tests.sdk.environments import OPENAI
from tests.shim_cli.served import ForkedShim

Json = dict[str, Any]
CLIENTS = Path(__file__).parent / "clients"
_programs: dict[str, subprocess.Popen[str]] = {}


def clean_env(home: Path) -> dict[str, str]:
    """Return the environment of a child process: no access beyond this machine, and only PATH of the caller."""
    home.mkdir(parents=True, exist_ok=True)
    inherited = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), CLOSED)
    return {**inherited, **proxies, "NO_PROXY": "127.0.0.1,localhost", "HOME": str(home)}


@dataclass(frozen=True, slots=True)
class Line:
    """A running shim and the home folder of its clients."""

    shim: Shim
    env: Mapping[str, str]

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.shim.port}/v1"

    def run(self, client: str, case: str, model: str) -> Json:
        """Run one case of a client program; return what it received."""
        return run_client(self.env, client, case, self.base_url, model)


def run_client(env: Mapping[str, str], client: str, *arguments: str, stdin: str = "") -> Json:
    """Run a client program in the environment of the OpenAI SDK."""
    program = _program(client)
    assert program.stdin
    assert program.stdout
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "stdin").write_text(stdin)
        call = {"arguments": arguments, "env": dict(env), "folder": folder}
        program.stdin.write(json.dumps(call) + "\n")
        program.stdin.flush()
        code = program.stdout.readline()
        assert code == "0\n", (code, (Path(folder) / "stderr").read_text()[-4000:])
        saw: Json = json.loads((Path(folder) / "stdout").read_text())
    return saw


def _program(client: str) -> subprocess.Popen[str]:
    """Return the running client program of this name, which forks for each call."""
    if client not in _programs:
        _programs[client] = subprocess.Popen(
            [str(OPENAI.program("python")), str(CLIENTS / f"{client}.py")],
            env={"PATH": os.environ["PATH"]},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    return _programs[client]


def end_programs() -> None:
    """End the client programs of this process."""
    for program in _programs.values():
        program.communicate(timeout=20)
    _programs.clear()


@contextmanager
def line(root: Path, rows: Sequence[Mapping[str, object]]) -> Iterator[Line]:
    """Start the shim with these rows."""
    env = clean_env(root / "home")
    settings = root / "models.json"
    settings.write_text(json.dumps({"models": rows}))
    shim_env = {
        **env,
        "CODEX_SHIM_SETTINGS": str(settings),
        "CODEX_SHIM_STATE_DIR": str(root / "state"),
    }
    with ForkedShim(shim_env, root / "serve.log") as shim:
        yield Line(shim, {**env, "OPENAI_API_KEY": "sk-fabricated-local"})
