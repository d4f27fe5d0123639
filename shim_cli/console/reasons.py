"""Why a connection failed, in words. Pure."""

from __future__ import annotations


def reason_of(error: object) -> str:
    """Return the reason of a failed connection. `error` may be the text that urllib gives instead of an exception."""
    match error:
        case ConnectionRefusedError():
            return "nothing listens there"
        case TimeoutError():
            return "no answer in time"
        case ConnectionError():
            return "the connection broke off"
        case OSError(strerror=str(text)) if text:
            return text
        case _:
            return f"no valid answer ({type(error).__name__})"
