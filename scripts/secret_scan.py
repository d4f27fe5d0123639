"""Scan the files of the checkout, and other paths, for secrets: `python -m scripts.secret_scan [PATH …]`.

Never does: print a secret. Invariant: the exit code is 1 when something was found; each finding names file, line and
kind.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from math import log2
from pathlib import Path

KINDS: tuple[tuple[str, re.Pattern[bytes]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("Anthropic key", rb"sk-ant-[A-Za-z0-9_-]{20,}"),
        ("OpenAI key", rb"sk-(?!ant-)(?:proj-|svcacct-)?[A-Za-z0-9_-]{20,}"),
        ("GitHub token", rb"gh[pousr]_[A-Za-z0-9]{30,}"),
        ("Google key", rb"AIza[A-Za-z0-9_-]{30,}"),
        ("AWS key", rb"AKIA[A-Z0-9]{16}"),
        ("Slack token", rb"xox[abprs]-[A-Za-z0-9-]{20,}"),
        ("xAI or Groq key", rb"(?:xai|gsk|nvapi)[-_][A-Za-z0-9_-]{24,}"),
        ("private key", rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
        ("JWT", rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}"),
    )
)
MIN_BITS = 3.0
"""Entropy of a character: words and placeholders such as `sk-xxxx` have less."""
PRIVATE_KEY = "private key"
FABRICATED = b"fabricated"
PLANTED = frozenset(
    {"tests/boundary/canaries.py", "tests/core/masking/test_mask.py", "tests/views/secrets.py"}
)
"""Files that hold fabricated secrets, for tests that search for them."""
MAX_BYTES = 64 * 1024 * 1024


def findings(file: Path) -> Iterator[str]:
    """Yield `file:line: kind` for every secret in a file."""
    if file.stat().st_size > MAX_BYTES:
        yield f"{file}:0: too large to be scanned"
        return
    data = file.read_bytes()
    for kind, pattern in KINDS:
        for match in pattern.finditer(data):
            if kind == PRIVATE_KEY or _is_random(match[0]):
                line = data.count(b"\n", 0, match.start()) + 1
                yield f"{file}:{line}: {kind}"


def _is_random(text: bytes) -> bool:
    has_digit = any(48 <= one <= 57 for one in text)  # noqa: PLR2004  0 to 9
    return has_digit and FABRICATED not in text and _bits(text) >= MIN_BITS


def _bits(text: bytes) -> float:
    """Return the Shannon entropy of a byte of the text."""
    shares = [text.count(one) / len(text) for one in set(text)]
    return -sum(share * log2(share) for share in shares)


def tracked(root: Path) -> list[Path]:
    """Return the files that git tracks, and new ones that it does not ignore."""
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607  the developer's git
        cwd=root,
        capture_output=True,
        check=True,
    )
    names = filter(None, done.stdout.decode().split("\0"))
    return [path for name in names if name not in PLANTED and (path := root / name).is_file()]


def scan(paths: Iterable[Path]) -> list[str]:
    """Return the findings in files, and in all files of folders."""
    files = (
        file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])
    )
    return [found for file in files if file.is_file() for found in findings(file)]


def main() -> int:
    """Scan the checkout and the paths of the command line. Return the exit code."""
    root = Path(__file__).parents[1]
    paths = [*tracked(root), *map(Path, sys.argv[1:])]
    found = scan(paths)
    for one in found:
        print(one)
    print(f"secret scan: {len(paths)} paths, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
