"""Invariant: after any sequence of changes on a real disk, a removal restores the user's bytes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from addons.adapters.codex.config_file import CodexConfig, ConfigError
from addons.core.codex.provider_config import config_for, token_in_file
from tests.core.codex.configs import configs

SLUGS = st.sampled_from(["gpt-5.5", "a/b:c", 'quote"d \\ ü'])
STEPS = st.lists(
    st.one_of(st.tuples(SLUGS, st.integers(1, 65535)), st.sampled_from(["disable", "lose state"])),
    min_size=1,
    max_size=6,
)


@settings(max_examples=100, deadline=None)
@given(configs(), STEPS)
def test_any_sequence_of_changes_restores_the_bytes(
    text: str, steps: list[tuple[str, int] | str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home, state = Path(folder, "codex"), Path(folder, "state")
        home.mkdir()
        path = home / "config.toml"
        own = text.encode()
        path.write_bytes(own)
        path.chmod(0o640)
        config = CodexConfig({"CODEX_HOME": str(home), "CODEX_SHIM_STATE_DIR": str(state)})
        for step in [*steps, "disable"]:
            if step == "lose state":
                (state / "wiring.json").unlink(missing_ok=True)
            elif isinstance(step, str):
                config.remove()
                assert path.read_bytes() == own
            else:
                slug, port = step
                try:
                    made = config_for(slug, port, "c.json", token_in_file("t0ken"))
                    config.install(made, b"{}")
                except ConfigError:
                    assert path.read_bytes() == own
                else:
                    assert config.active_model() == slug
        assert path.stat().st_mode & 0o777 == 0o640
        assert [each.name for each in home.iterdir()] == ["config.toml"]
