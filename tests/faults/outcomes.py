"""What a client must receive for a fault: the vocabulary of the fault tables."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.healthy import TEXT
from tests.faults.oracle import Seen


@dataclass(frozen=True)
class Expected:
    """What one client must receive for one fault."""

    status: int
    terminal: str = ""
    code: str = ""
    message: str = ""
    """A text that the message must contain."""
    error_type: str = ""
    retry_after: str = ""
    passed: bool = False
    """Whether it is the upstream's own answer, byte for byte."""

    def differs(self, seen: Seen) -> list[str]:
        """Return the differences between the expected and the received answer."""
        pairs: list[tuple[str, object, object]] = [("status", self.status, seen.status)]
        if not self.passed:
            pairs += [
                ("terminal", self.terminal, seen.terminal),
                ("code", self.code, seen.code),
                ("retry-after", self.retry_after, seen.retry_after),
            ]
        found = [f"{name}: {got!r}, not {want!r}" for name, want, got in pairs if want != got]
        if self.message not in seen.message:
            found.append(f"message: {seen.message!r} without {self.message!r}")
        if self.terminal == "response.completed" and seen.text != TEXT:
            found.append(f"text: {seen.text!r}")
        return found


@dataclass(frozen=True)
class Pair:
    """What Codex receives, and what every other client receives."""

    codex: Expected
    sdk: Expected

    def for_client(self, client: str) -> Expected:
        """Return what this client receives."""
        return self.codex if client == "codex" else self.sdk


WHOLE = Expected(200, "response.completed")


def failed(code: str, message: str = "") -> Expected:
    """Return a 200 stream that ends in `response.failed`."""
    return Expected(200, "response.failed", code, message)


def http(status: int, code: str, message: str = "", retry_after: str = "") -> Expected:
    """Return an HTTP error that the shim writes."""
    return Expected(status, code=code, message=message, retry_after=retry_after)


def passed(status: int, error_type: str = "", retry_after: str = "") -> Expected:
    """Return the upstream's own answer."""
    return Expected(status, passed=True, error_type=error_type, retry_after=retry_after)


def both(expected: Expected) -> Pair:
    """Return the same outcome for Codex and SDKs."""
    return Pair(expected, expected)
