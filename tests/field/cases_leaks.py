"""Markup of chat templates that a server left in the text of an answer: calls, channels, boxes and end tokens."""

from __future__ import annotations

from typing import Any

from tests.field.cases_answers import EMPTY
from tests.field.cases_found import CLAUDE, GENERIC, answer
from tests.field.rig import Case, chat_call, chat_stream, chat_text, message_text, tool

LS = (("shell", {"command": "ls"}),)
TYPED = {
    "type": "object",
    "properties": {
        "command": {"type": "string"},
        "lines": {"type": "integer"},
        "deep": {"type": "boolean"},
        "files": {"type": "array", "items": {"type": "string"}},
        "options": {"type": "object"},
    },
    "required": ["command"],
}
MEANT = {"command": "ls", "lines": 3, "deep": True, "files": ["a", "b"], "options": {"x": "y"}}
QUOTE = '<|"|>'

K3_CALL = '<|open|>call tool="shell" index="1"<|sep|><|open|>argument key="command" type="string"<|sep|>ls<|close|>argument<|sep|><|close|>call<|sep|>'
K3 = f"<|open|>think<|sep|>hm<|close|>think<|sep|><|open|>response<|sep|>On it.<|close|>response<|sep|><|open|>tools<|sep|>{K3_CALL}<|close|>tools<|sep|><|close|>message<|sep|><|end_of_msg|>"
K3_TYPED = '<|open|>tools<|sep|><|open|>call tool="shell" index="1"<|sep|><|open|>argument key="command" type="string"<|sep|>ls<|close|>argument<|sep|><|open|>argument key="lines" type="number"<|sep|>3<|close|>argument<|sep|><|open|>argument key="deep" type="boolean"<|sep|>true<|close|>argument<|sep|><|open|>argument key="files" type="array"<|sep|>["a","b"]<|close|>argument<|sep|><|open|>argument key="options" type="object"<|sep|>{"x":"y"}<|close|>argument<|sep|><|close|>call<|sep|><|close|>tools<|sep|>'
K3_JSON = '<|open|>tools<|sep|><|open|>call tool="shell" index="1"<|sep|><|open|>json type="object"<|sep|>{"command":"ls"}<|close|>json<|sep|><|close|>call<|sep|><|close|>tools<|sep|>'
GEMMA = f"<|tool_call>call:shell{{command:{QUOTE}ls{QUOTE},lines:3,deep:true,files:[{QUOTE}a{QUOTE},{QUOTE}b{QUOTE}],options:{{x:{QUOTE}y{QUOTE}}}}}<tool_call|>"
FUNCTION_GEMMA = "<start_function_call>call:shell{command:<escape>ls<escape>}<end_function_call>"
HARMONY = '<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>commentary<|message|>On it.<|end|><|start|>assistant<|channel|>commentary to=functions.shell <|constrain|>json<|message|>{"command":"ls"}<|call|>'
HARMONY_ROLE = '<|start|>assistant to=functions.shell<|channel|>commentary json<|message|>{"command":"ls"}<|call|>'
HARMONY_FINAL = "<|start|>assistant<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>four<|return|>"
BARE_FUNCTION = (
    "I look.\n\n<function=shell>\n<parameter=command>\nls\n</parameter>\n</function>\n</tool_call>"
)
LFM = "<|tool_call_start|>[shell(command='ls')]<|tool_call_end|>"
LLAMA = '<|python_tag|>{"name": "shell", "parameters": {"command": "ls"}}<|eom_id|>'
M3 = ']<]minimax[>[<tool_call>\n]<]minimax[>[<invoke name="shell">]<]minimax[>[<command>ls]<]minimax[>[</command>]<]minimax[>[</invoke>\n]<]minimax[>[</tool_call>'
UNDECLARED_INVOKED = '<minimax:tool_call>\n<invoke name="nobody">\n<parameter name="a">1</parameter>\n</invoke>\n</minimax:tool_call>'
NO_BRACKETS = 'invoke name="shell">\nparameter name="command">lsparameter>\ninvoke>'
UNDECLARED = "<|tool_call>call:nobody{a:1}<tool_call|>"
FENCED = f"Gemma writes this:\n```\n{GEMMA}\n```\nand then waits."


def dsml(before: str, behind: str, opening: str = "<", closing: str = "</") -> str:
    """A call in DeepSeek's markup, with these marks around the word."""
    mark = f"{before}DSML{behind}"
    return (
        f'{opening}{mark}tool_calls>\n{opening}{mark}invoke name="shell">\n'
        f'{opening}{mark}parameter name="command" string="true">ls{closing}{mark}parameter>\n'
        f"{closing}{mark}invoke>\n{closing}{mark}tool_calls>"
    )  # fmt: skip


