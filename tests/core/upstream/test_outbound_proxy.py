from __future__ import annotations

import pytest

from addons.core.secrets import Origin
from addons.core.upstream.outbound_proxy import outbound_problem, proxy_for

CHATGPT = Origin.of("https://chatgpt.com")
PLAIN = Origin.of("http://model.example:8080")
PROXY = "http://proxy.example:3128"


def proxy_of(origin: Origin, **env: str) -> str | None:
    found = proxy_for(origin, env, 8765)
    return str(found) if found else None


@pytest.mark.parametrize(
    ("origin", "env", "expected"),
    [
        (CHATGPT, {}, None),
        (CHATGPT, {"HTTPS_PROXY": PROXY}, PROXY),
        (CHATGPT, {"https_proxy": PROXY}, PROXY),
        (CHATGPT, {"https_proxy": PROXY, "HTTPS_PROXY": "http://other:1"}, PROXY),
        (CHATGPT, {"HTTP_PROXY": PROXY}, None),
        (PLAIN, {"HTTP_PROXY": PROXY}, PROXY),
        (PLAIN, {"HTTPS_PROXY": PROXY}, None),
        (CHATGPT, {"HTTPS_PROXY": ""}, None),
        (CHATGPT, {"HTTPS_PROXY": "proxy.example:3128"}, PROXY),
        (CHATGPT, {"HTTPS_PROXY": "http://other:1", "CODEX_SHIM_UPSTREAM_PROXY": PROXY}, PROXY),
        (CHATGPT, {"CODEX_SHIM_UPSTREAM_PROXY": PROXY, "NO_PROXY": "*"}, PROXY),
        (CHATGPT, {"CODEX_SHIM_UPSTREAM_PROXY": "", "HTTPS_PROXY": PROXY}, PROXY),
    ],
)
def test_proxy_comes_from_the_environment(
    origin: Origin, env: dict[str, str], expected: str | None
) -> None:
    assert proxy_of(origin, **env) == expected


@pytest.mark.parametrize(
    ("no_proxy", "direct"),
    [
        ("*", True),
        ("chatgpt.com", True),
        (".com", True),
        ("*.chatgpt.com", True),
        ("ChatGPT.com:443", True),
        ("a.example, chatgpt.com", True),
        ("a.example chatgpt.com", True),
        ("gpt.com", False),
        ("chatgpt.com.evil", False),
        ("a.example", False),
        (",,", False),
        ("chatgpt.com.", True),
        ("*.chatgpt.com.:443", True),
        (".", False),
        ("*.", False),
    ],
)
def test_no_proxy_matches_whole_labels(no_proxy: str, direct: bool) -> None:
    for variable in ("NO_PROXY", "no_proxy"):
        found = proxy_of(CHATGPT, HTTPS_PROXY=PROXY, **{variable: no_proxy})
        assert (found is None) is direct


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "http://127.3.2.1:1"]
)
def test_loopback_never_uses_a_proxy(url: str) -> None:
    env = {"HTTP_PROXY": PROXY, "CODEX_SHIM_UPSTREAM_PROXY": PROXY}
    assert proxy_of(Origin.of(url), **env) is None


def test_shim_is_not_its_own_proxy() -> None:
    assert proxy_of(CHATGPT, HTTPS_PROXY="http://127.0.0.1:8765") is None
    assert proxy_of(CHATGPT, HTTPS_PROXY="http://127.0.0.1:8766") == "http://127.0.0.1:8766"


@pytest.mark.parametrize("value", ["socks5://ada:hunter2@h:1", "http://ada:hunter2@h:1"])
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "CODEX_SHIM_UPSTREAM_PROXY"])
def test_invalid_proxy_is_named_and_not_quoted(variable: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"^{variable}, the outbound proxy: it ") as caught:
        proxy_of(CHATGPT, **{variable: value})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "no_proxy", "direct"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.3:8080", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", ".3", False),
        ("[fd00::1]", "fd00::1", True),
        ("[fd00::1]", "[fd00:0::1]:8080", True),
        ("[fd00::1]", "fd00::/8", True),
        ("[fd00::1]", "fe80::/10", False),
        ("model.example.", "model.example", True),
        ("model.example", ".example.", True),
        ("model.example", ".", False),
    ],
)
def test_no_proxy_matches_addresses_networks_and_final_dots(
    host: str, no_proxy: str, direct: bool
) -> None:
    found = proxy_of(Origin.of(f"http://{host}:8080"), HTTP_PROXY=PROXY, NO_PROXY=no_proxy)
    assert (found is None) is direct


def test_problem_names_the_variable_and_the_fix() -> None:
    problem = outbound_problem(CHATGPT, {"HTTPS_PROXY": "socks5://ada:hunter2@h:1"})
    assert problem.startswith("HTTPS_PROXY, the outbound proxy: ")
    assert "CODEX_SHIM_UPSTREAM_PROXY" in problem
    assert "hunter2" not in problem
    assert outbound_problem(CHATGPT, {"HTTPS_PROXY": PROXY}) == ""
