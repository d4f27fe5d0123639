"""The preparations of a user's machine that transcripts refer to."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from addons.adapters.ledger.turn_log import TurnLogWriter
from tests.adapters.codex.codex_threads import CodexThreads, thread_id
from tests.adapters.fake_codex import FakeCodex
from tests.adapters.records import turn
from tests.fakes.account import Account
from tests.shim_cli.daemons import User
from tests.shim_cli.health_server import HEALTHY, answering
from tests.shim_cli.usage.quotas import write_quota_turns

ROWS: list[dict[str, object]] = [
    {"model": "m/one", "slug": "one", "display_name": "First One", "provider": "openai",
     "base_url": "http://127.0.0.1:9/v1", "api_key": "sk-golden-hush", "max_context_limit": 128000},
    {"model": "m/two", "slug": "two", "display_name": "Second One", "provider": "openai",
     "base_url": "http://127.0.0.1:9/v1", "api_key": "sk-golden-hush"},
    {"model": "m/off", "slug": "off", "provider": "openai", "base_url": "http://127.0.0.1:9/v1",
     "api_key_env": "NO_SUCH_KEY"},
]  # fmt: skip
ECHO = """#!{python}
import sys
if "debug" in sys.argv:
    print('{{"models": [{{"slug": "bundled"}}]}}')
    sys.exit(0)
if "--version" in sys.argv:
    print("codex-cli 0.169.0")
    sys.exit(0)
