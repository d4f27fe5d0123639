"""The page of a comparison: one file without a script, and without anything that a browser would load.

What models write is hostile input. Never does: put a text into the page that is not escaped, or a text into an attribute.
Invariant: the policy of the page permits its own style sheet and nothing else.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from html import escape

from addons.core.what_if.answer import Answer
from addons.core.what_if.differences import Piece, differences
from addons.core.what_if.figures import ROWS, notes, outcome, title, whole_text
from addons.core.what_if.original import Original, last_message

STYLE = """
:root { color-scheme: light dark; --paper: #f6f6f3; --card: #fff; --ink: #1c1e21; --soft: #5d626a; --line: #dfe1e5; --bad: #b93434; --removed: #fbdcdc; --added: #d5f0df; }
@media (prefers-color-scheme: dark) { :root { --paper: #141619; --card: #1d2024; --ink: #e7e8ea; --soft: #a2a8b0; --line: #33373d; --bad: #f07878; --removed: #562626; --added: #1d4a32; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 1rem 1.25rem; background: var(--paper); color: var(--ink); font: 14px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.15rem; margin: 0 0 .2rem; }
h2 { font-size: .95rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
p { margin: 0 0 .8rem; color: var(--soft); }
.scroll { overflow-x: auto; margin-bottom: 1rem; }
table { border-collapse: collapse; background: var(--card); border: 1px solid var(--line); min-width: 100%; }
th, td { text-align: left; padding: .3rem .8rem; border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
th { font-weight: 600; }
tbody th { color: var(--soft); font-weight: 400; white-space: nowrap; }
.answers { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .9rem 1rem; min-width: 0; }
pre { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; unicode-bidi: isolate; }
details { margin-bottom: 1rem; }
details pre { margin-top: .5rem; max-height: 20rem; overflow-y: auto; }
del { background: var(--removed); } ins { background: var(--added); text-decoration: none; }
.bad { color: var(--bad); overflow-wrap: anywhere; }
.note { font-size: .92em; margin: 0 0 .3rem; overflow-wrap: anywhere; }
label { display: inline-flex; gap: .4rem; margin-bottom: .8rem; }
body:has(#plain:checked) del { display: none; }
body:has(#plain:checked) ins { background: none; }
"""
_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters, marks that change the direction of a text, and halves of characters."""
MAX_PROMPT = 20_000
"""Characters of the request's last message that are shown."""


def comparison_page(original: Original, answers: Sequence[Answer], when: str) -> str:
    """Return the page. `when` is the time at which the models were asked."""
    first = original.answer
    columns = [first, *answers] if first else list(answers)
    titles = [title(one, is_original=one is first) for one in columns]
    base = next((at for at, one in enumerate(columns) if one.has_text and whole_text(one)), -1)
    body = "".join(
        (
            f"<h1>What if: turn {_text(original.id)}</h1>",
            f"<p>The same turn on {len(answers)} {'model' if len(answers) == 1 else 'models'}, {_text(when)}. No tool was run.</p>",
            _prompt(last_message(original.body)),
            _figures(columns, titles),
            _legend(titles, base),
            '<div class="answers">',
            *(_answer(one, name, columns, base) for one, name in zip(columns, titles, strict=True)),
            "</div>",
        )
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="referrer" content="no-referrer">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>What if: codex-shim</title><style>{STYLE}</style></head>"
        f"<body>{body}</body></html>\n"
    )


def _text(text: str) -> str:
    """Return a text for the content of an element."""
    return escape(_UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text))


def _prompt(text: str) -> str:
    if not text:
        return ""
    more = "…" if len(text) > MAX_PROMPT else ""
    shown = _text(text[:MAX_PROMPT]) + more
    return (
        f"<details><summary>The last message of the request</summary><pre>{shown}</pre></details>"
    )


def _figures(columns: Sequence[Answer], titles: Sequence[str]) -> str:
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in titles)
    rows = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{_text(show(one))}</td>" for one in columns)}</tr>'
        for name, show in ROWS
    )
    return f'<div class="scroll"><table><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _legend(titles: Sequence[str], base: int) -> str:
    if base < 0 or len(titles) < 2:  # noqa: PLR2004
        return ""
    name = _text(titles[base])
    return (
        f"<p>Compared with {name}: <del>only there</del> <ins>only here</ins></p>"
        '<label><input type="checkbox" id="plain"> Show the answers without the comparison</label>'
    )


def _answer(answer: Answer, name: str, columns: Sequence[Answer], base: int) -> str:
    parts = [f"<section><h2>{_text(name)}</h2>"]
    if answer.code:
        message = f"{outcome(answer)}. {answer.message}" if answer.message else outcome(answer)
        parts.append(f'<p class="bad">{_text(message)}</p>')
    parts += [f'<p class="note">{_text(note)}</p>' for note in notes(answer)]
    text = whole_text(answer)
    if base >= 0 and text and columns[base] is not answer:
        parts.append(f"<pre>{''.join(_marked(differences(whole_text(columns[base]), text)))}</pre>")
    elif text:
        parts.append(f"<pre>{_text(text)}</pre>")
    elif answer.has_text and not answer.code:
        parts.append('<p class="note">The answer is empty.</p>')
    return "".join((*parts, "</section>"))


def _marked(pieces: Sequence[Piece]) -> Iterator[str]:
    marks = {"same": ("", ""), "removed": ("<del>", "</del>"), "added": ("<ins>", "</ins>")}
    for kind, text in pieces:
        before, after = marks[kind]
        yield f"{before}{_text(text)}{after}"
