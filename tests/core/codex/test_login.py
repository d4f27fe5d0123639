"""The ChatGPT login in the bytes of auth.json."""

import base64
import string

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.codex.login import (
    Login,
    LoginKind,
    LoginProblem,
    check_expiry,
    is_chatgpt_login,
    is_login_disabled,
    login_disabled_problem,
    read_login,
    unreadable_problem,
)
from addons.core.secrets import Secret

PATH = "/home/ada/.codex/auth.json"
NOW = 1_800_000_000.0
ACCOUNT = "acct-0123456789-9f3c"


def jwt(**claims: object) -> str:
    payload = base64.urlsafe_b64encode(orjson.dumps(claims)).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{payload}.c2ln"


def auth_json(**tokens: object) -> bytes:
    content = {"access_token": jwt(exp=NOW + 60), "account_id": ACCOUNT, **tokens}
    return orjson.dumps({"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": content})


def plan(name: object) -> dict[str, object]:
    return {"https://api.openai.com/auth": {"chatgpt_plan_type": name}}


def parse_login(data: bytes | None, path: str, now: float) -> Login | LoginProblem:
    found = read_login(data, path)
    return check_expiry(found, path, now) if isinstance(found, Login) else found


def login(data: bytes) -> Login:
    found = parse_login(data, PATH, NOW)
    assert isinstance(found, Login)
    return found


def problem(data: bytes | None, now: float = NOW) -> LoginProblem:
    found = parse_login(data, PATH, now)
    assert isinstance(found, LoginProblem)
    return found


def test_login_holds_token_and_account_of_the_file() -> None:
    token = jwt(exp=NOW + 60)
    found = login(auth_json(access_token=token))
    assert found.access_token.matches(Secret(token))
    assert found.account_id is not None
    assert found.account_id.matches(Secret(ACCOUNT))
    assert found.expires_at == NOW + 60
    assert found.account_hint == "9f3c"


def test_auth_mode_is_optional() -> None:
    content = orjson.loads(auth_json())
    del content["auth_mode"]
    assert isinstance(parse_login(orjson.dumps(content), PATH, NOW), Login)


@pytest.mark.parametrize("tokens", [{"account_id": None}, {}])
def test_account_is_optional(tokens: dict[str, object]) -> None:
    data = orjson.dumps({"tokens": {"access_token": "opaque", **tokens}})
    found = login(data)
    assert (found.account_id, found.account_hint, found.expires_at) == (None, "", None)


def test_short_account_id_gives_no_hint() -> None:
    assert login(auth_json(account_id="12345678")).account_hint == ""


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ({"id_token": jwt(**plan("pro"))}, "pro"),
        ({"access_token": jwt(**plan("plus"))}, "plus"),
        ({"id_token": jwt(**plan("pro")), "access_token": jwt(**plan("plus"))}, "pro"),
        ({"id_token": jwt(**plan("\x1b[31mred"))}, None),
        ({"id_token": jwt(**plan(7))}, None),
        ({"id_token": jwt(**{"https://api.openai.com/auth": "pro"})}, None),
        ({"id_token": "not.a.jwt"}, None),
        ({"id_token": 5}, None),
    ],
)
def test_plan_type_comes_from_the_claims(tokens: dict[str, object], expected: str | None) -> None:
    assert login(auth_json(**tokens)).plan_type == expected


@pytest.mark.parametrize(
    ("token", "expires_at"),
    [
        (jwt(exp=NOW + 1), NOW + 1),
        (jwt(exp="soon"), None),
        (jwt(exp=True), None),
        (jwt(), None),
        ("a.b", None),
        ("a.!!!!.c", None),
        ("a..c", None),
        ("x.W10.x", None),
    ],
)
def test_expiry_needs_a_numeric_exp_claim(token: str, expires_at: float | None) -> None:
    assert login(auth_json(access_token=token)).expires_at == expires_at


@pytest.mark.parametrize(
    ("data", "kind", "command"),
    [
        (None, LoginKind.MISSING, "codex login"),
        (b"", LoginKind.GARBLED, "codex login"),
        (b'{"tokens": {"acc', LoginKind.GARBLED, "codex login"),
        (b"[]", LoginKind.GARBLED, "codex login"),
        (b"\xff\xfe", LoginKind.GARBLED, "codex login"),
        (b"{}", LoginKind.NO_TOKEN, "codex login"),
        (b'{"tokens": []}', LoginKind.NO_TOKEN, "codex login"),
        (b'{"tokens": {"account_id": "a"}}', LoginKind.NO_TOKEN, "codex login"),
        (auth_json(access_token=""), LoginKind.NO_TOKEN, "codex login"),
        (auth_json(access_token=7), LoginKind.GARBLED, "codex login"),
        (auth_json(access_token="a b"), LoginKind.GARBLED, "codex login"),
        (auth_json(access_token="a\r\nx: y"), LoginKind.GARBLED, "codex login"),
        (auth_json(access_token="tokén"), LoginKind.GARBLED, "codex login"),
        (auth_json(account_id=""), LoginKind.GARBLED, "codex login"),
        (auth_json(account_id="a\nb"), LoginKind.GARBLED, "codex login"),
        (auth_json(account_id=[]), LoginKind.GARBLED, "codex login"),
        (b'{"auth_mode":"apikey","OPENAI_API_KEY":"sk-1"}', LoginKind.API_KEY_ONLY, "codex login"),
        (b'{"OPENAI_API_KEY":"sk-1","tokens":null}', LoginKind.API_KEY_ONLY, "codex login"),
        (
            b'{"auth_mode":"apikey","tokens":{"access_token":"t"}}',
            LoginKind.API_KEY_ONLY,
            "codex login",
        ),
        (auth_json(access_token=jwt(exp=NOW)), LoginKind.EXPIRED, "Run `codex`"),
        (auth_json(access_token=jwt(exp=-1)), LoginKind.EXPIRED, "Run `codex`"),
    ],
)
def test_unusable_login_names_the_file_and_the_command(
    data: bytes | None, kind: LoginKind, command: str
) -> None:
    found = problem(data)
    assert found.kind is kind
    assert PATH in found.message
    assert command in found.message
    assert found.message.count(". ") <= 1


