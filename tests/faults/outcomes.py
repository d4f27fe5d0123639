"""The words in which the matrix says what a client must get."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.oracle import Seen
from tests.faults.speech import TEXT


@dataclass(frozen=True)
class Told:
    """What one client must get for one fault."""

    status: int
    terminal: str = ""
    code: str = ""
    says: str = ""
    """Words that must stand in the message."""
    error_type: str = ""
    retry_after: str = ""
    passed: bool = False
    """The upstream's own answer, byte for byte."""

    def differs(self, seen: Seen) -> list[str]:
        """What is not as it must be."""
        pairs: list[tuple[str, object, object]] = [("status", self.status, seen.status)]
        if not self.passed:
            pairs += [
                ("terminal", self.terminal, seen.terminal),
                ("code", self.code, seen.code),
                ("retry-after", self.retry_after, seen.retry_after),
            ]
        found = [f"{name}: {got!r}, not {want!r}" for name, want, got in pairs if want != got]
        if self.says not in seen.message:
            found.append(f"message: {seen.message!r} without {self.says!r}")
        if self.terminal == "response.completed" and seen.text != TEXT:
            found.append(f"text: {seen.text!r}")
        return found


@dataclass(frozen=True)
class Pair:
    """What Codex gets, and what every other client gets."""

    codex: Told
    sdk: Told

    def of(self, client: str) -> Told:
        """By the client's name."""
        return self.codex if client == "codex" else self.sdk


WHOLE = Told(200, "response.completed")


def failed(code: str, says: str = "") -> Told:
    """A 200 stream that ends in `response.failed`."""
    return Told(200, "response.failed", code, says)


def http(status: int, code: str, says: str = "", retry_after: str = "") -> Told:
    """An HTTP error in our words."""
    return Told(status, code=code, says=says, retry_after=retry_after)


def passed(status: int, error_type: str = "", retry_after: str = "") -> Told:
    """The upstream's own answer."""
    return Told(status, passed=True, error_type=error_type, retry_after=retry_after)


def both(told: Told) -> Pair:
    """Codex and SDKs alike."""
    return Pair(told, told)
