from __future__ import annotations

import json
import socket
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.transport.credentials import Tokens, TokenSettings
from retrigger.handlers.transport.http import Http, HttpSettings
from retrigger.triggers.errors import Refused, Unavailable
from tests.handlers.transport.pretender import Pretender

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from retrigger.triggers.errors import RetriggerError
    from tests.handlers.conftest import Loopback


class Hand:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


def test_the_token_of_the_metadata_server_is_kept_until_shortly_before_its_end(http: Http, loopback: Loopback) -> None:
    loopback.reply(200, {"access_token": "first", "expires_in": 3600})
    loopback.reply(200, {"access_token": "second", "expires_in": 3600})
    clock = Hand()
    tokens = Tokens(http, TokenSettings(metadata=loopback.url), clock=clock)
    seen = []
    for seconds in (0, 3374, 1):
        clock.time += seconds
        seen.append(tokens.token())
    assert seen == ["first", "first", "second"]
    assert [(it.method, it.path, it.headers["metadata-flavor"]) for it in loopback.requests] == [
        ("GET", "/computeMetadata/v1/instance/service-accounts/default/token", "Google")
    ] * 2


def test_a_token_that_lives_shortly_is_used_for_half_its_life(http: Http, loopback: Loopback) -> None:
    loopback.reply(200, {"access_token": "first", "expires_in": 100})
    loopback.reply(200, {"access_token": "second", "expires_in": 100})
    clock = Hand()
    tokens = Tokens(http, TokenSettings(metadata=loopback.url), clock=clock)
    seen = []
    for seconds in (0, 49, 1):
        clock.time += seconds
        seen.append(tokens.token())
    assert seen == ["first", "first", "second"]


def test_a_token_that_was_not_accepted_is_forgotten(http: Http, loopback: Loopback) -> None:
    loopback.reply(200, {"access_token": "first", "expires_in": 3600})
    loopback.reply(200, {"access_token": "second", "expires_in": 3600})
    tokens = Tokens(http, TokenSettings(metadata=loopback.url))
    first = tokens.token()
    tokens.forget()
    assert (first, tokens.token()) == ("first", "second")


def test_many_threads_make_one_fetch(http: Http, loopback: Loopback) -> None:
    loopback.reply(200, {"access_token": "one", "expires_in": 3600})
    tokens = Tokens(http, TokenSettings(metadata=loopback.url))
    together = threading.Barrier(16)
    seen: list[str] = []

    def ask() -> None:
        together.wait(10)
        seen.append(tokens.token())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (seen, len(loopback.requests)) == (["one"] * 16, 1)


NO_ACCOUNT = (404, b"", Refused, "no_service_account")
STARTING = (503, b"", Unavailable, "no_token")
PORTAL = (200, b"<html>captive portal</html>", Unavailable, "not_json")
WITHOUT = (200, b'{"expires_in": 3600}', Unavailable, "no_token")
EMPTY = (200, b'{"access_token": "", "expires_in": 3600}', Unavailable, "no_token")


@pytest.mark.parametrize("case", [NO_ACCOUNT, STARTING, PORTAL, WITHOUT, EMPTY])
def test_a_metadata_server_that_gives_no_token(
    http: Http, loopback: Loopback, case: tuple[int, bytes, type[RetriggerError], str]
) -> None:
    status, body, error, code = case
    loopback.reply(status, body)
    with pytest.raises(error) as caught:
        Tokens(http, TokenSettings(metadata=loopback.url)).token()
    assert caught.value.code == code


def test_a_failed_fetch_is_tried_again_by_the_next_call(http: Http, loopback: Loopback) -> None:
    loopback.reply(503)
    loopback.reply(200, {"access_token": "late", "expires_in": 3600})
    tokens = Tokens(http, TokenSettings(metadata=loopback.url))
    with pytest.raises(Unavailable):
        tokens.token()
    assert tokens.token() == "late"


