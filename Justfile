# What the project is checked with. `just` lists the recipes.

[private]
default:
    @just --list

# Lint, formatting, types and import rules: changes nothing.
check:
    uv run ruff check .
    uv run ruff format --check .
    uv run mypy
    uv run lint-imports

# Put every file into the project's format and mend what ruff can mend.
fmt:
    uv run ruff format .
    uv run ruff check --fix .

# The tests that need nothing but Python.
test *args:
    uv run pytest {{ args }}

# Twenty times as many examples of what clients and upstreams may send, and never the same.
examples *args:
    uv run pytest --hypothesis-profile deep tests/core/translate tests/core/wire tests/core/cursor {{ args }}

# The real Codex CLI, installed from npm, against fakes on 127.0.0.1.
e2e *args:
    uv run pytest -m e2e -n 2 {{ args }}

# mitmweb and the pages in headless Chromium; $CODEX_SHIM_ARTIFACTS keeps the screenshots.
browser *args:
    uv run pytest -m browser -n 2 {{ args }}

# SDK clients and a LiteLLM proxy, in environments of their own, against fakes on 127.0.0.1.
sdk *args:
    uv run pytest -m sdk -n 2 {{ args }}

# Lines and branches of addons/ that the tests run, each at least 95 %.
coverage:
    uv run coverage erase
    uv run coverage run -m pytest --timeout 300
    uv run coverage combine --quiet
    uv run coverage report --include 'addons/*' --show-missing --skip-covered
    uv run coverage json --quiet --include 'addons/*' -o - | uv run python -m scripts.coverage_rates

# Mutants of addons/core that the tests notice: a seeded sample.
mutation *args:
    uv run python -m scripts.mutation {{ args }}

# A million odd inputs on everything that reads what others wrote.
fuzz *args:
    uv run python -m benchmarks.fuzz {{ args }}

# A hundred thousand turns, two hundred at once, with faults.
soak *args:
    uv run python -m benchmarks.soak {{ args }}

# What has to pass before a change lands.
ci:
    .ci/run
