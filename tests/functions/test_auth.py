"""Who is let in without a token: by the platform's word, from the same machine, or with a key; and what is told of it.

Tokens have a page of their own, test_tokens.py.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from retrigger.functions.auth import Call, Callers
from retrigger.triggers.environment import Environment, GoogleCaller, KeyCaller
from retrigger.triggers.errors import NotAllowed, RetriggerError, Unavailable
from tests.functions.issuer import Issuer, sign

if TYPE_CHECKING:
    from retrigger.triggers.environment import Caller

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("auth.py", "tokens.py", "issuer_keys.py")
NOW = 1_767_603_600
PUSH = "push@acme.iam.gserviceaccount.com"
PUSHES = GoogleCaller(audience="f", service_accounts=(PUSH,))
CLAIMS = {"iat": NOW, "exp": NOW + 60, "iss": "accounts.google.com", "aud": "f", "email": PUSH, "email_verified": True}
KEYS = {"KEY": "s3cret", "NEXT_KEY": "s3cret-två"}


CHILD = """
import sys
from retrigger.functions.auth import Callers
from retrigger.triggers.environment import Environment, KeyCaller
for callers in ("platform", (), (KeyCaller(setting="KEY"),)):
    Callers.of(Environment(name="", cloud="gcp", project="", location="", ledger="", callers=callers), {"KEY": "x"})
