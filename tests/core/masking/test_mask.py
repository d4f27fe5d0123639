"""No echo of a secret survives the mask; nothing else changes."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import sys
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.masking.echoes import MIN_EXPANDED_MATCH, MIN_MATCH, Echoes
from addons.core.masking.mask import LABEL, WITHHELD, EchoMask, TurnMask, prepare_mask
from addons.core.secrets import Secret
from tests.core.masking.echo_forms import FORMS


def fabricated_login(seed: int) -> str:
    """Return a text as long as the token of a login, whose signature is random."""
    parts = (base64.urlsafe_b64encode(Random(seed + at).randbytes(190)) for at in range(2))  # noqa: S311  no secret
    return ".".join(["eyJhbGciOiJSUzI1NiJ9", *(each.decode().rstrip("=") for each in parts)])


KEYS = {
    "key": "sk-Row_Key-9f3aQz71LmXw",
    "hex": "0af7651916cd43dd8448eb211c80319c",
    "token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhY2N0LTEyMzQ1Njc4OTAifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbi0x",
    "account": "5f9b6c1e-1111-4222-8333-0123456789ab",
    # in base85 these hold %3B, %09 and %04, which look like escapes of a URL
    "escape in base85": "acct-7039c868f66caaeaf88a9e41",
    "escapes in base85": "acct-3064c198f418f6196cd852d2",
    "escapes": "pa%41ss%2dword&lt;91Zq7LkWm38TbYq",
    "login": fabricated_login(0),
}


def mask_of(*values: str) -> EchoMask:
    return EchoMask(Secret(value).derive(Echoes.of) for value in values)


MASK = mask_of(*(f"Bearer {key}" for key in KEYS.values()))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", KEYS)
def test_echo_is_replaced(name: str, form: str) -> None:
    echo = FORMS[form](KEYS[name])
    # a JSON string escapes once more
    for text in (f"before {echo} behind", json.dumps({"message": f"before {echo} behind"})):
        masked = MASK.text(text)
        assert LABEL.decode() in masked
        assert FORMS[form](KEYS[name][2:-2]) not in masked
        assert ("before " in masked, " behind" in masked) == (True, True)


@pytest.mark.parametrize("form", FORMS)
def test_json_stays_json(form: str) -> None:
    text = json.dumps({"error": {"message": FORMS[form](KEYS["key"]), "code": 7}, "list": [1, "x"]})
    masked = json.loads(MASK.text(text))
    assert (masked["error"]["code"], masked["list"]) == (7, [1, "x"])


@pytest.mark.parametrize("shift", range(8))
@pytest.mark.parametrize(
    ("form", "shortest"),
    [("{:08b}", MIN_EXPANDED_MATCH), ("{:03d}", MIN_EXPANDED_MATCH), ("{:c}", MIN_MATCH)],
)
def test_part_of_a_form_is_found_wherever_it_stands(form: str, shortest: int, shift: int) -> None:
    whole = "".join(form.format(byte) for byte in KEYS["token"].encode()[-40:])
    whole = whole.replace(".", "").replace("-", "")
    for start in range(len(whole) - shortest):
        part = whole[start : start + shortest]
        assert MASK.finds_any(f"{'y' * shift}{part}yyyyy"), part
        assert not MASK.finds_any(f"{'y' * shift}{part[:8]}yyyyyyyy{part[-8:]}yyyyy")


OTHER_TEXTS = [
    " ".join(f"{each:08b}" for each in b"hello world, from a lesson about bytes"),
    f"{Random(1).getrandbits(64):064b}",  # noqa: S311  no secret
    "4111 1111 1111 1111 | 4111 1111 1111 0055",
    "1" * 48,
    "01" * 24,
    "0" * 48,
    "11111111.11111111.11111111.00000000",
]


def test_digits_that_quote_nothing_are_kept() -> None:
    """The pieces of a long login in binary are those of any binary text: `hello world` was a secret for everybody."""
    # octal 111 for I, decimal 111 for o
    logins = [*map(fabricated_login, range(12)), f"{fabricated_login(12)}IIII-oooo"]
    for mask in map(mask_of, logins):
        assert [mask.text(text) for text in OTHER_TEXTS] == OTHER_TEXTS


@pytest.mark.parametrize("form", ["{:03o}", "{:d}", "{:02x}"])
def test_less_of_a_long_form_is_no_echo_of_a_login(form: str) -> None:
    """It was one: these forms of the end of a login are shorter than the whole of it."""
    login = KEYS["login"]
    whole = "".join(form.format(each) for each in login[-120:-40].encode())
    assert mask_of(login).finds_any(f"yyyyy{whole[:MIN_EXPANDED_MATCH]}yyyyy")
    assert not mask_of(login).finds_any(f"yyyyy{whole[: MIN_EXPANDED_MATCH - 6]}yyyyy")


@given(st.text("01", min_size=20, max_size=90), st.integers(0, 40), st.integers(0, 60))
def test_binary_digits_are_an_echo_exactly_if_they_are_a_part_of_the_form(
    digits: str, start: int, length: int
) -> None:
    form = "".join(f"{each:08b}" for each in KEYS["key"].encode())
    text = f"{digits}2{form[start : start + length]}2{digits}"
    parts = text.split("2")
    is_echo = any(
        each[at : at + MIN_EXPANDED_MATCH] in form
        for each in parts
        for at in range(len(each) - MIN_EXPANDED_MATCH + 1)
    )
    assert mask_of(KEYS["key"]).finds_any(text) == is_echo


def test_secret_of_one_character_is_found_in_each_form() -> None:
    key = "o" * 17 + "1"
    for form in ("{:d}", "{:03o}", "{:02x}", "{:08b}"):
        echo = "".join(form.format(each) for each in key.encode())
        assert mask_of(key).text(f"before {echo} behind") == "before <secret> behind"


@pytest.mark.parametrize("form", ["{:d}", "{:03d}", "{:03o}", "{:02x}"])
@pytest.mark.parametrize("filler", ["", "yy", "4", "33", "141"])
def test_repetitive_text_beside_an_echo_does_not_hide_it(form: str, filler: str) -> None:
    """A dump pads with the last character, a number with zeros: their digits are pieces of the same secret."""
    key = f"{'0' * 19}24996268508355273731{'3' * 7}19064937{'a' * 6}"
    for start, end in [(10, 40), (19, 46), (24, 46), (20, len(key))]:
        echo = "".join(form.format(each) for each in key[start:end].encode())
        masked = mask_of(key).text(f"before {filler}{echo}{echo[-3:] * 30} behind")
        assert echo[-24:] not in masked, (start, end)


def test_part_of_a_long_key_of_digits_is_found_in_each_form() -> None:
    """Two digits of such a key make a piece, so the same pieces come again: only short echoes were found."""
    key = "".join(map(str, Random(7).choices(range(10), k=200)))  # noqa: S311  no secret
    for form in ("{:d}", "{:03d}", "{:03o}", "{:02x}"):
        for size in (20, 60, 150):
            echo = "".join(form.format(each) for each in key[30 : 30 + size].encode())
            assert mask_of(key).text(f"before {echo} behind") == "before <secret> behind"
        twice = key[30:150].encode().hex().encode().hex()
        assert mask_of(key).text(f"before {twice} behind") == "before <secret> behind"


@pytest.mark.parametrize("digits", [b"00000000", b"11111111"])
def test_digits_that_no_form_has_lead_to_no_closer_look(digits: bytes) -> None:
    """Numbers with many zeros are common, and took more than twice the time."""
    piece = int.from_bytes(digits, sys.byteorder)
    assert all(piece not in mask._words for mask in (MASK, EchoMask([])))
    part = int.from_bytes(f"{ord('K'):08b}".encode(), sys.byteorder)
    assert part in MASK._words
    assert part not in EchoMask([])._words


@pytest.mark.parametrize("size", [1, 3, 8])
@pytest.mark.parametrize("field", ["delta", "text", "content", "partial_json", "thinking"])
def test_echo_spread_over_events_is_replaced(field: str, size: int) -> None:
    key = KEYS["key"]
    parts = [key[at : at + size] for at in range(0, len(key), size)]
    stream = "".join(f"data: {json.dumps({'type': 'x', field: part})}\n\n" for part in parts)
    masked = MASK.stream(stream.encode())
    texts = [json.loads(line[6:])[field] for line in masked.decode().splitlines() if line]
    assert key not in "".join(texts)
    assert len(texts) == len(parts)


def test_no_part_of_a_form_survives_where_it_is_cut() -> None:
    """Escapes are cut, too, and one event may hold enough of an echo to be replaced by itself."""
    key = KEYS["token"]
    text = "".join(f"before {form(key)} behind " for form in FORMS.values())
    for size in (1, 2, 7, 13, 20, 31, 50, 64):
        parts = [text[at : at + size] for at in range(0, len(text), size)]
        stream = "".join(f"data: {json.dumps({'delta': part})}\n\n" for part in parts)
        masked = MASK.stream(stream.encode()).decode()
        texts = [json.loads(line[6:])["delta"] for line in masked.splitlines() if line]
        assert len(texts) == len(parts)
        for name, form in FORMS.items():
            whole = form(key)
            for at in range(0, len(whole) - 40, 20):
                assert whole[at : at + 40] not in "".join(texts), (size, name)


@given(st.binary(max_size=300))
def test_text_without_an_echo_is_the_same_object(data: bytes) -> None:
    assert MASK.data(data) is data
    assert MASK.stream(data) is data


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_no_surrounding_hides_a_plain_echo(before: bytes, behind: bytes) -> None:
    key = KEYS["key"].encode()
    assert key not in MASK.data(before + key + behind)


@pytest.mark.parametrize("length", range(5, 16))
def test_beginning_of_a_secret_at_a_cut_is_removed(length: int) -> None:
    data = b"your key " + KEYS["key"].encode()[:length]
    cut = MASK.cut(data)
    assert cut.startswith(b"your key")
    assert len(cut) <= len(b"your key ") + 3


def test_short_secret_is_replaced_as_a_whole() -> None:
    mask = mask_of("hunter22")
    assert mask.text("Hunter22 h-u-n-t-e-r-2-2 hunter") == "<secret> <secret> hunter"


def test_headers_are_masked_by_name_and_value() -> None:
    key = KEYS["key"].encode()
    headers = ((b"x-" + key, b"1"), (b"x-request-id", b"req-" + key), (b"a", b"b"))
    assert MASK.headers(headers) == ((b"x-secret", b"1"), (b"x-request-id", b"req-<secret>"), (b"a", b"b"))  # fmt: skip
    plain = ((b"a", b"b"),)
    assert MASK.headers(plain) is plain


def test_compressed_body_is_kept_as_plain_text() -> None:
    headers = ((b"Content-Encoding", b"gzip"), (b"a", b"b"))
    body = gzip.compress(b"you sent " + KEYS["key"].encode())
    assert MASK.message(headers, body) == (((b"a", b"b"),), b"you sent <secret>")
    assert MASK.message(headers, body[:-9])[1].startswith(b"you sent ")
    assert MASK.message(headers, b"") == (headers, b"")


@pytest.mark.parametrize("encoding", [b"zstd", b"br", b"gzip"])
def test_compressed_body_that_cannot_be_read_is_withheld(encoding: bytes) -> None:
    headers = ((b"content-encoding", encoding),)
    assert MASK.message(headers, b"\x1f\x8b nonsense") == ((), WITHHELD)


def test_mask_of_a_turn_follows_its_secrets() -> None:
    process = [Secret("process-secret-1")]
    turn = TurnMask(lambda: process)
    assert turn.current.text("process-secret-1 attempt-secret-2") == "<secret> attempt-secret-2"
    turn.add([Secret("attempt-secret-2")])
    assert turn.current.text("process-secret-1 attempt-secret-2") == "<secret> <secret>"
    assert turn.current is turn.current
    assert TurnMask().current.text("anything") == "anything"


@pytest.mark.parametrize("secret", [b"ab12cd34ef", b"k9-z8y7x6w5v4", b"sk-proj-Zp3nV8sQ1xRt6YbM"])
@pytest.mark.parametrize("rounds", [1, 2])
def test_whole_secret_is_found_however_often_it_was_encoded(secret: bytes, rounds: int) -> None:
    mask = EchoMask([Echoes.of(secret)])
    for encode in (base64.b64encode, binascii.hexlify):
        coded = secret
        for _ in range(rounds):
            coded = encode(coded)
        assert coded not in mask.data(b'{"a": "' + coded + b'"}')


def test_signature_that_shares_a_word_with_a_key_stays() -> None:
    signature = base64.b64encode(base64.b64encode(b"fabricated signature of a thought"))
    text = b'{"encrypted_content": "' + signature + b'"}'
    assert EchoMask([Echoes.of(b"sk-fabricated-upstream-key-0001")]).data(text) is text


def test_turn_uses_the_mask_that_was_prepared_for_its_secrets() -> None:
    process, own = (
        [Secret(b"process-wide-value-1"), Secret(b"of-the-login-value-2")],
        Secret(b"own-3"),
    )
    prepared = prepare_mask(process)
    turn = TurnMask(lambda: process)
    turn.add(process[1:])
    assert turn.current is prepared
    turn.add([own])
    assert turn.current is not prepared
