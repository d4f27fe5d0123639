"""doctor changes nothing and shows no secret, on a home full of files and secrets."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from addons.core.codex.catalog import codex_shape, fallback_entries
from tests.adapters.fake_codex import FakeCodex
from tests.fakes.account import Account
from tests.shim_cli.doctor.findings import put
from tests.shim_cli.run import START, environment, finished

ROWS = [
    {"model": "a", "provider": "deepseek", "api_key": "sk-inline-hush"},
    {"model": "b", "provider": "mine", "base_url": "https://b.example/v1", "api_key_env": "B_KEY"},
    {"model": "c", "provider": "deepseek", "api_key_file": "c.key"},
    {
        "model": "d",
        "provider": "deepseek",
        "auth_command": "/bin/cat",
        "auth_args": ["sk-arg-hush"],
    },
    {
        "model": "e",
        "provider": "deepseek",
        "api_key": "sk-broken-hush",
        "base_url": "http://u:p-hush@x",
    },
]
CONFIG = """
model_provider = "codex_shim"
openai_base_url = "http://user:url-hush@127.0.0.1:9/v1"
[model_providers.codex_shim]
name = "codex-shim"
base_url = "http://127.0.0.1:9/v1"
experimental_bearer_token = "sk-config-hush"
"""
# Runs the CLI with an audit hook that rejects file changes outside of Codex's temporary folder, and logs child processes
# and network connections to a file.
GUARD = """
import json, os, sys, tempfile
sys.dont_write_bytecode = True
allowed = os.path.realpath(tempfile.gettempdir())
CHANGES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.chmod", "os.chown", "os.link", "os.symlink",
           "os.truncate", "os.utime", "shutil.rmtree", "shutil.copyfile", "shutil.move"}
log = open(os.environ["GUARD_LOG"], "a")
WATCHED = {"subprocess.Popen": 1, "os.posix_spawn": 1, "os.exec": 1, "os.system": 0, "os.fork": None, "os.forkpty": None,
           "socket.connect": 1, "socket.sendto": 1, "socket.getaddrinfo": 0}
def guard(event, args):
    if event in WATCHED:
        at = WATCHED[event]
        print(json.dumps([event, args[at] if at is not None else ""], default=str), file=log, flush=True)
        return
    if event == "open":
        path, mode, flags = args
        if not isinstance(path, (str, bytes)) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
    elif event not in CHANGES:
        return
    for path in args[:1]:
        folder = f"/proc/self/fd/{args[-1]}" if event in ("os.remove", "os.rmdir") and args[-1] >= 0 else ""
        place = os.path.realpath(os.path.join(folder, os.fsdecode(path)))
        if not place.startswith((allowed + "/codex-shim-", "/dev/")):
            raise AssertionError(f"doctor must not write: {event} {place}")
sys.addaudithook(guard)
"""
VIOLATIONS = """
import contextlib, socket, subprocess
subprocess.run([os.environ["CODEX_BIN"], "--version"], env={**os.environ, "CODEX_HOME": tempfile.mkdtemp(prefix="codex-shim-")})
subprocess.run([sys.executable, "-c", ""])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, contextlib.suppress(OSError):
    other.connect(("127.0.0.1", 9))
    other.connect(("192.0.2.1", 9))
with contextlib.suppress(OSError):
    socket.getaddrinfo("nobody.invalid", 9, flags=socket.AI_NUMERICHOST)
"""


@pytest.fixture
def full(tmp_path: Path) -> tuple[dict[str, str], list[str]]:
    """A home with a login, every kind of key and an enabled config; and the secrets in it."""
    home = tmp_path / "home"
    account = Account()
    (home / ".codex").mkdir(parents=True)
    account.write(home / ".codex")
    put(home / ".codex" / "config.toml", CONFIG)
    put(home / ".codex-shim" / "models.json", json.dumps(ROWS))
    put(home / ".codex-shim" / "c.key", "sk-file-hush")
    put(home / "state" / "token", "local-hush\n")
    put(home / "state" / "custom_model_catalog.json", json.dumps(codex_shape(fallback_entries())))
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    env = environment(
        home,
        {
            "B_KEY": "sk-env-hush",
            "HTTPS_PROXY": "http://user:proxy-hush@proxy.example:3128",
            "TMPDIR": str(temporary),
            "CODEX_BIN": str(FakeCodex(tmp_path).binary),
            "GUARD_LOG": str(tmp_path / "guard.log"),
        },
    )
    return env, [*account.secrets.values(), "hush"]


def state_of(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Every file and folder below, with its mode, its time and what is in it."""
    return {
        str(path): (
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in (folder, *folder.rglob("*"))
    }


@pytest.mark.skipif(sys.platform != "linux", reason="the guard resolves descriptors through /proc")
@pytest.mark.parametrize("about", ["all", "models", "picker"])
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_doctor_writes_nothing_and_shows_no_secret(
    full: tuple[dict[str, str], list[str]], about: str, form: tuple[str, ...]
) -> None:
    env, secrets = full
    home = Path(env["HOME"])
    before = state_of(home)

    command = [*START, "doctor", about, "--port", "9", *form]
    ran = finished(command, {**env, "CODEX_SHIM_DEBUG": "1"}, home, before=GUARD)

    assert "must not write" not in ran.stderr
    assert ran.stderr == ""
    assert ran.stdout.count("INFO") > 3
    assert [secret for secret in secrets if secret in ran.stdout] == []
    assert state_of(home) == before
    assert list(Path(env["TMPDIR"]).iterdir()) == []
    assert violations(Path(env["GUARD_LOG"]), env["CODEX_BIN"]) == []


def violations(log: Path, codex: str) -> list[list[object]]:
    """Return the logged processes other than read-only Codex runs, and connections to other machines."""
    return [
        [event, what]
        for event, what in map(json.loads, log.read_text().splitlines())
        if not (what[0] == codex and what[1] in {"--version", "debug"})
        and not (event.startswith("socket.") and what[0] in {"127.0.0.1", "::1"})
        and not (event == "socket.getaddrinfo" and what in {"127.0.0.1", "::1"})
    ]


def test_guard_detects_a_write(full: tuple[dict[str, str], list[str]], tmp_path: Path) -> None:
    env, _ = full

    ran = finished([*START, "list"], {**env, "CODEX_SHIM_DEBUG": "1"}, tmp_path, before=GUARD)

    assert "doctor must not write: open" in ran.stderr
    assert violations(Path(env["GUARD_LOG"]), env["CODEX_BIN"]) == []


def test_guard_detects_a_process_and_a_connection(full: tuple[dict[str, str], list[str]]) -> None:
    env, _ = full

    subprocess.run(
        [sys.executable, "-P", "-B", "-c", GUARD + VIOLATIONS], env=env, check=True, timeout=50
    )

    found = {event for event, _ in violations(Path(env["GUARD_LOG"]), env["CODEX_BIN"])}
    assert found >= {"subprocess.Popen", "socket.connect", "socket.getaddrinfo"}
