"""Which requests are admitted. The threats are those of a browser: any page can send requests to this port."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.headers import Headers
from addons.core.server.admission import RequestHead, is_loopback_address, refusal

HERE = "127.0.0.1:8765"


def head_of(
    authority: str = HERE, *headers: tuple[bytes, bytes], origin_form: bool = True
) -> RequestHead:
    return RequestHead(authority, origin_form, headers)


@pytest.mark.parametrize(
    "authority",
    [HERE, "127.0.0.1", "localhost", "localhost:8765", "LocalHost:1", "[::1]", "[::1]:8765"],
)
def test_loopback_name_is_admitted(authority: str) -> None:
    assert refusal(head_of(authority)) is None


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
def test_other_host_is_refused(authority: str) -> None:
    problem = refusal(head_of(authority))
    assert problem
    assert problem.status == 403
    assert "CODEX_SHIM_ALLOWED_HOSTS" in problem.message


NAVIGATION = (
    (b"Sec-Fetch-Site", b"cross-site"),
    (b"Sec-Fetch-Mode", b"navigate"),
    (b"Sec-Fetch-Dest", b"document"),
)


def test_cross_site_navigation_opens_a_page_but_no_data() -> None:
    assert (
        refusal(RequestHead(HERE, is_origin_form=True, headers=NAVIGATION, opens_page=True)) is None
    )
    assert refusal(RequestHead(HERE, is_origin_form=True, headers=NAVIGATION)), "data"


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
def test_cross_site_frame_or_fetch_is_refused(headers: Headers) -> None:
    assert refusal(RequestHead(HERE, is_origin_form=True, headers=headers, opens_page=True))


def test_page_under_a_rebound_name_is_refused() -> None:
    assert refusal(
        RequestHead("evil.example", is_origin_form=True, headers=NAVIGATION, opens_page=True)
    )


def test_allowed_host_is_admitted_by_its_whole_name() -> None:
    allowed = frozenset({"box.local"})
    assert refusal(head_of("Box.Local:8765"), allowed) is None
    assert refusal(head_of("x.box.local"), allowed)


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
def test_request_of_another_web_origin_is_refused(
    headers: list[tuple[bytes, bytes]], admitted: bool
) -> None:
    problem = refusal(head_of(HERE, *headers))
    assert (problem is None) is admitted
    assert problem is None or (problem.status, "a web page sent it" in problem.message) == (
        403,
        True,
    )


def test_absolute_target_is_refused() -> None:
    problem = refusal(head_of(HERE, origin_form=False))
    assert problem
    assert "forward proxy" in problem.message


@pytest.mark.parametrize("value", [b"a\x00b", b"a\rb", b"a\nb", b"a\x7fb", b"\x1b[2J"])
def test_control_character_in_a_header_is_refused_and_not_quoted(value: bytes) -> None:
    problem = refusal(head_of(HERE, (b"x", value)))
    assert problem
    assert (problem.status, problem.message.isprintable()) == (400, True)


@pytest.mark.parametrize("value", [b"a\tb", b"caf\xc3\xa9", b""])
def test_other_header_values_are_admitted(value: bytes) -> None:
    assert refusal(head_of(HERE, (b"x", value))) is None


HEADERS: st.SearchStrategy[Headers] = st.lists(st.tuples(st.binary(), st.binary())).map(tuple)


@given(st.text(), st.booleans(), HEADERS)
def test_admission_is_total_and_admits_no_other_name(
    authority: str, origin_form: bool, headers: Headers
) -> None:
    problem = refusal(RequestHead(authority, origin_form, headers))
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
def test_loopback_address_is_decided_on_the_parsed_address(address: str, local: bool) -> None:
    assert is_loopback_address(address) is local