DSML = {
    "full": dsml("\uff5c", "\uff5c"),
    "full-twice": dsml("\uff5c\uff5c", "\uff5c\uff5c"),
    "bars": dsml("||", "||"),
    "bar": dsml("|", "|"),
    "spaces": dsml(" | ", " | "),
    "full-spaces": dsml(" \uff5c ", " \uff5c "),
    "double-line": dsml("\u2016", "\u2016"),
    "no-first-bar": dsml("", "\uff5c"),
    "spaced-slash": dsml("| ", " | | ", "< ", "< / "),
}
TOKENS = {
    "chatml": "<|im_end|>", "llama": "<|eot_id|>", "mistral": "</s>", "gemma": "<end_of_turn>", "gemma4": "<turn|>",
    "gpt": "<|endoftext|>", "deepseek": "<\uff5cend\u2581of\u2581sentence\uff5c>", "coder": "<|EOT|>", "phi": "<|end|>", "kimi": "<|end_of_msg|>",
    "zero-width": "\u200b", "bom": "\ufeff", "several": "<|im_end|>\n<|endoftext|>\u200b",
}  # fmt: skip


def both(case: str, text_sent: str, /, **expected: Any) -> list[Case]:
    """Return the case twice: with the text in one delta, and with one delta per letter."""
    return [
        answer(case, chat_text(text_sent), **expected),
        answer(f"{case}-letters", chat_text(*text_sent), **expected),
    ]