def test_missing_file_message_mentions_the_keyring() -> None:
    assert "keyring" in problem(None).message


def test_expiry_depends_on_the_given_time() -> None:
    found = read_login(auth_json(access_token=jwt(exp=NOW)), PATH)
    assert isinstance(found, Login)
    assert check_expiry(found, PATH, NOW - 1) is found
    late = check_expiry(found, PATH, NOW)
    assert isinstance(late, LoginProblem)
    assert late.kind is LoginKind.EXPIRED


@pytest.mark.parametrize(
    ("value", "off"),
    [
        ("1", True),
        ("TRUE", True),
        ("yes", True),
        (" On ", True),
        ("", False),
        ("0", False),
        ("no", False),
        ("2", False),
    ],
)
def test_disable_variable(value: str, off: bool) -> None:
    assert is_login_disabled({"CODEX_SHIM_DISABLE_CHATGPT": value}) is off


def test_login_is_enabled_without_the_variable() -> None:
    assert not is_login_disabled({})


def test_other_problems_name_their_cause() -> None:
    assert "CODEX_SHIM_DISABLE_CHATGPT" in login_disabled_problem().message
    assert "Permission denied" in unreadable_problem(PATH, "Permission denied").message


def test_logins_compare_by_token() -> None:
    first, again, other = (
        login(auth_json(access_token=token)) for token in ("one", "one", "another")
    )
    assert first.same_token(again)
    assert not first.same_token(other)


def test_repr_shows_no_secret() -> None:
    found = login(auth_json(access_token="s3cr3t-token", account_id="s3cr3t-account-1234"))
    assert "s3cr3t" not in repr(found)


values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["tokens", "access_token", "account_id", "id_token", "exp", "x"]), inner
        )
    ),
    max_leaves=12,
)


@given(st.binary(max_size=200) | values.map(orjson.dumps))
def test_any_bytes_give_a_login_or_a_problem(data: bytes) -> None:
    assert isinstance(parse_login(data, PATH, NOW), Login | LoginProblem)


@given(st.text(), st.text() | st.none(), values)
def test_only_header_safe_values_make_a_login(
    token: str, account: str | None, claims: object
) -> None:
    payload = base64.urlsafe_b64encode(orjson.dumps(claims)).decode()
    for shape in (token, f"{token}.{payload}.{token}"):
        data = orjson.dumps({"tokens": {"access_token": shape, "account_id": account}})
        found = parse_login(data, PATH, 0.0)
        plain = set(string.printable) - set(string.whitespace)
        safe = bool(shape) and set(shape) <= plain and (account is None or set(account) <= plain)
        if isinstance(found, Login):
            assert safe
            assert account is None or account


@pytest.mark.parametrize("cut", range(len(auth_json(access_token="t"))))
def test_truncated_file_is_not_a_login(cut: int) -> None:
    assert problem(auth_json(access_token="t")[:cut]).kind is LoginKind.GARBLED


TOKENS = {"access_token": "t", "id_token": jwt(email="ada@example.com")}


@pytest.mark.parametrize(
    ("content", "is_login"),
    [
        ({"tokens": TOKENS}, True),
        ({"auth_mode": "chatgpt", "tokens": TOKENS | {"account_id": None}}, True),
        ({"tokens": TOKENS | {"access_token": jwt(exp=NOW - 1)}}, True),
        ({"auth_mode": "apikey", "tokens": TOKENS}, False),
        ({"OPENAI_API_KEY": "sk"}, False),
        ({"tokens": {"access_token": "t"}}, False),
        ({"tokens": TOKENS | {"id_token": "no.jwt.here"}}, False),
        ({"tokens": TOKENS | {"access_token": ""}}, False),
        ({"tokens": {}}, False),
        ([], False),
    ],
)
def test_codex_finds_a_chatgpt_login(content: object, is_login: bool) -> None:
    assert is_chatgpt_login(orjson.dumps(content)) is is_login


@pytest.mark.parametrize("data", [None, b"", b"{", b"3"])
def test_codex_finds_no_login_in_other_bytes(data: bytes | None) -> None:
    assert not is_chatgpt_login(data)