print(*({"cryptography", "jwt"} & set(sys.modules)))
"""


def environment(callers: Literal["platform"] | tuple[Caller, ...], certs: str = "http://127.0.0.1:1/") -> Environment:
    return Environment(
        name="prod",
        cloud="gcp",
        project="acme",
        location="europe-west4",
        ledger="",
        callers=callers,
        services={"google_certs": certs},
    )


def callers(*declared: Caller, certs: str = "http://127.0.0.1:1/") -> Callers:
    return Callers.of(environment(declared, certs), KEYS, clock=lambda: float(NOW))


def refusal(of: Callers, call: Call) -> tuple[int, str]:
    with pytest.raises(NotAllowed) as caught:
        of.admit(call)
    return caught.value.status, caught.value.code


def test_whom_the_platform_checked_is_let_in() -> None:
    Callers.of(environment("platform"), {}).admit(Call(headers={"x-forwarded-for": "203.0.113.9"}, peer="169.254.1.1"))


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_where_nothing_is_declared_programs_of_the_same_machine_are_let_in(peer: str) -> None:
    callers().admit(Call(headers={"host": "127.0.0.1:8080", "user-agent": "curl"}, peer=peer))


@pytest.mark.parametrize("peer", ["203.0.113.9", "10.0.0.1", "172.17.0.1", "::2", "fe80::1", "1127.0.0.1", "", None])
def test_where_nothing_is_declared_nobody_else_is_let_in(peer: str | None) -> None:
    assert refusal(callers(), Call(headers={}, peer=peer)) == (403, "callers_not_configured")


@pytest.mark.parametrize("header", ["forwarded", "x-forwarded-for", "x-real-ip", "via", "origin"])
def test_where_nothing_is_declared_no_proxy_and_no_web_page_speaks_for_the_machine(header: str) -> None:
    assert refusal(callers(), Call(headers={header: ""}, peer="127.0.0.1")) == (403, "callers_not_configured")


def test_the_next_step_is_told() -> None:
    with pytest.raises(NotAllowed, match=r"environment `prod` .* add `callers` to it in retrigger.yaml"):
        callers().admit(Call(headers={}))


@pytest.mark.parametrize(
    "call",
    [
        Call(headers={}, code="s3cret"),
        Call(headers={"aeg-sas-key": "s3cret"}),
        Call(headers={"x-functions-key": "s3cret"}),
        Call(headers={"x-functions-key": "s3cret-två"}),
        Call(headers={"x-functions-key": "s3cret"}, code="what another wants"),
    ],
)
def test_who_has_a_key_is_let_in(call: Call) -> None:
    callers(KeyCaller(setting="KEY"), KeyCaller(setting="NEXT_KEY")).admit(call)


@pytest.mark.parametrize("key", ["", "s3cre", "s3cret ", "S3CRET", "KEY", "\x00", "\udcff", "é" * 100_000])
def test_who_has_another_key_is_not(key: str) -> None:
    """Though they call from loopback."""
    of = callers(KeyCaller(setting="KEY"))
    assert refusal(of, Call(headers={}, code=key, peer="127.0.0.1")) == (401, "wrong_key")
    assert refusal(of, Call(headers={"aeg-sas-key": key}, peer="127.0.0.1")) == (401, "wrong_key")


def test_who_has_none_is_not() -> None:
    assert refusal(callers(KeyCaller(setting="KEY")), Call(headers={}, peer="127.0.0.1")) == (401, "no_credentials")


@pytest.mark.parametrize("environ", [{}, {"KEY": ""}])
def test_a_key_that_is_not_set_lets_nobody_in(environ: dict[str, str]) -> None:
    with pytest.raises(RetriggerError, match="KEY is not set") as caught:
        Callers.of(environment((KeyCaller(setting="KEY"),)), environ)
    assert caught.value.code == "not_configured"


def test_any_of_those_declared_is_let_in() -> None:
    with Issuer() as issuer:
        of = callers(KeyCaller(setting="KEY"), PUSHES, certs=issuer.url)
        of.admit(Call(headers={}, code="s3cret"))
        of.admit(Call(headers={"authorization": f"Bearer {sign(CLAIMS)}"}, code="wrong"))
        of.admit(Call(headers={"authorization": "Bearer garbage"}, code="s3cret"))


def test_a_refusal_says_what_is_nearest_to_being_let_in() -> None:
    with Issuer() as issuer:
        of = callers(
            GoogleCaller(audience="g", service_accounts=(PUSH,)), PUSHES, KeyCaller(setting="KEY"), certs=issuer.url
        )
        stranger = f"Bearer {sign({**CLAIMS, 'email': 'other@acme.iam'})}"
        assert refusal(of, Call(headers={"authorization": stranger}, code="wrong")) == (403, "caller_not_allowed")
        late = f"Bearer {sign({**CLAIMS, 'aud': 'g', 'exp': NOW - 60})}"
        assert refusal(of, Call(headers={"authorization": late})) == (401, "token_expired")
        assert refusal(of, Call(headers={}, code="wrong")) == (401, "wrong_key")
        assert refusal(of, Call(headers={})) == (401, "no_credentials")


def test_a_key_lets_in_while_the_issuer_of_tokens_is_not_reached() -> None:
    of = callers(PUSHES, KeyCaller(setting="KEY"))
    both = {"authorization": f"Bearer {sign(CLAIMS)}"}
    of.admit(Call(headers=both, code="s3cret"))
    with pytest.raises(Unavailable):
        of.admit(Call(headers=both, code="wrong"))


def test_what_is_shown_of_a_call_holds_no_secret() -> None:
    assert str(Call(headers={"authorization": "s3cret"}, code="s3cret", peer="::1")) == "Call(peer='::1')"
    assert "s3cret" not in str(vars(callers(KeyCaller(setting="KEY"))))


def test_every_code_has_a_row_in_the_documentation() -> None:
    sources = [(ROOT / "functions" / name).read_text(encoding="utf-8") for name in SOURCES]
    codes = {code for text in sources for code in re.findall(r'(?:code=|_unknown\()"([a-z_]+)"', text)}
    rows = re.findall(r"^\| \d{3} \|([^|]+)\|", (ROOT / "docs" / "auth.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(codes) > 10
    assert {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)} == codes


def test_without_tokens_the_library_for_them_is_not_loaded() -> None:
    """Every cold start would pay for it."""
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
