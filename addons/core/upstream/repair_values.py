"""Repairs that send another value: effort levels, output limits, the next value of a profile field, the key's header."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from addons.core.json_values import as_object
from addons.core.upstream.profile import Profile
from addons.core.upstream.refusal import Refusal
from addons.core.upstream.sent import Change, Sent

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra")
"""Every effort that Codex may ask for, weakest first."""
AUTHORIZATION, X_API_KEY, API_KEY = "authorization", "x-api-key", "api-key"
MIN_OUTPUT_TOKENS = 256
"""A lower number in a refusal is no output limit."""

_LISTED = re.compile(
    r"one of|supported|allowed|accept|maximum|(?<!in)valid|expected|permitted|must be|should be|choose|options|enum|available|only|\bvalues\b|可选|取值|(?<!不)支持"
)
_EFFORT_WORD = re.compile(rf"\b(?:{'|'.join(EFFORTS)})\b", re.ASCII)
_NUMBER = re.compile(r"(?<![\w.])\d[\d,_]*(?!\w|\.\d)", re.ASCII)
_OTHER_HEADERS = (
    (AUTHORIZATION, re.compile(r"bearer|authorization")),
    (X_API_KEY, re.compile(r"x-api-key|x_api_key")),
    (API_KEY, re.compile(r"(?<!x-)\bapi-key\b")),
)
_NO_ADAPTIVE = re.compile(r"adaptive|['`\"]enabled['`\"]")
_ALWAYS_THINKS = re.compile(
    r"(?:cannot|can't|can not|must not|may not) be (?:disabled|turned off|off)|mandatory|only (?:works?|runs?|available|supported) in thinking|"
    r"restricted to true|must be (?:true|enabled)|always (?:on|enabled)|(?:仅|只)支持思考|(?:不能|无法|不支持|不允许)(?:关闭|禁用)"
)
_LENGTH_LIMIT = re.compile(
    r"(?:at most|max(?:imum)?(?: allowed)?(?: length)?(?: of| is|:)?|max_?length['\": =]*|limit(?: of| is)?|exceeds?|longer than|超过|不超过) ?(\d{2,6})"
)
_STATED_LIMIT = re.compile(
    r"max_(?:completion_|output_)?tokens\W{0,3} (?:must|should|has to) be (?:less than(?: or equal to)?|at most|<=) \W?\d"
)
"""An output limit that is the model's own, although the context is mentioned too."""
MIN_DESCRIPTION = 64
DEFAULT_DESCRIPTION = 1_024
"""OpenAI's limit, where a refusal gives none."""
_UNKNOWN = re.compile(
    r"unknown|unrecogni|extra |extra_forbidden|not permitted|unsupported param|unexpected"
)
_MISSING = re.compile(
    r"missing|required|not provided|no (?:api|auth)|must|please|provide|carry|header|expected|use "
)


def next_value(field: str, ladder: Sequence[str]) -> Callable[[Refusal, Sent], Iterator[Change]]:
    """Return a rule that proposes the values of a profile field after the current one."""

    def propose(_refusal: Refusal, sent: Sent) -> Iterator[Change]:
        current = getattr(sent.target.profile, field)
        start = ladder.index(current) + 1 if current in ladder else len(ladder) - 1
        for value in ladder[start:]:
            yield Change.of(f"{field.replace('_', ' ')}: {value}", **{field: value})

    return propose


def accepted_efforts(refusal: Refusal, sent: Sent) -> Iterator[Change]:
    """Propose the levels that the refusal lists, the other form of thinking, or no effort at all."""
    if sent.target.profile.effort_style == "thinking_budget" and "adaptive" in refusal.search_text:
        yield Change.of("adaptive thinking", effort_style="adaptive_thinking")
    elif sent.target.profile.effort_style == "adaptive_thinking" and _NO_ADAPTIVE.search(
        refusal.search_text
    ):
        yield Change.of("thinking with a budget", effort_style="thinking_budget")
    asked = _sent_effort(sent.body)
    if _ALWAYS_THINKS.search(refusal.search_text):
        yield _always_thinks(sent.target.profile)
    if _LISTED.search(refusal.search_text):
        listed = [
            one
            for one in EFFORTS
            if one in set(_EFFORT_WORD.findall(refusal.search_text)) - {asked}
        ]
        if asked and listed:
            names = ", ".join(listed)
            yield Change.of(
                f"efforts: {names}", efforts={one: _nearest(one, listed) for one in EFFORTS}
            )
    if sent.target.profile.effort_style != "none":
        yield Change.of("sent without reasoning effort", effort_style="none")


def _always_thinks(profile: Profile) -> Change:
    """Return the change that never switches reasoning off. A mere switch is left out, because it has no other value."""
    foreign = {"needs_own_reasoning": False} if profile.needs_own_reasoning else {}
    if profile.efforts or profile.effort_style in {"reasoning_effort", "reasoning_object"}:
        lowest = profile.efforts.get("low", "low")
        efforts = {**profile.efforts, "none": lowest}
        return Change.of("reasoning stays on", efforts=efforts, **foreign)
    style = profile.effort_style if profile.effort_style == "thinking_budget" else "none"
    return Change.of("reasoning stays on", effort_style=style, **foreign)


