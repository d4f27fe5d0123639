"""The markers that chat templates write around calls, messages and answers. Data, and how to find it in a text.

Source: the chat templates of Hermes, Qwen, GLM, Kimi, DeepSeek, Mistral, Llama, MiniMax, Granite, Nemotron, Gemma, LFM,
Claude and gpt-oss, and public reports of markers in answers. Never decides what a text means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


class _Branches(dict[str, "_Branches"]):
    """What may follow a beginning that texts share. An empty key: a text may end here."""


def any_of(literals: Iterable[str]) -> str:
    """Return the pattern of any of these texts, the longest first. Common beginnings are compared only once."""
    root = _Branches()
    for literal in literals:
        branches = root
        for letter in literal:
            branches = branches.setdefault(letter, _Branches())
        branches[""] = _Branches()
    return _pattern(root)


def _pattern(branches: _Branches) -> str:
    choices = [
        re.escape(letter) + _pattern(below) for letter, below in sorted(branches.items()) if letter
    ]
    if not choices:
        return ""
    if len(choices) == 1 and "" not in branches:
        return choices[0]
    return f"(?:{'|'.join(choices)})" + ("?" if "" in branches else "")


def beginnings(*literals: str) -> frozenset[str]:
    """Return every beginning of one of these texts that is not all of it."""
    return frozenset(text[:end] for text in literals for end in range(1, len(text)))


_BARS = ("\uff5c", "\uff5c\uff5c", "\u2016", "|", "||")
_DSML = (
    *(f"{bar}DSML{bar}" for bar in _BARS),
    *(f" {bar} DSML {bar} " for bar in _BARS),
    *("DSML\uff5c", "DSML|", " | DSML | | "),
)
"""DeepSeek's mark before the word of a tag; gateways replace its bars, and put spaces around them."""
PREFIXES = ("", "antml:", *_DSML)
_TAGS = (
    *("tool_call", "tool_calls", "toolcall", "TOOLCALL", "function_call", "minimax:tool_call"),
    *(f"{prefix}function_calls" for prefix in PREFIXES),
    *(f"{mark}{word}" for mark in _DSML for word in ("tool_calls", "toolcalls", "tool_use")),
)
_KIMI = ("tool_calls_section", "tool_call", "tool_calls")
_DEEPSEEK = ("tool\u2581calls", "tool\u2581call")
MINIMAX = "]<]minimax[>["
"""MiniMax M3 writes this before each of its tags."""
HARMONY_HEADS = ("<|start|>assistant", "<|channel|>")
"""What begins a further message of gpt-oss."""
OPENERS = (
    *(f"<{tag}>" for tag in _TAGS),
    *(f"<|{word}_begin|>" for word in _KIMI),
    *(f"<\uff5c{word}\u2581begin\uff5c>" for word in _DEEPSEEK),
    *("<|tool_calls|>", "<|tool_call|>", "<|tool_call>", "<|python_tag|>", "[TOOL_CALLS]"),
    *("<|tool_call_start|>", "<|python_start|>", "<start_function_call>", "<|open|>tools<|sep|>"),
    *(f"<|start|>assistant<|channel|>{channel} to=" for channel in ("commentary", "analysis")),
    *("<|channel|>commentary to=", "<|channel|>analysis to=", "<|start|>assistant to=", MINIMAX),
)
"""Markers before a call. Several may follow each other."""
KIMI_HEADS = ("<|open|>call tool=", "<|open|>toolscall tool=")
"""The beginning of a call of Kimi K3; the second where a server lost the tokens between two tags."""
HEADS = (
    "<function=",
    *(f"<{prefix}{word} name=" for prefix in PREFIXES for word in ("function", "invoke")),
    *KIMI_HEADS,
)
"""Markers that are the beginning of a call themselves."""
CLOSERS = (
    *(f"</{tag}>" for tag in _TAGS),
    *(f"< /{tag}>" for tag in _TAGS if tag.startswith(" ")),
    *(f"<|{word}_end|>" for word in _KIMI),
    *(f"<\uff5c{word}\u2581end\uff5c>" for word in _DEEPSEEK),
    *("<|/tool_calls|>", "<|/tool_call|>", "<tool_call|>", "[/TOOL_CALLS]", "<|call|>", "</s>"),
    *("<|eom_id|>", "<|eot_id|>", "<|im_end|>", "<|tool_call_end|>", "<|python_end|>"),
    *("<end_function_call>", "<|close|>tools<|sep|>", "<|close|>toolsmessage<|sep|>"),
)
"""Markers behind a call."""
ENDINGS = (
    *("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|eot|>", "<|EOT|>", "<|eos|>", "</s>", "<eos>"),
    *(
        "<turn|>",
        "<end_of_turn>",
        "<|end_of_turn|>",
        "<|END_OF_TURN_TOKEN|>",
        "<|endoftext|>",
        "[e~[",
    ),
    *("<|end_of_text|>", "<|end|>", "<|return|>", "<|call|>", "<|user|>", "<|observation|>"),
    *("<\uff5cend\u2581of\u2581sentence\uff5c>", "<|end_of_msg|>", "<|close|>message<|sep|>"),
    *("<|close|>response<|sep|>", f"{MINIMAX}</tool_call>"),
)
"""Tokens that end an answer."""
BOX, END_OF_BOX = "<|begin_of_box|>", "<|end_of_box|>"
"""GLM's marks around the part of its answer that matters."""
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"
"""Characters without width; `str.strip` leaves them."""
_BARE = re.compile(rf"(?:\s|{any_of((*OPENERS, *CLOSERS))})*")
_VISIBLE = re.compile(rf"[^\s{INVISIBLE}]")


def says(text: str) -> bool:
    """Return whether a text has any visible character."""
    return _VISIBLE.search(text) is not None


def behind_markers(text: str) -> str:
    """Return what follows the markers around calls at the beginning of a text."""
    markers = _BARE.match(text)
    return text[markers.end() :] if markers else text


def without_endings(text: str) -> str:
    """Return the text without the end tokens behind it, and the whitespace around them."""
    bare = text.rstrip()
    while ending := next(filter(bare.endswith, ENDINGS), None):
        text = bare = bare.removesuffix(ending).rstrip()
    return text
