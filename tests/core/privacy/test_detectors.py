"""Each kind of private value is found in the places where it stands, and what only looks like one is not."""

from __future__ import annotations

import re
import time

from addons.core.privacy.detectors import FINDERS, Detector, without_escapes
from addons.core.settings.privacy import SETS
from tests.core.privacy.values import ALL, RANDOM

PLACES = (
    "{}", "before {} after", '"{}"', "({})", "<{}>", "a: {}, b", "[{}]", "x={}\n", "\\n{}\\n", "\x1b[31m{}\x1b[0m",
    "| {} |", "`{}`", "{}.", "{},", "\t{}\r\n", "Grüße: {}…", "https://example.com/?q={}&x=1",
)  # fmt: skip


def _found(text: str, *sets: str) -> list[tuple[str, str]]:
    spans = Detector(sets or SETS, {}).find(text)
    return [(text[one.start : one.end], one.kind) for one in spans]


def test_values_of_every_kind_are_found_in_every_place() -> None:
    missed = [
        (place, value, found)
        for kind, values in ALL.items()
        for value in values
        for place in PLACES
        if (value, kind) not in (found := _found(place.format(value)))
    ]
    assert missed == []


def test_tokens_are_found_by_what_stands_before_them() -> None:
    random = RANDOM + RANDOM
    for text in (
        f"Authorization: Bearer {random}", f"authorization: basic {random}", f'API_KEY="{random}"', f"token: {random}",
        f'{{"client_secret": "{random}"}}', f"https://user:{random}@example.com/",
    ):  # fmt: skip
        assert (random, "token") in _found(text), text


def test_labelled_numbers_are_phone_numbers() -> None:
    for text in (
        "phone: 5551234567",
        "Tel. 5551234567",
        "mobile number 5551234567",
        "Telefon: 5551234567",
        "homeTel: 5551234567",
        "smartphone 5551234567",
    ):
        assert _found(text) == [("5551234567", "phone")], text


def test_what_only_looks_like_a_private_value_is_left_alone() -> None:
    harmless = (
        "version 1.2.3.4", "2026-11-30 12:30:11", "12.04.2026", "line 12345678 of 200000000", "10-20-2026",
        "deadbeef4111111111111111", "550e8400-e29b-41d4-a716-446655440000", "192.168.100.200:8080", "icon@2x.png",
        "git@github.com:a/b.git", "npm-check-updates", "task-list-something", "1764546000000", "0x4111111111111111",
        "00 01 02 03 04 05 06 07", "lodash@4.17.21", "@app.route", "0644 1000 1000 123", "2026-11-30T01:02:03+0100",
        "commit 4111111111111112", "12:34:56.789012345", "bearer authentication is", "foo@bar", "1.415.555.2671.3",
        "hotel 12345678", "automobile: 12345678", "Halifax 12345678", "vue@3.0.0-rc.next", "pkg@10.2.0.dev",
        "postgres://user:password@db/x", "amqp://guest:guest@mq", "redis://:$PASSWORD@cache", "https://u:{token}@host",
        "ftp://a:xxxxx@b", "mysql://root:${DB_PASS}@db",
        "key: some_function_name_long", "3.14159265358979", "sk-learn", "hf-transformers-cli", "fw-update-manager",
        "a5f3e2d1c0b9a8f7e6d5c4b3a2f1e0d9c8b7a6f5", "token: str = field(default)", "http://localhost:8080/x@y",
        "offset 4111111111111111.5", "$ 415.555", "range(100, 200)", "8080-9090-10000", "@@ -12,7 +13,9 @@",
    )  # fmt: skip
    assert [(text, _found(text)) for text in harmless if _found(text)] == []


def test_number_in_an_added_line_of_a_diff_is_no_phone_number() -> None:
    diff = "--- a\n+++ b\n@@ -1 +1 @@\n-1\n+20261130123\n"
    assert _found(diff) == []
    assert _found("\n+20261130123\n") == [("+20261130123", "phone")]


def test_sets_are_switched_on_one_by_one() -> None:
    text = "\n".join(values[0] for values in ALL.values())
    kinds = {"keys": "key", "emails": "email", "phones": "phone", "cards": "card"}
    for name, kind in kinds.items():
        assert _found(text, name) == [(ALL[kind][0], kind)]
    assert tuple(FINDERS) == SETS


def test_numbers_behind_a_phone_number_are_none_of_it() -> None:
    assert _found("+49 30 901820 20261130 20261130", "phones") == [("+49 30 901820", "phone")]
    assert _found("+123 " * 50, "phones") == []


def test_users_pattern_has_its_own_kind() -> None:
    detector = Detector((), {"ticket": re.compile("ACME-[0-9]{4,8}")})
    assert detector.find("see ACME-12345.") == [(4, 14, "ticket")]


def test_escapes_become_blanks_of_the_same_length() -> None:
    for text in (r"a\nb", r"a\\nb", r"aéb", "a\x1b[1;31mb", r"C:\new", "plain", "\\"):
        assert len(without_escapes(text)) == len(text)
    assert without_escapes(r"a\nb") == "a  b"
    assert without_escapes("plain") == "plain"


def test_a_private_key_without_an_end_is_masked_as_far_as_it_goes() -> None:
    text = f"-----BEGIN {'PRIVATE'} KEY-----\n{RANDOM}\n{RANDOM} (cut)"
    ((found, kind),) = _found(text, "keys")
    assert kind == "key"
    assert text.startswith(found)
    assert "(" not in found
    assert found.count(RANDOM) == 2


def test_time_grows_with_the_text_and_no_faster() -> None:
    detector = Detector(SETS, {})
    pieces = (
        "a@", "a@b.", f"-----BEGIN {'PRIVATE'} KEY-----", "sk-", "key=", "1 ", "+1", "12-34 ", "\\", "(0", "://a:", "m", "1",
        "bearer ", "x@a-", "0123-", "\x1b[", "eyJ", "tel: 1",
    )  # fmt: skip
    for piece in pieces:
        taken = []
        for size in (20_000, 160_000):
            text = piece * (size // len(piece))
            started = time.perf_counter()
            detector.find(text)
            taken.append(time.perf_counter() - started)
        assert taken[1] < max(0.5, 24 * taken[0]), piece