def accepted_role(refusal: Refusal, sent: Sent) -> Iterator[Change]:
    """Propose another role of the instructions, if the request has such a message."""
    messages = sent.body.get("messages")
    first = as_object(messages[0]) if isinstance(messages, list) and messages else {}
    ladder = ("developer", "system", "user")
    if first.get("role") in ladder[:2] or sent.target.profile.system_role == "developer":
        yield from next_value("system_role", ladder)(refusal, sent)


def absent_content(refusal: Refusal, sent: Sent) -> Iterator[Change]:
    """Propose other contents of an assistant message that has nothing but calls; where nothing empty is taken, a text."""
    refuses_empty = "empty" in refusal.search_text
    ladder = ("text", "omit", "empty") if refuses_empty else ("null", "empty", "omit", "text")
    current = sent.target.profile.empty_content
    start = ladder.index(current) + 1 if current in ladder else 0
    for value in (*ladder[start:], *ladder[:start]):
        if value != current:
            yield Change.of(f"empty content: {value}", empty_content=value)


def description_limit(refusal: Refusal, sent: Sent) -> Iterator[Change]:
    """Propose a limit of the descriptions of tools: the one that the refusal gives, else OpenAI's."""
    tools = sent.body.get("tools")
    longest = max(map(_description_length, tools), default=0) if isinstance(tools, list) else 0
    given = [int(one) for one in _LENGTH_LIMIT.findall(refusal.search_text)]
    limit = min((one for one in given if one >= MIN_DESCRIPTION), default=DEFAULT_DESCRIPTION)
    if limit < longest:
        what = (
            f"descriptions of tools with at most {limit} bytes, the whole ones in the instructions"
        )
        yield Change.of(what, max_tool_description=limit)


def _description_length(tool: object) -> int:
    own = as_object(tool)
    described = as_object(own.get("function", own)).get("description")
    return len(described.encode("utf-8", "replace")) if isinstance(described, str) else 0


def output_limit(refusal: Refusal, sent: Sent) -> Iterator[Change]:
    """Propose the other name of the output limit, or the limit that the refusal gives."""
    field = sent.target.profile.output_limit_field
    other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}.get(
        field
    )
    is_unknown = bool(_UNKNOWN.search(refusal.search_text))
    below = _lower_limits(refusal, sent)
    if (
        other
        and field in sent.body
        and (is_unknown or (other in refusal.search_text and not below))
    ):
        yield Change.of(f"`{other}` instead of `{field}`", output_limit_field=other)
        return
    for limit in below:
        yield Change.of(f"at most {limit} output tokens", max_output_tokens=limit)


def _lower_limits(refusal: Refusal, sent: Sent) -> list[int]:
    """Return the output limit that a refusal gives, and the next lower one if it must be lower; empty if it gives none."""
    names = ("max_tokens", "max_completion_tokens", "max_output_tokens")
    asked = next((sent.body[name] for name in names if name in sent.body), None)
    text = refusal.search_text
    is_about_context = re.search("context|上下文", text) and not _STATED_LIMIT.search(text)
    if not isinstance(asked, int) or is_about_context:
        return []
    numbers = (int(re.sub("[,_]", "", text)) for text in _NUMBER.findall(refusal.search_text))
    limit = max((number for number in numbers if MIN_OUTPUT_TOKENS <= number < asked), default=0)
    if not limit:
        return []
    is_exclusive = re.search("lower than|less than|below|小于", refusal.search_text)
    return [limit, limit - 1] if is_exclusive else [limit]


def forced_choice(refusal: Refusal, sent: Sent) -> Iterator[Change]:
    """Propose `required` in place of a named tool, unless the refusal accepts less; then no forced tool at all."""
    if "tool_choice" not in sent.body:
        return
    if sent.body["tool_choice"] == "none":
        yield Change.of("sent without `tool_choice: none`", tool_choice_none=False)
        return
    none = Change.of("sent without a forced `tool_choice`", tool_choice_required=False)
    accepts_required = "required" in refusal.search_text or "auto" not in refusal.search_text
    if accepts_required and isinstance(sent.body.get("tool_choice"), Mapping):
        yield Change.of("`tool_choice` sent as `required`", tool_choice_named=False)
    yield none


def auth_header(refusal: Refusal, sent: Sent) -> Iterator[Change]:
    """Propose the header for the key that the refusal names, or the other common one if it says that the key is missing."""
    if not sent.key_header or not _MISSING.search(refusal.search_text):
        return
    named = [name for name, pattern in _OTHER_HEADERS if pattern.search(refusal.search_text)]
    others = [name for name in named if name != sent.key_header]
    if not named:
        others = [X_API_KEY if sent.key_header == AUTHORIZATION else AUTHORIZATION]
    for name in others[:1]:
        yield Change.of(f"the key sent in `{name}`", auth=name)


def _sent_effort(body: Mapping[str, object]) -> str:
    places = (
        body.get("reasoning_effort"),
        as_object(body.get("reasoning")).get("effort"),
        as_object(body.get("output_config")).get("effort"),
    )
    return next((value for value in places if isinstance(value, str)), "")


def _nearest(effort: str, listed: Sequence[str]) -> str:
    """Return the strongest listed level that is not stronger than this one; else the weakest."""
    weaker = [one for one in listed if EFFORTS.index(one) <= EFFORTS.index(effort)]
    return weaker[-1] if weaker else listed[0]