CASES = [
    *both("q01", K3, calls=LS, text="On it.", reasoning="hm"),
    *both("q01-only", f"<|open|>tools<|sep|>{K3_CALL}<|close|>tools<|sep|>", calls=LS, text=""),
    Case("q01-types", {"model": "kimi-k3"}, ({"tools": [tool(schema=TYPED)]},), (chat_text(*K3_TYPED),), calls=(("shell", MEANT),), text=""),
    *both("q01-json", K3_JSON, calls=LS, text=""),
    *both("q01-answer", "<|open|>response<|sep|>four<|close|>response<|sep|><|close|>message<|sep|><|end_of_msg|>", calls=(), text="four"),
    answer("q01-cut", chat_text(K3_CALL[:90]), calls=(), text=K3_CALL[:90]),
    Case("q01-messages", CLAUDE, answers=(message_text(f"<|open|>tools<|sep|>{K3_CALL}<|close|>tools<|sep|>"),), calls=LS, text=""),
    *(answer(f"q02-{name}", chat_text(text), code=EMPTY) for name, text in TOKENS.items()),
    *(answer(f"q02-letters-{name}", chat_text(*text), code=EMPTY) for name, text in TOKENS.items()),
    Case("q02-messages", CLAUDE, answers=(message_text("<|im_end|>"),), code=EMPTY),
    *(answer(f"q03-{name}", chat_text("four", text), text="four") for name, text in TOKENS.items() if "\u200b" not in text and text != "\ufeff"),
    *both("q03-quoted", "Qwen ends with `<|im_end|>` and the turn is over.", text="Qwen ends with `<|im_end|>` and the turn is over."),
    *both("q03-prose", "The token of Qwen is <|im_end|>", text="The token of Qwen is <|im_end|>"),
    *both("q03-html", "Not <s>this</s>", text="Not <s>this</s>"),
    *both("q03-middle", "A <|im_end|> token. Then more.", text="A <|im_end|> token. Then more."),
    *(case for name, text in DSML.items() for case in both(f"q04-{name}", f"Look.\n\n{text}", calls=LS, text="Look.\n\n")),
    Case("q04-messages", CLAUDE, answers=(message_text(DSML["spaces"]),), calls=LS, text=""),
    answer("q04-cut", chat_text(DSML["spaces"][:70], finish="length"), calls=(), text=DSML["spaces"][:70]),
    Case("q05", {"model": "gemma-4"}, ({"tools": [tool(schema=TYPED)]},), (chat_text(GEMMA),), calls=(("shell", MEANT),), text=""),
    Case("q05-letters", {"model": "gemma-4"}, ({"tools": [tool(schema=TYPED)]},), (chat_text(*GEMMA),), calls=(("shell", MEANT),), text=""),
    answer("q05-braces", chat_text(f'<|tool_call>call:shell{{command:{QUOTE}echo "}}" {{a:1}}{QUOTE}}}<tool_call|>'), calls=(("shell", {"command": 'echo "}" {a:1}'}),)),
    *both("q05-thought", f"<|channel>thought\nhm\n<channel|><|tool_call>call:shell{{command:{QUOTE}ls{QUOTE}}}<tool_call|>", calls=LS, text="", reasoning="hm"),
    *both("q05-undeclared", UNDECLARED, calls=(), text=UNDECLARED),
    *both("q05-fenced", FENCED, calls=(), text=FENCED),
    answer("q05-cut", chat_text(GEMMA[:40]), calls=(), text=GEMMA[:40]),
    *both("q06", FUNCTION_GEMMA, calls=LS, text=""),
    *both("q07", "<|begin_of_box|>four<|end_of_box|>", text="four"),
    *both("q07-inside", "The answer is <|begin_of_box|>four<|end_of_box|>.", text="The answer is four."),
    *both("q07-quoted", "It writes `<|begin_of_box|>` first.", text="It writes `<|begin_of_box|>` first."),
    *both("q08", HARMONY, calls=LS, text="On it.", reasoning="hm"),
    *both("q09", HARMONY_ROLE, calls=LS, text=""),
    *both("q10", HARMONY_FINAL, text="four", reasoning="hm"),
    *both("q11", BARE_FUNCTION, calls=LS, text="I look.\n\n"),
    *both("q12", LFM, calls=LS, text=""),
    *both("q13", LLAMA, calls=LS, text=""),
    answer("q14", chat_text(M3), calls=LS, text=""),
    answer("q14-end", chat_text("four]<]minimax[>[</tool_call>"), text="four"),
    *both("q15", '[TOOL_CALLS]shell[ARGS]{"command":"ls"}</s>', calls=LS, text=""),
    *both("q16", "<|im_start|>assistant\nfour<|im_end|>", text="four"),
    *both("q17", "<start_of_turn>model\nfour<end_of_turn>", text="four"),
    answer("q18", chat_stream({"reasoning_content": "hm"}, {"content": "<|im_end|>"}), code=EMPTY),
    answer("q19", chat_text("<|EOT|>\n" * 300), code=EMPTY),
    *both("q20", '<tool_call>\n{"name": "shell", "arguments": {"command": "ls"}}\n</tool_call><|im_end|>', calls=LS, text=""),
    *both("q21", f"I look.\n\n<tool_call>\n{BARE_FUNCTION[9:]}\n{BARE_FUNCTION[9:]}", calls=(*LS, *LS), text="I look.\n\n"),
    *both("q22", f"hm\n</think>\n{DSML['full']}", calls=LS),
    *both("q23", "<thinking>hm</thinking>\n\nfour", text="four", reasoning="hm"),
    *both("q24", UNDECLARED_INVOKED, calls=(), text=UNDECLARED_INVOKED),
    *both("q25", '<tool_call>\n{"name": "shell", "arguments": {"command": "ls"}}', calls=LS, text=""),
    answer("q26", chat_text("hm\n</thinking>\n\nfour"), text="four", reasoning="hm"),
    *both("q27", NO_BRACKETS, calls=(), text=NO_BRACKETS),
    *both("q28", '<minimax:tool_call><invoke name="shell"><parameter name="command">echo </minimax:tool_call> x</parameter></invoke></minimax:tool_call>', calls=(("shell", {"command": "echo </minimax:tool_call> x"}),), text=""),
    *both("q29", '<|python_tag|>{"name":"shell","parameters":{"command":"echo <function=shell><parameter=command>rm</parameter></function>"}}', calls=(("shell", {"command": "echo <function=shell><parameter=command>rm</parameter></function>"}),), text=""),
    *both("q30", f"<|python_tag|>{LLAMA[14:-10]}; {LLAMA[14:-10]}<|eom_id|>", calls=(*LS, *LS), text=""),
    *both("q31", "<|open|>response<|sep|><|close|>response<|sep|><|close|>message<|sep|>", code=EMPTY),
    *both("q32", "<tool_call>shell<arg_key>command</arg_key></arg_key><arg_value>ls</arg_value></tool_call>", calls=LS, text=""),
    *both("q32-opening", "<tool_call>shell<arg_key><arg_key>command</arg_key><arg_value>ls</arg_value></tool_call>", calls=LS, text=""),
    Case("q33", GENERIC, ({"tools": [tool("now", {"type": "object", "properties": {}})]},), (chat_text(*"<tool_call>now</tool_call>"),), calls=(("now", {}),), text=""),
    *both("q34", f"{LLAMA[14:-10]}\n{LLAMA[14:-10]}", calls=(*LS, *LS), text=""),
    *both("q35", "four<|eos|>", text="four"),
    *both("q36", "<mm:think>hm</mm:think>four", text="four", reasoning="hm"),
    answer("q37", chat_call(before=({"content": "Look.<|im_end|>"},)), calls=LS, text="Look."),
    answer("q38", chat_call(before=({"content": "Look.\n<\uff5cDSML\uff5ctool_calls>\n"},)), calls=LS, text="Look.\n"),
    *both("q39", "<tool_call>\n</tool_call>", code=EMPTY),
    *both("q39-prose", "Hermes writes <tool_call>", text="Hermes writes <tool_call>"),
]  # fmt: skip
