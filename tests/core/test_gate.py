"""Who may come in. The threats are those of a browser: any page can send requests here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.gate import Knock, is_loopback_address, refusal
from addons.core.headers import Headers

HERE = "127.0.0.1:8765"


def knock(authority: str = HERE, *headers: tuple[bytes, bytes], origin_form: bool = True) -> Knock:
    return Knock(authority, origin_form, headers)


@pytest.mark.parametrize(
    "authority",
    [HERE, "127.0.0.1", "localhost", "localhost:8765", "LocalHost:1", "[::1]", "[::1]:8765"],
)
def test_a_name_of_this_machine_may_come_in(authority: str) -> None:
    assert refusal(knock(authority)) is None


@pytest.mark.parametrize(
    "authority",
    [
        "",
        "evil.example",
        "localhost.evil.com",
        "127.0.0.1.evil.com",
        "evil.com:8765",
        "localhost.",
        "127.0.0.1.",
        "user@localhost",
        "localhost@evil.com",
        "localhost:80@evil.com",
        "localhost:",
        "localhost:port",
        "localhost:123456",
        "localhost:٣",
        "0.0.0.0",  # noqa: S104
        "0",
        "127.1",
        "127.0.0.2",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "::1",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::1]evil.com",
        "[::1",
        "127.0.0.1, evil.com",
        "127.0.0.1 evil.com",
        "127.0.0.1/",
        "localhost\n",
        "ⓛocalhost",
    ],
)
def test_any_other_host_is_refused_so_that_a_rebound_name_is_of_no_use(authority: str) -> None:
    problem = refusal(knock(authority))
    assert problem
    assert problem.status == 403
    assert "CODEX_SHIM_ALLOWED_HOSTS" in problem.message


NAVIGATION = (
    (b"Sec-Fetch-Site", b"cross-site"),
    (b"Sec-Fetch-Mode", b"navigate"),
    (b"Sec-Fetch-Dest", b"document"),
)


def test_a_link_from_elsewhere_may_open_a_page_of_ours_and_nothing_else() -> None:
    assert refusal(Knock(HERE, is_origin_form=True, headers=NAVIGATION, opens_page=True)) is None
    assert refusal(Knock(HERE, is_origin_form=True, headers=NAVIGATION)), "data"


@pytest.mark.parametrize(
    "headers",
    [
        NAVIGATION[:1],
        NAVIGATION[:2],
        (*NAVIGATION[:2], (b"Sec-Fetch-Dest", b"iframe")),
        (NAVIGATION[0], (b"Sec-Fetch-Mode", b"no-cors"), NAVIGATION[2]),
        (*NAVIGATION, (b"Origin", b"https://evil.example")),
    ],
)
def test_a_page_in_a_frame_or_a_fetch_from_elsewhere_is_refused(headers: Headers) -> None:
    assert refusal(Knock(HERE, is_origin_form=True, headers=headers, opens_page=True))


def test_a_page_of_ours_is_refused_under_a_rebound_name() -> None:
    assert refusal(Knock("evil.example", is_origin_form=True, headers=NAVIGATION, opens_page=True))


def test_a_host_that_the_user_allows_may_come_in_by_its_whole_name() -> None:
    allowed = frozenset({"box.local"})
    assert refusal(knock("Box.Local:8765"), allowed) is None
    assert refusal(knock("x.box.local"), allowed)


@pytest.mark.parametrize(
    ("headers", "admitted"),
    [
        ([], True),
        ([(b"Sec-Fetch-Site", b"none")], True),
        ([(b"Sec-Fetch-Site", b"same-origin"), (b"Origin", b"http://127.0.0.1:8765")], True),
        ([(b"Origin", b"HTTP://127.0.0.1:8765")], True),
        ([(b"Sec-Fetch-Site", b"cross-site")], False),
        ([(b"Sec-Fetch-Site", b"same-site")], False),
        ([(b"Sec-Fetch-Site", b"")], False),
        ([(b"Sec-Fetch-Site", b"NONE")], False),
        ([(b"sec-fetch-site", b"none"), (b"SEC-FETCH-SITE", b"cross-site")], False),
        ([(b"Origin", b"null")], False),
        ([(b"Origin", b"")], False),
        ([(b"Origin", b"https://evil.example")], False),
        ([(b"Origin", b"https://127.0.0.1:8765")], False),
        ([(b"Origin", b"http://127.0.0.1:3000")], False),
        ([(b"Origin", b"http://localhost:8765")], False),
        ([(b"Origin", b"http://127.0.0.1:8765.evil.com")], False),
        ([(b"Origin", b"chrome-extension://abc")], False),
        ([(b"origin", b"http://127.0.0.1:8765"), (b"origin", b"http://evil.example")], False),
    ],
)
def test_what_a_web_page_of_another_origin_sends_is_refused(
    headers: list[tuple[bytes, bytes]], admitted: bool
) -> None:
    problem = refusal(knock(HERE, *headers))
    assert (problem is None) is admitted
    assert problem is None or (problem.status, "a web page sent it" in problem.message) == (
        403,
        True,
    )


def test_an_absolute_target_is_refused_whatever_its_host() -> None:
    problem = refusal(knock(HERE, origin_form=False))
    assert problem
    assert "forward proxy" in problem.message


@pytest.mark.parametrize("value", [b"a\x00b", b"a\rb", b"a\nb", b"a\x7fb", b"\x1b[2J"])
def test_a_control_character_in_a_header_is_refused_and_not_repeated(value: bytes) -> None:
    problem = refusal(knock(HERE, (b"x", value)))
    assert problem
    assert (problem.status, problem.message.isprintable()) == (400, True)


@pytest.mark.parametrize("value", [b"a\tb", b"caf\xc3\xa9", b""])
def test_other_values_are_nothing_to_the_gate(value: bytes) -> None:
    assert refusal(knock(HERE, (b"x", value))) is None


HEADERS: st.SearchStrategy[Headers] = st.lists(st.tuples(st.binary(), st.binary())).map(tuple)


@given(st.text(), st.booleans(), HEADERS)
def test_the_gate_is_total_and_lets_no_other_name_in(
    authority: str, origin_form: bool, headers: Headers
) -> None:
    problem = refusal(Knock(authority, origin_form, headers))
    assert problem or authority.lower().rsplit(":", 1)[0].strip("[]") in {
        "localhost",
        "127.0.0.1",
        "::1",
        ":",
    }


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1", True),
        ("127.0.0.2", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::1%lo", True),
        ("::ffff:10.0.0.1", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("192.168.1.1", False),
        ("fe80::1%eth0", False),
        ("128.0.0.1", False),
        ("", False),
        ("localhost", False),
        ("127.0.0.1.evil.com", False),
        ("/run/socket", False),
    ],
)
def test_a_peer_is_of_this_machine_by_its_parsed_address(address: str, local: bool) -> None:
    assert is_loopback_address(address) is local
