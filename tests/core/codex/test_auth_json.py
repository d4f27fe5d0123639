"""The login in the bytes of auth.json, of each kind that Codex writes."""

import base64
import string

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.codex.auth_json import has_api_key, has_codex_login, read_login
from addons.core.codex.login import Login, LoginKind, LoginMethod, LoginProblem, check_expiry
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
        (
            b'{"auth_mode":"apikey","tokens":{"access_token":"t"}}',
            LoginKind.NO_TOKEN,
            "printenv OPENAI_API_KEY | codex login --with-api-key",
        ),
        (b'{"auth_mode":"apikey","OPENAI_API_KEY":"a b"}', LoginKind.GARBLED, "codex login"),
        (
            b'{"auth_mode":"personalAccessToken"}',
            LoginKind.NO_TOKEN,
            "printenv CODEX_ACCESS_TOKEN | codex login --with-access-token",
        ),
        (b'{"personal_access_token":"a b"}', LoginKind.GARBLED, "codex login"),
        (b'{"auth_mode":"agentIdentity"}', LoginKind.NO_TOKEN, "codex login"),
        (
            b'{"auth_mode":"agentIdentity","agent_identity":"e.y.j"}',
            LoginKind.AGENT_IDENTITY,
            "codex-shim enable",
        ),
        (
            b'{"auth_mode":"bedrockApiKey","bedrock_api_key":"k"}',
            LoginKind.UNSUPPORTED,
            "codex login",
        ),
        (b'{"auth_mode":"\\u001b[31m"}', LoginKind.UNSUPPORTED, "codex login"),
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
    assert found.command in found.message or found.kind in {
        LoginKind.EXPIRED,
        LoginKind.AGENT_IDENTITY,
    }
    assert found.message.count(". ") <= 1


def test_expiry_depends_on_the_given_time() -> None:
    found = read_login(auth_json(access_token=jwt(exp=NOW)), PATH)
    assert isinstance(found, Login)
    assert check_expiry(found, PATH, NOW - 1) is found
    late = check_expiry(found, PATH, NOW)
    assert isinstance(late, LoginProblem)
    assert late.kind is LoginKind.EXPIRED


def with_claims(**claims: object) -> str:
    return jwt(**{"https://api.openai.com/auth": claims})


def test_account_comes_from_the_id_token_when_the_file_names_none() -> None:
    identity = with_claims(chatgpt_account_id=ACCOUNT)
    found = login(auth_json(account_id=None, id_token=identity))
    assert found.account_id
    assert found.account_id.matches(Secret(ACCOUNT))
    assert found.account_hint == "9f3c"


def test_account_of_the_file_wins_over_the_id_token() -> None:
    found = login(auth_json(id_token=with_claims(chatgpt_account_id="another-account")))
    assert found.account_id
    assert found.account_id.matches(Secret(ACCOUNT))


@pytest.mark.parametrize("account", ["", "a b", "a\r\nx: y", 7, None])
def test_unusable_account_in_the_id_token_is_no_account(account: object) -> None:
    identity = with_claims(chatgpt_account_id=account)
    assert login(auth_json(account_id=None, id_token=identity)).account_id is None


@pytest.mark.parametrize(("claim", "is_fedramp"), [(True, True), (False, False), ("true", False)])
def test_fedramp_is_a_claim_of_the_id_token(claim: object, is_fedramp: bool) -> None:
    found = login(auth_json(id_token=with_claims(chatgpt_account_is_fedramp=claim)))
    assert found.is_fedramp is is_fedramp
    assert found.headers == (((b"x-openai-fedramp", b"true"),) if is_fedramp else ())


@pytest.mark.parametrize(
    ("content", "method", "secret"),
    [
        ({"auth_mode": "apikey", "OPENAI_API_KEY": "key-1"}, LoginMethod.API_KEY, "key-1"),
        ({"OPENAI_API_KEY": "key-1", "tokens": None}, LoginMethod.API_KEY, "key-1"),
        (
            {"OPENAI_API_KEY": "key-1", "tokens": {"access_token": "t"}},
            LoginMethod.API_KEY,
            "key-1",
        ),
        (
            {"auth_mode": "chatgpt", "OPENAI_API_KEY": "key-1", "tokens": {"access_token": "t"}},
            LoginMethod.CHATGPT,
            "t",
        ),
        (
            {"auth_mode": "personalAccessToken", "personal_access_token": "at-1"},
            LoginMethod.ACCESS_TOKEN,
            "at-1",
        ),
        (
            {"personal_access_token": "at-1", "OPENAI_API_KEY": "key-1"},
            LoginMethod.ACCESS_TOKEN,
            "at-1",
        ),
        (
            {"auth_mode": "chatgptAuthTokens", "tokens": {"access_token": "t"}},
            LoginMethod.CHATGPT,
            "t",
        ),
    ],
)
def test_file_with_several_logins_gives_the_one_that_codex_uses(
    content: dict[str, object], method: LoginMethod, secret: str
) -> None:
    found = login(orjson.dumps(content))
    assert found.method is method
    assert found.access_token.matches(Secret(secret))


@pytest.mark.parametrize(
    ("key", "is_fedramp"),
    [("sk-proj-fedramp-x", True), ("sk-svcacct-fedramp-x", True), ("sk-proj-x", False)],
)
def test_key_of_a_fedramp_project_is_known_by_its_beginning(key: str, is_fedramp: bool) -> None:
    found = login(orjson.dumps({"OPENAI_API_KEY": key}))
    assert found.is_fedramp is is_fedramp
    assert found.headers == (), "Codex marks only accounts"


def test_repr_shows_no_secret() -> None:
    found = login(auth_json(access_token="s3cr3t-token", account_id="s3cr3t-account-1234"))
    assert "s3cr3t" not in repr(found)


values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "tokens",
                    "access_token",
                    "account_id",
                    "id_token",
                    "exp",
                    "x",
                    "auth_mode",
                    "personal_access_token",
                    "agent_identity",
                    "OPENAI_API_KEY",
                ]
            ),
            inner,
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
        ({"auth_mode": "personalAccessToken", "personal_access_token": "at-1"}, True),
        ({"personal_access_token": "at-1"}, True),
        ({"auth_mode": "personalAccessToken", "tokens": TOKENS}, False),
        ({"auth_mode": "agentIdentity", "agent_identity": "e.y.j"}, True),
        ({"auth_mode": "agentIdentity"}, False),
        ({"auth_mode": "bedrockApiKey", "tokens": TOKENS}, False),
    ],
)
def test_codex_finds_a_login_for_chatgpt(content: object, is_login: bool) -> None:
    assert has_codex_login(orjson.dumps(content)) is is_login


@pytest.mark.parametrize(
    ("content", "is_key"),
    [
        ({"auth_mode": "apikey", "OPENAI_API_KEY": "key-1"}, True),
        ({"OPENAI_API_KEY": "key-1", "tokens": TOKENS}, True),
        ({"auth_mode": "chatgpt", "OPENAI_API_KEY": "key-1", "tokens": TOKENS}, False),
        ({"auth_mode": "apikey"}, False),
        ({"OPENAI_API_KEY": "a b"}, False),
        ([], False),
    ],
)
def test_codex_is_logged_in_with_an_api_key(content: object, is_key: bool) -> None:
    assert has_api_key(orjson.dumps(content)) is is_key


@pytest.mark.parametrize("data", [None, b"", b"{", b"3"])
def test_codex_finds_no_login_in_other_bytes(data: bytes | None) -> None:
    assert not has_codex_login(data)
