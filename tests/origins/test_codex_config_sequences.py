"""Invariant: whatever is typed in whatever order, a disable gives back the user's own bytes, on a real disk."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from addons.core.codex_provider import config_of, token_in_file
from addons.origins.codex_config import CodexConfig, ConfigError
from tests.core.configs import configs

SLUGS = st.sampled_from(["gpt-5.5", "a/b:c", 'quote"d \\ ü'])
STEPS = st.lists(
    st.one_of(st.tuples(SLUGS, st.integers(1, 65535)), st.sampled_from(["disable", "lose state"])),
    min_size=1,
    max_size=6,
)


@settings(max_examples=100, deadline=None)
@given(configs(), STEPS)
def test_any_row_of_enable_use_and_disable_gives_back_the_bytes(
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
                config.unwire()
                assert path.read_bytes() == own
            else:
                slug, port = step
                try:
                    config.wire(config_of(slug, port, "/c.json", token_in_file("t0ken")))
                except ConfigError:
                    assert path.read_bytes() == own
                else:
                    assert config.active_model() == slug
        assert path.stat().st_mode & 0o777 == 0o640
        assert [each.name for each in home.iterdir()] == ["config.toml"]
