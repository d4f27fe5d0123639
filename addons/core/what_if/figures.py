"""The figures of answers as text, for the terminal and the page.

Invariant: every answer has the same rows; what is unknown is a dash.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson

from addons.core.json_values import as_object
from addons.core.usage import Usage
from addons.core.what_if.answer import Answer, Call, json_text

UNKNOWN = "\N{EN DASH}"
ORIGINAL = "recorded"
"""Behind the slug of the recorded answer."""
_CENT = 0.01


def title(answer: Answer, *, is_original: bool) -> str:
    """Return the heading of an answer."""
    return f"{answer.slug} ({ORIGINAL})" if is_original else answer.slug


def outcome(answer: Answer) -> str:
    """Return how an answer ended."""
    return f"{answer.outcome}: {answer.code}" if answer.code else answer.outcome


def answered_by(answer: Answer) -> str:
    """Return who answered: `DeepSeek, model deepseek-chat`."""
    who = answer.label or answer.provider
    model = f"model {answer.model}" if answer.model and answer.model != answer.slug else ""
    fallback = f"fallback {answer.answered_by}" if answer.answered_by else ""
    return ", ".join(filter(None, (fallback, who, model))) or UNKNOWN


def cost(answer: Answer) -> str:
    """Return what an answer cost."""
    if answer.is_on_plan:
        return "plan"
    return UNKNOWN if answer.cost is None else dollars(answer.cost)


def dollars(amount: float) -> str:
    """Return an amount: `$0.12`, `$0.0034`."""
    return f"${amount:.2f}" if amount >= _CENT else f"${amount:.4f}"


def seconds(value: float | None) -> str:
    """Return a time: `0.04 s`, `3.2 s`."""
    if value is None:
        return UNKNOWN
    return f"{value:.2f} s" if value < 1 else f"{value:.1f} s"


def _tokens(read: Callable[[Usage], int]) -> Callable[[Answer], str]:
    return lambda answer: f"{read(answer.usage):,}" if answer.usage else UNKNOWN


ROWS: Sequence[tuple[str, Callable[[Answer], str]]] = (
    ("outcome", outcome),
    ("answered by", answered_by),
    ("input tokens", _tokens(lambda usage: usage.input_tokens)),
    ("of them cached", _tokens(lambda usage: usage.cached_tokens)),
    ("output tokens", _tokens(lambda usage: usage.output_tokens)),
    ("of them reasoning", _tokens(lambda usage: usage.reasoning_tokens)),
    ("cost", cost),
    ("first token", lambda answer: seconds(answer.first_seconds)),
    ("total time", lambda answer: seconds(answer.seconds)),
    ("tool calls", lambda answer: str(len(answer.calls)) if answer.has_text else UNKNOWN),
)


def call_text(call: Call) -> str:
    """Return a call as text: its name, and its arguments one a line."""
    return f"{call.name}\n{_arguments(call.arguments)}".rstrip()


def _arguments(text: str) -> str:
    try:
        fields = as_object(orjson.loads(text))
    except orjson.JSONDecodeError:
        return text
    return "\n".join(f"  {name}: {_value(one)}" for name, one in fields.items()) or text


def _value(value: object) -> str:
    return value if isinstance(value, str) else json_text(value)


def notes(answer: Answer) -> list[str]:
    """Return what a reader has to know about an answer, one note a line."""
    found = [f"not sent: {one}" for one in answer.left_out]
    found += [f"changed: {one}" for one in answer.changed]
    if not answer.has_text:
        found.append("its text was not kept: only mitmdump, mitmweb and a cassette keep answers")
    return found


def whole_text(answer: Answer) -> str:
    """Return text and calls of an answer, as they are compared."""
    return "\n\n".join(filter(None, (answer.text, *map(call_text, answer.calls))))
