"""Programs that tests put on PATH: a Codex and an npm that need neither a network nor Node.js."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

FAKE_CODEX = Path(__file__).with_name("fake_codex.py")
FAKE_NPM = """\
#!{python}
import os, pathlib, sys
command, *rest = sys.argv[1:]
with open(os.environ["FAKE_NPM_LOG"], "a") as log:
    log.write(" ".join(sys.argv[1:]) + "\\n")
name, _, version = rest[-1 if command == "install" else 0].rpartition("@")
assert name == "@openai/codex", name
if version == "9.9.9":
    sys.exit("npm error code E404\\nnpm error 404 no such version")
if version == "8.8.8":
    sys.stderr.buffer.write(b"npm error code \\xff\\n")
    sys.exit(1)
if command == "view":
    print("0.172.0")
else:
    folder = pathlib.Path(rest[rest.index("--prefix") + 1], "node_modules", ".bin")
    folder.mkdir(parents=True)
    (folder / "codex").symlink_to(os.environ["FAKE_CODEX"])
"""


def program(path: Path, text: str) -> Path:
    """Write an executable script."""
    if os.name == "nt":
        pytest.skip("a script of this kind needs a POSIX system")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def fake_codex(folder: Path, plants: str = "") -> Path:
    """Return a Codex that plants what is named."""
    given = {"FAKE_CODEX_PLANTS": plants, "FAKE_CODEX_FOLDER": str(folder)}
    line = f'import os, runpy; os.environ.update({given!r}); runpy.run_path({str(FAKE_CODEX)!r}, run_name="__main__")'
    return program(folder / "codex", f"#!{sys.executable} -SE\n{line}\n")


def fake_npm(folder: Path) -> Path:
    """Return an npm that knows one package, and every version but 8.8.8, whose error is no text, and 9.9.9."""
    return program(folder / "npm", FAKE_NPM.format(python=sys.executable))