def test_a_credentials_file_is_left_to_google_auth(
    http: Http, loopback: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("google.auth")
    named_file(tmp_path, monkeypatch, token_uri=f"{loopback.url}/token")
    loopback.reply(200, {"access_token": "of-the-key", "expires_in": 3600}, Content_Type="application/json")
    settings = TokenSettings.from_environment({"GOOGLE_APPLICATION_CREDENTIALS": "set"})
    tokens = Tokens(http, settings)
    assert (tokens.token(), tokens.token()) == ("of-the-key", "of-the-key")
    (seen,) = loopback.requests
    assert (seen.method, seen.path) == ("POST", "/token")


def test_credentials_that_google_does_not_accept_are_refused(
    http: Http, loopback: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("google.auth")
    named_file(tmp_path, monkeypatch, token_uri=f"{loopback.url}/token")
    loopback.reply(400, {"error": "invalid_grant"}, Content_Type="application/json")
    with pytest.raises(Refused, match="renew them") as caught:
        Tokens(http, TokenSettings(google_auth=True)).token()
    assert caught.value.code == "credentials_rejected"


def test_a_file_that_is_not_there_is_told_with_the_next_step(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("google.auth")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent/key.json")
    with pytest.raises(Unavailable, match="gcloud auth application-default login") as caught:
        Tokens(http, TokenSettings(google_auth=True)).token()
    assert caught.value.code == "no_credentials"


def test_without_metadata_server_and_google_auth_the_next_step_is_told(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(Unavailable, match=r"install `retrigger\[credentials\]`, or set GCE_METADATA_HOST") as caught:
        Tokens(http, TokenSettings(metadata=f"http://127.0.0.1:{port}")).token()
    assert caught.value.code == "no_credentials"


def test_a_federated_workload_changes_its_token_for_ones_of_google(
    http: Http, loopback: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("google.auth")
    (tmp_path / "subject").write_text("of-the-other-cloud")
    federated = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{loopback.url}/v1/token",
        "credential_source": {"file": str(tmp_path / "subject")},
    }
    (tmp_path / "federated.json").write_text(json.dumps(federated))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "federated.json"))
    granted = {"access_token": "federated", "expires_in": 3600, "token_type": "Bearer"}
    issued = {"issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}
    loopback.reply(200, {**granted, **issued}, Content_Type="application/json")
    tokens = Tokens(http, TokenSettings(google_auth=True))
    assert [tokens.token(), tokens.token()] == ["federated", "federated"]
    (seen,) = loopback.requests
    assert (seen.path, b"subject_token=of-the-other-cloud" in seen.body) == ("/v1/token", True)


def test_on_a_laptop_the_login_of_gcloud_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("google.auth")
    forms: list[Mapping[str, str]] = []

    def answers(url: str, form: Mapping[str, str]) -> tuple[int, object]:
        assert url == "https://oauth2.googleapis.com/token"
        forms.append(form)
        return 200, {"access_token": "of-gcloud", "expires_in": 3600, "token_type": "Bearer"}

    login = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "refresh"}
    (tmp_path / "application_default_credentials.json").write_text(json.dumps(login))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
    pretender = Pretender(tmp_path, answers)
    try:
        proxied = Http(HttpSettings(https_proxy=pretender.url, ca_bundle=str(pretender.authority)))
        tokens = Tokens(proxied, TokenSettings(metadata=nowhere))
        assert [tokens.token(), tokens.token()] == ["of-gcloud", "of-gcloud"]
    finally:
        pretender.close()
    assert [(form["grant_type"], form["refresh_token"]) for form in forms] == [("refresh_token", "refresh")]


def test_where_tokens_come_from() -> None:
    assert [
        TokenSettings.from_environment({}),
        TokenSettings.from_environment({"GCE_METADATA_HOST": "localhost:99"}),
        TokenSettings.from_environment({"GOOGLE_APPLICATION_CREDENTIALS": "key.json"}),
        TokenSettings.from_environment({"GOOGLE_APPLICATION_CREDENTIALS": "key.json"}, "http://127.0.0.1:1"),
    ] == [
        TokenSettings(metadata="http://metadata.google.internal"),
        TokenSettings(metadata="http://localhost:99"),
        TokenSettings(metadata="http://metadata.google.internal", google_auth=True),
        TokenSettings(metadata="http://127.0.0.1:1"),
    ]


def named_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token_uri: str) -> None:
    """A service account's key, made for this test, whose token service is `token_uri`."""
    rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
    forms = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()
    )
    path = tmp_path / "key.json"
    fields = {"type": "service_account", "project_id": "p", "client_email": "a@p.example", "token_uri": token_uri}
    path.write_text(json.dumps({**fields, "private_key": key.decode()}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
