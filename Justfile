# Development tasks. `just` lists them.

[private]
default:
    @just --list

# Lint, formatting, types, import rules and layout. Changes no file.
check:
    uv run --group lint ruff check .
    uv run --group lint ruff format --check .
    uv run --group dev mypy
    uv run --group lint lint-imports
    uv run python -m scripts.structure

# Format every file and apply the fixes that ruff can make.
fmt:
    uv run --group lint ruff format .
    uv run --group lint ruff check --fix .

# The tests that need only Python.
test *args:
    uv run pytest {{ args }}

# Fifty times as many random examples of client and upstream input, different in every run.
examples *args:
    uv run pytest --hypothesis-profile deep tests/core/protocols tests/core/cursor {{ args }}

# The real Codex CLI, installed from npm, against fakes on 127.0.0.1.
e2e *args:
    uv run pytest -m e2e -n 2 {{ args }}

# mitmweb and the pages in headless Chromium; $CODEX_SHIM_ARTIFACTS keeps the screenshots.
browser *args:
    uv run pytest -m browser -n 2 {{ args }}

# SDK clients and a LiteLLM proxy, each in its own environment, against fakes on 127.0.0.1.
sdk *args:
    uv run pytest -m sdk -n 2 {{ args }}

# Line and branch coverage of addons/, each at least 95 %.
coverage:
    uv run coverage erase
    uv run coverage run -m pytest --timeout 300
    uv run coverage combine --quiet
    uv run coverage report --include 'addons/*' --show-missing --skip-covered
    uv run coverage json --quiet --include 'addons/*' -o - | uv run python -m scripts.coverage_rates

# The share of mutants of addons/core that the tests kill, for a seeded sample.
mutation *args:
    uv run python -m scripts.mutation {{ args }}

# A million mutated inputs for every parser of external data.
fuzz *args:
    uv run python -m benchmarks.fuzz {{ args }}

# Simulated clients, upstreams and faults in virtual time: a minute, or `--events 10000000`.
simulation *args:
    uv run python -m benchmarks.simulation {{ args }}

# A hundred thousand turns with faults, two hundred at a time.
soak *args:
    uv run python -m benchmarks.soak {{ args }}

# The docs site, in artifacts/site: a broken link or a file that is loaded from another server fails it.
docs:
    uv run --group docs python -m scripts.docs_site

# The terminal and the badges of README.md.
pictures:
    uv run python -m scripts.pictures

# The number of files that one turn executes, for each kind of upstream.
turn-files *args:
    uv run python -m scripts.turn_files {{ args }}

# Everything that must pass before a change is merged.
ci:
    .ci/run
