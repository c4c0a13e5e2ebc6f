"""Credentials that are no managed identity's: a service principal, a federated workload, a login on a laptop."""

from __future__ import annotations

import socket
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.transport.managed_identity import STORAGE, IdentitySettings, ManagedIdentityTokens
from retrigger.triggers.errors import Refused, Unavailable
from tests.handlers.transport.pretender import Pretender

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from retrigger.handlers.transport.http import Http

pytest.importorskip("azure.identity")
TENANT, CLIENT = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000"
WHO = {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT}
SECRET = {**WHO, "AZURE_CLIENT_SECRET": "a-secret"}
WRONG = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}
READ = (*SECRET, "AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_CERTIFICATE_PATH", "IDENTITY_ENDPOINT", "AZURE_USERNAME")


class Entra:
    """Microsoft's token service. `forms`: what tokens were asked for with."""

    def __init__(self) -> None:
        self.forms: list[Mapping[str, str]] = []
        self.answer: tuple[int, Any] = (200, {"token_type": "Bearer", "expires_in": 3600, "access_token": "of-entra"})

    def __call__(self, url: str, form: Mapping[str, str]) -> tuple[int, Any]:
        authority = f"https://login.microsoftonline.com/{TENANT}"
        if url.endswith("/.well-known/openid-configuration"):
            endpoints = {"token": "token", "authorization": "authorize", "device_authorization": "devicecode"}
            told = {f"{name}_endpoint": f"{authority}/oauth2/v2.0/{path}" for name, path in endpoints.items()}
            return 200, {**told, "issuer": f"{authority}/v2.0"}
        if "/common/discovery/instance" in url:
            found = {"tenant_discovery_endpoint": f"{authority}/v2.0/.well-known/openid-configuration"}
            return 200, {**found, "metadata": [{"aliases": ["login.microsoftonline.com"]}]}
        self.forms.append(form)
        return self.answer


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever runs the tests may be logged in."""
    for name in READ:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


@pytest.fixture
def entra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Entra]:
    service = Entra()
    pretender = Pretender(tmp_path, service)
    for name, value in pretender.variables().items():
        monkeypatch.setenv(name, value)
    yield service
    pretender.close()


def tokens(http: Http, monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> ManagedIdentityTokens:
    """As they would be in a process with these variables, where no metadata server answers."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
    return ManagedIdentityTokens(http, replace(IdentitySettings.from_environment(environ), endpoint=nowhere), STORAGE)


def test_a_service_principal_of_the_environment_is_asked_once(
    http: Http, entra: Entra, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tokens(http, monkeypatch, SECRET)
    assert [asked.token(), asked.token()] == ["of-entra", "of-entra"]
    (form,) = entra.forms
    told = (form["client_id"], form["client_secret"], form["scope"].split()[0])
    assert told == (CLIENT, "a-secret", "https://storage.azure.com/.default")


def test_a_federated_workload_shows_its_token(
    http: Http, entra: Entra, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "federated").write_text("of-the-cluster")
    environ = {**WHO, "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "federated")}
    assert tokens(http, monkeypatch, environ).token() == "of-entra"
    (form,) = entra.forms
    assert (form["client_id"], form["client_assertion"]) == (CLIENT, "of-the-cluster")


def test_a_wrong_secret_is_refused_and_not_told(http: Http, entra: Entra, monkeypatch: pytest.MonkeyPatch) -> None:
    entra.answer = (401, WRONG)
    with pytest.raises(Refused, match="did not accept the service principal; renew it") as caught:
        tokens(http, monkeypatch, SECRET).token()
    assert (caught.value.code, "a-secret" in str(caught.value.__cause__)) == ("credentials_rejected", False)


def test_a_token_service_that_is_not_reached_is_tried_again(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)  # the library would wait between its tries: ours are later
    with pytest.raises(Unavailable, match="or did not answer; try again") as caught:
        tokens(http, monkeypatch, {**SECRET, "HTTPS_PROXY": nowhere, "https_proxy": nowhere}).token()
    assert (caught.value.code, slept) == ("no_token", [])


def test_a_token_service_that_says_nothing_holds_nobody_for_minutes(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's own patience is 300 seconds a try; whoever else wants a token waits behind it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        nobody = f"http://127.0.0.1:{silent.getsockname()[1]}"
        asked = tokens(http, monkeypatch, {**SECRET, "HTTPS_PROXY": nobody, "https_proxy": nobody})
        began = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            asked.token()
    assert (caught.value.code, time.monotonic() - began < 30) == ("no_token", True)


@pytest.mark.parametrize(
    "environ", [{"AZURE_CLIENT_SECRET": "a-secret"}, {"AZURE_FEDERATED_TOKEN_FILE": "/nonexistent"}]
)
def test_what_is_not_complete_is_told(http: Http, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    with pytest.raises(Unavailable, match="set AZURE_TENANT_ID and AZURE_CLIENT_ID too") as caught:
        tokens(http, monkeypatch, environ).token()
    assert caught.value.code == "no_credentials"


AZ = """#!/bin/sh
echo "$@" >> {log}
echo '{{"accessToken": "of-az-login", "expires_on": 4000000000, "subscription": "s", "tenant": "t"}}'
"""


def test_on_a_laptop_the_login_of_az_does(http: Http, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "az").write_text(AZ.format(log=tmp_path / "log"))
    (tmp_path / "az").chmod(0o700)
    asked = tokens(http, monkeypatch, {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert [asked.token(), asked.token()] == ["of-az-login", "of-az-login"]
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert "get-access-token" in line
    assert "https://storage.azure.com" in line


def test_where_nobody_is_logged_in_the_next_step_is_told(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable, match="run `az login`, or set AZURE_TENANT_ID") as caught:
        tokens(http, monkeypatch, {}).token()
    assert caught.value.code == "no_credentials"


@pytest.mark.parametrize("environ", [{}, SECRET])
def test_without_the_library_the_extra_is_named(
    http: Http, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with pytest.raises(Unavailable, match=r"install `retrigger\[credentials\]`") as caught:
        tokens(http, monkeypatch, environ).token()
    assert caught.value.code == "no_credentials"


def test_a_managed_identity_that_is_configured_goes_before_all(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    configured = {**SECRET, "IDENTITY_ENDPOINT": "http://127.0.0.1:1/", "IDENTITY_HEADER": "h"}
    with pytest.raises(Unavailable) as caught:
        tokens(http, monkeypatch, configured).token()
    assert caught.value.code == "connection_refused"
    assert IdentitySettings.from_environment(SECRET, "http://127.0.0.1:1").named is None  # the emulator's does too
