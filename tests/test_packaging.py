"""What is installed, and the files in scripts/packaging: dependency groups, Dockerfile, Homebrew formula."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.readme import ROOT
from tests.test_document_commands import parse

PACKAGING = ROOT / "scripts" / "packaging"
DOCKERFILE = (PACKAGING / "Dockerfile").read_text()
FORMULA = (PACKAGING / "codex-shim.rb").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = {one["name"]: one for one in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
DEVELOPMENT = {"hypothesis", "import-linter", "mypy", "pytest", "ruff", "zensical"}
"""Packages that only the development of codex-shim needs."""


def needed(name: str, *groups: str) -> set[str]:
    """Return the names of all packages that the lock installs for a package, with these of its groups."""
    found: set[str] = set()
    first = LOCK[name]
    waiting = [*first.get("dependencies", [])]
    waiting += [one for group in groups for one in first["dev-dependencies"][group]]
    while waiting:
        one = waiting.pop()["name"]
        if one not in found:
            found.add(one)
            waiting += LOCK[one].get("dependencies", [])
    return found


# Dependency groups ----------------------------------------------------------------------------------------


def test_running_needs_no_development_package() -> None:
    assert needed("codex-shim") & DEVELOPMENT == set()
    assert "mitmproxy" in needed("codex-shim")


def test_default_group_has_what_the_tests_need_and_no_more() -> None:
    [default] = PROJECT["tool"]["uv"]["default-groups"]
    assert needed("codex-shim", default) & DEVELOPMENT == {"hypothesis", "pytest"}


def test_script_of_a_checkout_installs_no_group() -> None:
    script = (ROOT / "scripts" / "codex-shim-install-cursor-composer").read_text()
    assert "uv run --quiet --no-default-groups " in script


def test_dev_group_has_everything() -> None:
    assert needed("codex-shim", "dev") >= DEVELOPMENT


# Dockerfile -----------------------------------------------------------------------------------------------


def instructions(name: str) -> Iterator[str]:
    """Yield the arguments of each instruction of this name."""
    text = re.sub(r"\\\n\s*", "", DOCKERFILE)
    yield from re.findall(rf"^{name} (.*)$", text, re.MULTILINE)


def test_image_runs_without_privileges_and_reports_its_health() -> None:
    assert list(instructions("USER")) == ["$UID"]
    assert "useradd --uid" in DOCKERFILE
    assert "VOLUME" in DOCKERFILE.partition("USER $UID")[2]
    [health] = instructions("HEALTHCHECK")
    assert health.endswith('CMD ["codex-shim", "status"]')


def test_image_shares_codexs_folder_and_the_state_folder() -> None:
    [volumes] = instructions("VOLUME")
    assert json.loads(volumes) == ["/home/shim/.codex", "/home/shim/.codex-shim"]
    assert all(folder in DOCKERFILE.partition("install -d")[2] for folder in json.loads(volumes))


def test_image_demands_the_local_token_because_it_listens_on_every_address() -> None:
    assert "CODEX_SHIM_REQUIRE_TOKEN=1" in DOCKERFILE
    assert all("0.0.0.0" in command for command in instructions("CMD"))  # noqa: S104  quoted


@pytest.mark.parametrize("command", instructions("CMD"))
def test_command_of_an_image_is_accepted(command: str) -> None:
    assert parse(json.loads(command)).name in {"serve", "web"}


def test_image_copies_files_that_exist_and_that_are_sent_to_the_builder() -> None:
    sent = {
        line[1:]
        for line in (PACKAGING / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for arguments in instructions("COPY")
        if not arguments.startswith("--from")
        for source in shlex.split(arguments)[:-1]
    }
    assert copied == sent
    assert all((ROOT / name).exists() for name in copied)
    project = PROJECT["project"]
    assert {project["readme"], *project["license-files"], *PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]} <= copied  # fmt: skip


def test_image_installs_no_development_package() -> None:
    syncs = [line for line in instructions("RUN") if "uv sync" in line]
    assert len(syncs) == 2
    assert all("--frozen --no-default-groups" in line for line in syncs)


# Homebrew -------------------------------------------------------------------------------------------------


def quoted(name: str) -> str:
    [value] = re.findall(rf'^  {name} "(.*)"$', FORMULA, re.MULTILINE)
    return str(value)


def test_formula_describes_this_project() -> None:
    description = PROJECT["project"]["description"]
    assert description.removeprefix("A local").strip().rstrip(".") in quoted("desc")
    assert quoted("license") == PROJECT["project"]["license"]


def test_formula_installs_the_programs_of_this_project() -> None:
    linked = set(re.findall(r'libexec/"bin/([\w-]+)"', FORMULA)) - {"python"}
    assert linked == set(PROJECT["project"]["scripts"])
    assert "--frozen" in FORMULA
    assert "--no-default-groups" in FORMULA


@pytest.mark.parametrize("arguments", ["completion bash", "serve", "list"])
def test_command_in_the_formula_is_accepted(arguments: str) -> None:
    first = arguments.split(maxsplit=1)[0]
    assert f'"{first}"' in FORMULA or f"codex-shim {first}" in FORMULA
    assert parse(arguments.split()).name == first


def test_packaging_files_name_a_supported_python() -> None:
    versions = re.findall(r"python[:@](\d+\.\d+)", DOCKERFILE + FORMULA)
    classified = {line.rpartition(" ")[2] for line in PROJECT["project"]["classifiers"]}
    assert versions
    assert set(versions) <= classified


def test_every_packaging_file_is_documented() -> None:
    page = Path(ROOT, "docs/install.md").read_text()
    names = {path.name for path in PACKAGING.iterdir() if path.suffix != ".dockerignore"}
    assert {name for name in names if f"scripts/packaging/{name}" not in page} == set()
