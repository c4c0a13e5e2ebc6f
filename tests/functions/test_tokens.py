"""Which tokens let a caller in. Each refused one is an admitted one with one thing changed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from retrigger.functions.auth import Call, Callers
from retrigger.triggers.environment import EntraCaller, Environment, GoogleCaller
from retrigger.triggers.errors import NotAllowed, Unavailable
from tests.functions.issuer import Issuer, private_key, public_jwk, sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from retrigger.triggers.environment import Caller

NOW = 1_767_603_600
TENANT = "11111111-2222-3333-4444-555555555555"
EVENT_GRID = "4962773b-9cdb-44cf-a8bf-237846a00ab7"
V1, V2 = f"https://sts.windows.net/{TENANT}/", f"https://login.microsoftonline.com/{TENANT}/v2.0"
AUDIENCE = "https://retrigger-x.run.app"
PUSH = "push@acme.iam.gserviceaccount.com"
PUSHES = GoogleCaller(audience=AUDIENCE, service_accounts=(PUSH,))
WEBHOOK = EntraCaller(tenant=TENANT, audience="api://retrigger", apps=(EVENT_GRID,))
TIMES = {"iat": NOW - 10, "exp": NOW + 3590}
GOOGLE = {**TIMES, "iss": "https://accounts.google.com", "aud": AUDIENCE, "email": PUSH, "email_verified": True}
ENTRA_V1 = {**TIMES, "nbf": NOW - 10, "iss": V1, "aud": "api://retrigger", "appid": EVENT_GRID}
ENTRA_V2 = {**TIMES, "nbf": NOW - 10, "iss": V2, "aud": "api://retrigger", "azp": EVENT_GRID}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as started:
        yield started


def declared(certs: str, *callers: Caller) -> Callers:
    environment = Environment(
        name="prod",
        cloud="gcp",
        project="acme",
        location="europe-west4",
        ledger="",
        callers=callers,
        services={"google_certs": certs, "entra_certs": certs},
    )
    return Callers.of(environment, {}, clock=lambda: float(NOW))


@pytest.fixture
def callers(issuer: Issuer) -> Callers:
    return declared(issuer.url, PUSHES, WEBHOOK)


def bearer(token: str) -> Call:
    return Call(headers={"authorization": f"Bearer {token}"}, peer="127.0.0.1")


def refusal(callers: Callers, authorization: str) -> tuple[int, str]:
    with pytest.raises(NotAllowed) as caught:
        callers.admit(Call(headers={"authorization": authorization}, peer="127.0.0.1"))
    return caught.value.status, caught.value.code


def without(claims: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in claims.items() if key != name}


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def forged(header: dict[str, object], secret: bytes = b"") -> str:
    """An HMAC over any secret: libraries refuse to make one over a public key."""
    told = ".".join(encoded(json.dumps(part).encode()) for part in (header, GOOGLE))
    return f"{told}.{encoded(hmac.new(secret, told.encode(), hashlib.sha256).digest())}"


def public_pem() -> bytes:
    return private_key("k1").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    "claims",
    [
        GOOGLE,
        {**GOOGLE, "iss": "accounts.google.com"},
        {**GOOGLE, "azp": "1137", "sub": "1137"},
        {**GOOGLE, "exp": NOW - 59},
        {**GOOGLE, "iat": NOW + 60},
        {**GOOGLE, "nbf": NOW + 60},
        {**GOOGLE, "exp": NOW + 0.5, "iat": NOW - 0.5},
        ENTRA_V1,
        ENTRA_V2,
    ],
)
def test_who_is_declared_is_let_in(callers: Callers, claims: dict[str, Any]) -> None:
    callers.admit(bearer(sign(claims)))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_written_in_any_case(callers: Callers, scheme: str) -> None:
    callers.admit(Call(headers={"authorization": f"{scheme} {sign(GOOGLE)}"}))


@pytest.mark.parametrize(
    ("claims", "status", "code"),
    [
        ({**GOOGLE, "iss": "https://accounts.google.com/"}, 401, "token_issuer"),
        ({**GOOGLE, "iss": ["https://accounts.google.com"]}, 401, "token_issuer"),
        ({**GOOGLE, "iss": V1.replace("1", "9")}, 401, "token_issuer"),
        (without(GOOGLE, "iss"), 401, "token_issuer"),
        ({**GOOGLE, "aud": AUDIENCE + "/"}, 401, "token_audience"),
        ({**GOOGLE, "aud": [AUDIENCE]}, 401, "token_audience"),
        ({**GOOGLE, "aud": "api://retrigger"}, 401, "token_audience"),
        (without(GOOGLE, "aud"), 401, "token_incomplete"),
        (without(GOOGLE, "exp"), 401, "token_incomplete"),
        (without(GOOGLE, "iat"), 401, "token_incomplete"),
        ({**GOOGLE, "exp": NOW - 60}, 401, "token_expired"),
        ({**GOOGLE, "exp": float("nan")}, 401, "token_expired"),
        ({**GOOGLE, "exp": str(NOW + 60)}, 401, "token_malformed"),
        ({**GOOGLE, "exp": True}, 401, "token_malformed"),
        ({**GOOGLE, "iat": NOW + 61}, 401, "token_not_yet_valid"),
        ({**GOOGLE, "iat": float("nan")}, 401, "token_not_yet_valid"),
        ({**GOOGLE, "nbf": NOW + 61}, 401, "token_not_yet_valid"),
        ({**GOOGLE, "nbf": None}, 401, "token_malformed"),
        ({**GOOGLE, "sub": 5}, 401, "token_malformed"),
        ({**GOOGLE, "email_verified": False}, 401, "caller_not_verified"),
        ({**GOOGLE, "email_verified": "true"}, 401, "caller_not_verified"),
        (without(GOOGLE, "email_verified"), 401, "caller_not_verified"),
        (without(GOOGLE, "email"), 401, "caller_not_verified"),
        ({**GOOGLE, "email": [PUSH]}, 401, "caller_not_verified"),
        ({**GOOGLE, "email": "other@acme.iam.gserviceaccount.com"}, 403, "caller_not_allowed"),
        ({**GOOGLE, "email": PUSH.upper()}, 403, "caller_not_allowed"),
        ({**ENTRA_V2, "aud": AUDIENCE}, 401, "token_audience"),
        ({**ENTRA_V2, "azp": TENANT}, 403, "caller_not_allowed"),
        ({**without(ENTRA_V2, "azp"), "appid": EVENT_GRID}, 401, "caller_not_verified"),
        ({**without(ENTRA_V1, "appid"), "azp": EVENT_GRID}, 401, "caller_not_verified"),
    ],
)
def test_a_token_that_says_the_wrong_thing_is_refused(
    callers: Callers, claims: dict[str, Any], status: int, code: str
) -> None:
    assert refusal(callers, f"Bearer {sign(claims)}") == (status, code)


def tampered(token: str) -> str:
    """Another caller in the middle, and the signature of the first."""
    head, _, signature = token.split(".")
    other = sign({**GOOGLE, "email": "other@acme.iam.gserviceaccount.com"}).split(".")[1]
    return f"{head}.{other}.{signature}"


def unsigned(token: str, signature: str) -> str:
    return f"{token.rpartition('.')[0]}.{signature}"


# What the header holds, made when it is needed: a name for each, since keys differ from run to run.
FORGERIES: dict[str, tuple[str, Callable[[], str]]] = {
    "alg none": ("token_algorithm", lambda: jwt.encode(GOOGLE, "", algorithm="none", headers={"kid": "k1"})),
    "HS256 with the public key": ("token_algorithm", lambda: forged({"alg": "HS256", "kid": "k1"}, public_pem())),
    "RS256 that is HS256": ("token_signature", lambda: forged({"alg": "RS256", "kid": "k1"}, public_pem())),
    "PS256": (
        "token_algorithm",
        lambda: jwt.encode(GOOGLE, private_key("k1"), algorithm="PS256", headers={"kid": "k1"}),
    ),
    "a list of algorithms": ("token_algorithm", lambda: forged({"alg": ["RS256"], "kid": "k1"})),
    "no algorithm": ("token_algorithm", lambda: forged({"kid": "k1"})),
    "a number for a key id": ("token_malformed", lambda: forged({"alg": "RS256", "kid": 1})),
    "an extension that must be understood": ("token_malformed", lambda: forged({"alg": "RS256", "crit": ["x"]})),
    "no key id": ("token_key_unknown", lambda: jwt.encode(GOOGLE, private_key("k1"), algorithm="RS256")),
    "a key of somebody else's": ("token_key_unknown", lambda: sign(GOOGLE, "k9")),
    "a key of somebody else's under our id": ("token_signature", lambda: sign(GOOGLE, "k9", kid="k1")),
    "a key that the token brings along": (
        "token_signature",
        lambda: sign(
            GOOGLE, "k9", kid="k1", jwk=public_jwk("k9"), jku="http://127.0.0.1:1/", x5u="http://127.0.0.1:1/"
        ),
    ),
    "claims of another token": ("token_signature", lambda: tampered(sign(GOOGLE))),
    "no signature": ("token_signature", lambda: unsigned(sign(GOOGLE), "")),
    "a signature that Cloud Run took away": (
        "token_signature_removed",
        lambda: unsigned(sign(GOOGLE), "SIGNATURE_REMOVED_BY_GOOGLE"),
    ),
    "a signed token of 11 KiB": ("token_too_long", lambda: sign({**GOOGLE, "x": "a" * 8192})),
    "ten megabytes": ("token_too_long", lambda: "a" * 10_000_000),
    "two headers": ("token_malformed", lambda: f"{sign(GOOGLE)},Bearer {sign(GOOGLE)}"),
    "two headers with a space": ("token_malformed", lambda: f"{sign(GOOGLE)}, Bearer {sign(GOOGLE)}"),
    "a space before": ("token_malformed", lambda: f" {sign(GOOGLE)}"),
    "a line's end after": ("token_malformed", lambda: f"{sign(GOOGLE)}\n"),
    "four parts": ("token_malformed", lambda: f"{sign(GOOGLE)}.x"),
    "no parts": ("token_malformed", lambda: ""),
    "parts that are not base64": ("token_malformed", lambda: "a.b.c"),
    "parts that are lists": ("token_malformed", lambda: "W10.W10."),
    "parts that are empty objects": ("token_issuer", lambda: "e30.e30."),
    "a header nested deep": ("token_malformed", lambda: f"{encoded(b'[' * 5000)}.e30."),
    "digits that are not ASCII": ("token_malformed", lambda: "\u0661.\u0662.\u0663"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_what_is_not_signed_by_its_issuer_is_refused(callers: Callers, name: str) -> None:
    code, make = FORGERIES[name]
    assert refusal(callers, f"Bearer {make()}") == (401, code)


@pytest.mark.parametrize("authorization", ["", "Bearer", "Basic cHVzaDpzZWNyZXQ=", "bearer.e30.e30.e30"])
def test_a_header_of_another_kind_is_refused(callers: Callers, authorization: str) -> None:
    assert refusal(callers, authorization) == (401, "token_malformed")


def test_a_call_without_a_token_is_refused_though_it_comes_from_loopback(callers: Callers) -> None:
    with pytest.raises(NotAllowed) as caught:
        callers.admit(Call(headers={}, peer="127.0.0.1"))
    assert (caught.value.status, caught.value.code) == (401, "no_credentials")


def test_nothing_that_is_told_holds_the_token(callers: Callers) -> None:
    token = sign({**GOOGLE, "exp": NOW - 3600})
    with pytest.raises(NotAllowed) as caught:
        callers.admit(bearer(token))
    assert all(part not in f"{caught.value} {bearer(token)}" for part in token.split("."))


def test_a_token_whose_issuer_is_not_reached_is_neither_let_in_nor_refused() -> None:
    callers = declared("http://127.0.0.1:1/certs", PUSHES, WEBHOOK)
    with pytest.raises(Unavailable) as caught:
        callers.admit(bearer(sign(GOOGLE)))
    assert caught.value.code == "keys_unavailable"


def test_a_token_of_no_declared_issuer_asks_nobody_for_keys(callers: Callers, issuer: Issuer) -> None:
    before = issuer.asked
    for claims in ({**GOOGLE, "iss": "https://evil.example"}, without(GOOGLE, "iss")):
        with pytest.raises(NotAllowed):
            callers.admit(bearer(sign(claims)))
    assert issuer.asked == before


def test_rules_of_one_issuer_share_its_keys() -> None:
    with Issuer() as issuer:
        callers = declared(issuer.url, *(replace(PUSHES, audience=audience) for audience in ("a", "b")))
        callers.admit(bearer(sign({**GOOGLE, "aud": "a"})))
        callers.admit(bearer(sign({**GOOGLE, "aud": "b"})))
        assert issuer.asked == 1