print("codex was given", sys.argv[-1])
sys.exit(7)
"""


@dataclass
class Stage:
    """One user, their environment, and the servers to stop at the end."""

    user: User
    stack: ExitStack
    env: dict[str, str] = field(default_factory=dict)


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def own_models(stage: Stage) -> None:
    _write(stage.user.home / ".codex-shim" / "models.json", json.dumps({"models": ROWS}))


def budgets(stage: Stage) -> None:
    budgets = [{"per": "day", "dollars": 5}, {"per": "model", "tokens": 2_000_000, "name": "big"}]
    text = json.dumps({"models": ROWS, "budgets": budgets})
    _write(stage.user.home / ".codex-shim" / "models.json", text)


def privacy_gate(stage: Stage) -> None:
    one, two, off = ROWS
    rows = [one, {**two, "privacy": False}, off]
    settings = {"models": rows, "privacy": {"phones": False, "patterns": {"ticket": "ACME-[0-9]+"}}}
    _write(stage.user.home / ".codex-shim" / "models.json", json.dumps(settings))
    _write(stage.user.home / "notes.txt", "Ask ada@example.com about ACME-1234.\n")


def slow_privacy_pattern(stage: Stage) -> None:
    settings = {"privacy": {"patterns": {"ticket": "(a+)+bbbb"}}}
    _write(stage.user.home / ".codex-shim" / "models.json", json.dumps(settings))


def wrong_budget(stage: Stage) -> None:
    text = '{"budgets": [\n {"per": "day", "dolars": 5}]}'
    _write(stage.user.home / ".codex-shim" / "models.json", text)


def invalid_models_json(stage: Stage) -> None:
    _write(stage.user.home / ".codex-shim" / "models.json", '{"models": [\n  {"model": }\n]}')


def own_config(stage: Stage) -> None:
    _write(stage.user.config, '# mine\nmodel = "o3"\n[tui]\nx = 1\n').chmod(0o600)


def invalid_config(stage: Stage) -> None:
    _write(stage.user.config, "model = \n")


def block_of_an_earlier_shim(stage: Stage) -> None:
    _write(
        stage.user.config,
        '# >>> codex-shim managed >>>\n# codex-shim previous-top-level = {"model": "model = \\"o3\\""}\n'
        'model = "x"\n# <<< codex-shim managed <<<\n',
    ).chmod(0o600)


def folder_of_an_earlier_shim(stage: Stage) -> None:
    for folder in (stage.user.home / "checkout", stage.user.home):
        _write(folder / ".codex-shim" / "shim.pid", "1")
    _write(
        stage.user.config, f'model_catalog_json = "{stage.user.home}/checkout/.codex-shim/c.json"\n'
    )


def chatgpt_login(stage: Stage) -> None:
    stage.user.config.parent.mkdir(exist_ok=True)
    Account(account_id="acct-golden").write(stage.user.config.parent)
    _write(
        stage.user.config.with_name("models_cache.json"),
        '{"models":[{"slug":"gpt-6-sol","display_name":"GPT-6 Sol"},{"slug":"gpt-5.5"}]}',
    )


def codex(stage: Stage) -> None:
    fake = _write(stage.user.home / "codex", ECHO.format(python=sys.executable))
    fake.chmod(0o755)
    stage.env["CODEX_BIN"] = str(fake)


def codex_rejects_the_catalog(stage: Stage) -> None:
    stage.env["CODEX_BIN"] = str(FakeCodex(stage.user.home, behaviour="refuse").binary)


def codex_cannot_run(stage: Stage) -> None:
    fake = _write(stage.user.home / "codex", "#!/no/such/interpreter\n")
    fake.chmod(0o755)
    stage.env["CODEX_BIN"] = str(fake)


def another_program_on_the_port(stage: Stage) -> None:
    port = stage.stack.enter_context(answering(404, b"no shim"))
    stage.user.port = port
    stage.env["CODEX_SHIM_PORT"] = str(port)


def unrecorded_shim(stage: Stage) -> None:
    port = stage.stack.enter_context(answering(200, json.dumps(HEALTHY).encode()))
    stage.user.port = port
    stage.env["CODEX_SHIM_PORT"] = str(port)


def file_in_place_of_the_state_folder(stage: Stage) -> None:
    stage.user.state.write_text("no folder")


def stale_record(stage: Stage) -> None:
    record = {"pid": 2**22 + 1, "port": stage.user.port, "start_mark": "1", "drain_seconds": 1.0,
              "version": "0", "detached": True, "log": ""}  # fmt: skip
    _write(stage.user.record, json.dumps(record))


def recorded_turns(stage: Stage) -> None:
    writer = TurnLogWriter(stage.user.state / "access.jsonl", stage.user.state / "usage.sqlite")
    for record in (turn(), turn(slug="gpt-5.5", route="chatgpt")):
        record.started = time.time() - record.seconds
        writer.note(record)
    writer.close()


def turns_that_use_a_quota(stage: Stage) -> None:
    (stage.user.state / "usage.sqlite").unlink(missing_ok=True)
    write_quota_turns(stage.user.state, time.time())


def damaged_ledger(stage: Stage) -> None:
    _write(stage.user.state / "usage.sqlite", "no database" * 100)


def config_is_not_utf8(stage: Stage) -> None:
    stage.user.config.write_bytes(b"a = '\xff'\n")


def config_with_a_profile(stage: Stage) -> None:
    text = 'profile = "work"\n[profiles.work]\nmodel = "o3"\n'
    _write(stage.user.config, text).chmod(0o600)


def read_only_config(stage: Stage) -> None:
    _write(stage.user.config, 'model = "o3"\n').chmod(0o400)


def config_is_a_dangling_symlink(stage: Stage) -> None:
    stage.user.config.unlink()
    stage.user.config.symlink_to(stage.user.home / "gone.toml")


def config_with_inline_providers(stage: Stage) -> None:
    _write(stage.user.config, "model_providers = { x = { name = 'x' } }\n")


def config_with_a_damaged_block(stage: Stage) -> None:
    stage.user.config.unlink()
    _write(stage.user.config, "# >>> codex-shim >>>\nx = [\n# <<< codex-shim <<<\n")


def config_invalid_without_the_block(stage: Stage) -> None:
    _write(stage.user.config, "# >>> codex-shim >>>\n#codex-shim# model =\n# <<< codex-shim <<<\n")


def config_is_a_folder(stage: Stage) -> None:
    stage.user.config.mkdir(parents=True)


def threads_of_both_providers(stage: Stage) -> None:
    threads = CodexThreads(stage.user.home)
    threads.begin(1, title="Repair the parser")
    threads.begin(2, title="Explain\x1b[31m this\nsecond line")
    threads.begin_sub_agent(3, thread_id(1))
    threads.begin(4, "codex_shim", "Write the tests " * 5)


def thread_of_another_provider(stage: Stage) -> None:
    CodexThreads(stage.user.home).begin(5, "azure", "Elsewhere")


def thread_without_room(stage: Stage) -> None:
    threads = CodexThreads(stage.user.home)
    path = threads.path(threads.begin(6, title="From another program"))
    path.write_bytes(path.read_bytes().replace(b"36.465Z", b"36Z"))


def damaged_journal_of_threads(stage: Stage) -> None:
    _write(stage.user.state / "thread-moves.json", "{")


def no_journal_of_threads(stage: Stage) -> None:
    (stage.user.state / "thread-moves.json").unlink()


def _name(preparation: Callable[[Stage], None]) -> str:
    return preparation.__name__.replace("_", " ")


PREPARATIONS = {
    _name(each): each
    for each in (
        own_models, budgets, privacy_gate, slow_privacy_pattern, wrong_budget, invalid_models_json, own_config, invalid_config,
        block_of_an_earlier_shim, folder_of_an_earlier_shim, chatgpt_login, codex,
        codex_rejects_the_catalog, codex_cannot_run, another_program_on_the_port,
        unrecorded_shim, file_in_place_of_the_state_folder,
        stale_record, recorded_turns, turns_that_use_a_quota, damaged_ledger,
        config_is_not_utf8, config_is_a_dangling_symlink, config_with_inline_providers,
        config_with_a_damaged_block, config_invalid_without_the_block,
        config_with_a_profile, read_only_config, config_is_a_folder,
        threads_of_both_providers, thread_of_another_provider, thread_without_room,
        damaged_journal_of_threads, no_journal_of_threads,
    )
}  # fmt: skip
