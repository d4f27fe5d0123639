"""Strategies for config files as people write them: comments, odd keys, tables, both line ends, no last line end."""

from __future__ import annotations

import tomllib

from hypothesis import assume
from hypothesis import strategies as st

BOM = "\ufeff"

_comment = st.sampled_from(
    ["# mine", "   # a 'quoted' one", '# """', "#", "", "  ", "#:schema x", "# [no.table]"]
)
_value = st.sampled_from(
    [
        "1", "true", "1979-05-27T07:32:00Z", '"a"', "'b # c'", '"q\\"[{"', '"""\none\n# not a comment\n"""',
        "'''\n[not.a.table]\n#codex-shim# no mark\n'''", '""""x"""""', "[1, 2]", "[\n  1, # ]\n  2,\n]",
        '{ a = 1, b = "]" }', '"é ü \u2028 \\u00e9"', "[[1], ['x']]",
    ]
)  # fmt: skip
_after = st.sampled_from(["", " ", "  # why", "\t# \"'"])
_root_keys = [
    "model", '"model"', "'model_provider'", "model_provider", "model_catalog_json", "approval_policy",
    "model_reasoning_effort", "a.b", "notify", '"q k"', "model_providers.codex_shim.name",
    "model_providers.x.name", '"mod\\u0065l"',
]  # fmt: skip
_headers = [
    "[model_providers.codex_shim]", "[ model_providers . 'codex_shim' ]  # old", "[model_providers]",
    "[model_providers.codex_shim.http_headers]", "[model_providers.other]", '[projects."/a b/#c"]',
    "[tui]", "[[hooks]]", "[mcp_servers.x]", "[mcp_servers.x.env]",
]  # fmt: skip
_keys = ["name", "model", "base_url", "codex_shim.name", "trust", "'x y'"]


@st.composite
def _line(draw: st.DrawFn, keys: list[str]) -> str:
    key = draw(st.sampled_from(keys))
    around = draw(st.sampled_from([" = ", "=", "\t= "]))
    return f"{key}{around}{draw(_value)}{draw(_after)}"


@st.composite
def configs(draw: st.DrawFn) -> str:
    """Draw one valid config.toml."""
    lines = draw(st.lists(st.one_of(_comment, _line(_root_keys)), max_size=6))
    for header in draw(st.lists(st.sampled_from(_headers), unique=True, max_size=4)):
        lines.append(header)
        lines += draw(st.lists(st.one_of(_comment, _line(_keys)), max_size=4))
    text = "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n"]))
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assume(False)
    return draw(st.sampled_from(["", BOM])) + text
