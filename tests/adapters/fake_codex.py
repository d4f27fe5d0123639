"""A fake Codex binary: a script with the measured output of the real one."""

from __future__ import annotations

import sys
from pathlib import Path

import orjson

SCRIPT = """#!{python}
import json, os, pathlib, subprocess, sys, time
home = pathlib.Path(os.environ["CODEX_HOME"])
(home / "tmp").mkdir()
with open({log!r}, "a") as log:
    log.write(json.dumps([sys.argv[1:], str(home)]) + "\\n")
behaviour = {behaviour!r}
if behaviour == "hang":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    open({log!r} + ".pid", "w").write(str(child.pid))
    time.sleep(60)
if behaviour == "broken":
    sys.exit("no")
if sys.argv[1:] == ["--version"]:
    print("codex-cli {version}")
elif sys.argv[1:] == ["debug", "models", "--bundled"]:
    if behaviour == "no catalog":
        sys.exit("no")
    sys.stdout.write({bundled!r})
elif sys.argv[1:3] == ["debug", "models"]:
    path = sys.argv[4].split("=", 1)[1].strip('"')
    if behaviour == "refuse":
        sys.exit("Error: failed to parse model_catalog_json path `%s` as JSON: missing field `slug`" % path)
    json.load(open(path))
"""


class FakeCodex:
    """One script in `folder`. `calls` holds the arguments and CODEX_HOME of each run."""

    def __init__(self, folder: Path, *, version: str = "0.169.0", behaviour: str = "") -> None:
        self.log = folder / "calls.log"
        self.binary = folder / "codex"
        self.bundled = {"models": [{"slug": f"bundled-{version}"}]}
        text = SCRIPT.format(
            python=sys.executable,
            log=str(self.log),
            behaviour=behaviour,
            version=version,
            bundled=orjson.dumps(self.bundled).decode(),
        )
        self.binary.write_text(text)
        self.binary.chmod(0o755)

    @property
    def calls(self) -> list[tuple[list[str], Path]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [(arguments, Path(home)) for arguments, home in map(orjson.loads, lines)]
