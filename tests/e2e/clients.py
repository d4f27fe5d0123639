"""Installs what the e2e, SDK and browser tests run: `python -m tests.e2e.clients`.

The tests install what is missing. CI runs this beside steps that need none of it, so that no test waits for a download.
"""

from __future__ import annotations

from tests.e2e.installation import OLDEST, PREVIOUS, VERSION, installed_codex, installed_package
from tests.sdk.environments import LITELLM, OPENAI
from tests.support import axe


def main() -> None:
    """Install everything and print where it is."""
    for version in (VERSION, PREVIOUS, OLDEST):
        print(installed_codex(version))  # noqa: T201
    print(installed_package("axe-core", axe.VERSION))  # noqa: T201
    for environment in (OPENAI, LITELLM):
        print(environment.program("python"))  # noqa: T201


if __name__ == "__main__":
    main()
