"""Build the docs site from README.md, docs/ and the other documents: `uv run --group docs python -m scripts.docs_site`.

The documents are copied into a folder with the layout of the repository, so that the links between them work as they are.
The build is strict: a broken link or anchor fails it. So does a page that loads anything from another server.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONFIG = "docs/zensical.toml"
COPIED = (
    "*.md", "LICENSE", "pyproject.toml", "certs/*.md", "docs/**/*", "scripts/packaging/*", "tests/field/LOG.md",
)  # fmt: skip
"""The documents, and the files that they link to."""
LOADED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*?\bsrc=["']?(?P<src>(?:https?:)?//[^"'\s>]+)"""
    r"""|<link\b(?=[^>]*\brel=["']?(?:stylesheet|icon|preconnect|preload|modulepreload))[^>]*?\bhref=["']?"""
    r"""(?P<link>(?:https?:)?//[^"'\s>]+)"""
    r"""|(?:url\(|@import\s)["']?(?P<css>(?:https?:)?//[^"'\s)]+)"""
)
"""What a browser loads by itself, unlike a link that a reader follows."""


def copy_documents(target: Path) -> None:
    """Copy the documents into a folder, each to the path that it has in the repository."""
    for pattern in COPIED:
        for path in ROOT.glob(pattern):
            if path.is_file() and "__pycache__" not in path.parts:
                copied = target / path.relative_to(ROOT)
                copied.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copied)


def loaded_from_elsewhere(text: str) -> Iterator[str]:
    """Yield the addresses on other servers that a page or a style sheet loads."""
    for found in LOADED.finditer(text):
        yield found["src"] or found["link"] or found["css"]


def build(target: Path) -> list[str]:
    """Build the site into a folder, which is replaced. Return the problems."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder)
        copy_documents(stage / "pages")
        shutil.copyfile(ROOT / CONFIG, stage / "zensical.toml")
        command = [sys.executable, "-m", "zensical", "build", "--strict"]
        done = subprocess.run(  # noqa: S603  a fixed command line
            command,
            cwd=stage,
            env={**os.environ, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        site = stage / "site"
        if done.returncode or not (site / "index.html").is_file():
            return [(done.stdout + done.stderr).partition("Traceback")[0]]
        problems = [
            f"{page.relative_to(site)} loads {address}"
            for page in sorted([*site.rglob("*.html"), *site.rglob("*.css")])
            for address in loaded_from_elsewhere(page.read_text())
        ]
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(site, target)
    return problems


def main() -> int:
    """Build the site. Return 1 if there is a problem."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "artifacts" / "site")
    output = parser.parse_args().output
    problems = build(output)
    sys.stdout.write("\n".join(problems) + "\n" if problems else f"{output / 'index.html'}\n")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
