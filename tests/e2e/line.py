"""The path from a user's Codex to the backend: URL and keys of its provider, and a call that runs a turn."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.e2e.codex_cli import CodexHome, Run
from tests.fakes.chatgpt_backend import ChatGptBackend


@dataclass(slots=True)
class Line:
    """A path through codex-shim, or a direct one as the control."""

    user: CodexHome
    backend: ChatGptBackend
    base_url: str
    provider: dict[str, object] = field(default_factory=dict)

    @property
    def speaks_websocket(self) -> bool:
        """Whether Codex sends its turns over a WebSocket."""
        return bool(self.provider.get("supports_websockets"))

    def configure(
        self,
        model: str = "gpt-5.5",
        settings: Mapping[str, object] | None = None,
        **provider: object,
    ) -> None:
        """Write config.toml for this path."""
        keys = {**self.provider, **provider}
        self.user.configure(self.base_url, model, settings=settings, **keys)

    def exec(self, prompt: str, *flags: str, timeout: float = 50) -> Run:
        """Run one turn. Write the default config.toml if the test has written none."""
        if not (self.user.codex_home / "config.toml").exists():
            self.configure()
        return self.user.exec(prompt, *flags, timeout=timeout)

    def begin(self, prompt: str, *, timeout: float = 50) -> Future[Run]:
        """Run one turn in the background."""
        background = ThreadPoolExecutor(1)
        running = background.submit(self.exec, prompt, timeout=timeout)
        background.shutdown(wait=False)
        return running
