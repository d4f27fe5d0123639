"""What a user has before they type: the preparations that transcripts name."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from addons.origins.books import Books
from tests.cli.daemons import User
from tests.cli.test_status import HEALTHY, answering
from tests.fakes.account import Account
from tests.origins.fake_codex import FakeCodex
from tests.origins.records import turn

ROWS = [
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
    """One user, and what is undone at the end."""

    user: User
    stack: ExitStack
    env: dict[str, str] = field(default_factory=dict)


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def models_of_my_own(stage: Stage) -> None:
    _write(stage.user.home / ".codex-shim" / "models.json", json.dumps({"models": ROWS}))


def models_json_that_is_broken(stage: Stage) -> None:
    _write(stage.user.home / ".codex-shim" / "models.json", '{"models": [\n  {"model": }\n]}')


def a_config_of_my_own(stage: Stage) -> None:
    _write(stage.user.config, '# mine\nmodel = "o3"\n[tui]\nx = 1\n').chmod(0o600)


def a_config_that_is_broken(stage: Stage) -> None:
    _write(stage.user.config, "model = \n")


def a_block_of_an_earlier_shim(stage: Stage) -> None:
    _write(
        stage.user.config,
        '# >>> codex-shim managed >>>\n# codex-shim previous-top-level = {"model": "model = \\"o3\\""}\n'
        'model = "x"\n# <<< codex-shim managed <<<\n',
    ).chmod(0o600)


def a_folder_of_an_earlier_shim(stage: Stage) -> None:
    for folder in (stage.user.home / "checkout", stage.user.home):
        _write(folder / ".codex-shim" / "shim.pid", "1")
    _write(
        stage.user.config, f'model_catalog_json = "{stage.user.home}/checkout/.codex-shim/c.json"\n'
    )


def a_chatgpt_login(stage: Stage) -> None:
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


def codex_that_refuses_the_catalog(stage: Stage) -> None:
    stage.env["CODEX_BIN"] = str(FakeCodex(stage.user.home, behaviour="refuse").binary)


def codex_that_cannot_be_run(stage: Stage) -> None:
    fake = _write(stage.user.home / "codex", "#!/no/such/interpreter\n")
    fake.chmod(0o755)
    stage.env["CODEX_BIN"] = str(fake)


def something_else_on_the_port(stage: Stage) -> None:
    port = stage.stack.enter_context(answering(404, b"no shim"))
    stage.user.port = port
    stage.env["CODEX_SHIM_PORT"] = str(port)


def a_shim_that_is_not_on_record(stage: Stage) -> None:
    port = stage.stack.enter_context(answering(200, json.dumps(HEALTHY).encode()))
    stage.user.port = port
    stage.env["CODEX_SHIM_PORT"] = str(port)


def a_file_where_the_state_folder_belongs(stage: Stage) -> None:
    stage.user.state.write_text("no folder")


def a_record_of_a_shim_that_has_ended(stage: Stage) -> None:
    record = {"pid": 2**22 + 1, "port": stage.user.port, "start_mark": "1", "drain_seconds": 1.0,
              "version": "0", "detached": True, "log": ""}  # fmt: skip
    _write(stage.user.record, json.dumps(record))


def turns_that_were_recorded(stage: Stage) -> None:
    books = Books(stage.user.state / "access.jsonl", stage.user.state / "usage.sqlite")
    for record in (turn(), turn(slug="gpt-5.5", route="chatgpt")):
        record.started = time.time()
        books.note(record)
    books.close()


def a_ledger_that_is_broken(stage: Stage) -> None:
    _write(stage.user.state / "usage.sqlite", "no database" * 100)


def a_config_that_is_no_text(stage: Stage) -> None:
    stage.user.config.write_bytes(b"a = '\xff'\n")


def a_config_with_a_profile(stage: Stage) -> None:
    text = 'profile = "work"\n[profiles.work]\nmodel = "o3"\n'
    _write(stage.user.config, text).chmod(0o600)


def a_config_that_is_read_only(stage: Stage) -> None:
    _write(stage.user.config, 'model = "o3"\n').chmod(0o400)


def a_config_that_leads_nowhere(stage: Stage) -> None:
    stage.user.config.unlink()
    stage.user.config.symlink_to(stage.user.home / "gone.toml")


def a_config_that_leaves_no_place(stage: Stage) -> None:
    _write(stage.user.config, "model_providers = { x = { name = 'x' } }\n")


def a_config_with_a_block_that_was_broken(stage: Stage) -> None:
    stage.user.config.unlink()
    _write(stage.user.config, "# >>> codex-shim >>>\nx = [\n# <<< codex-shim <<<\n")


def a_config_that_would_be_broken_without_the_block(stage: Stage) -> None:
    _write(stage.user.config, "# >>> codex-shim >>>\n#codex-shim# model =\n# <<< codex-shim <<<\n")


def a_lost_config_folder(stage: Stage) -> None:
    stage.user.config.mkdir(parents=True)


def _name(preparation: Callable[[Stage], None]) -> str:
    return preparation.__name__.replace("_", " ")


PREPARATIONS = {
    _name(each): each
    for each in (
        models_of_my_own, models_json_that_is_broken, a_config_of_my_own, a_config_that_is_broken,
        a_block_of_an_earlier_shim, a_folder_of_an_earlier_shim, a_chatgpt_login, codex,
        codex_that_refuses_the_catalog, codex_that_cannot_be_run, something_else_on_the_port,
        a_shim_that_is_not_on_record, a_file_where_the_state_folder_belongs,
        a_record_of_a_shim_that_has_ended, turns_that_were_recorded, a_ledger_that_is_broken,
        a_config_that_is_no_text, a_config_that_leads_nowhere, a_config_that_leaves_no_place,
        a_config_with_a_block_that_was_broken, a_config_that_would_be_broken_without_the_block,
        a_config_with_a_profile, a_config_that_is_read_only, a_lost_config_folder,
    )
}  # fmt: skip
