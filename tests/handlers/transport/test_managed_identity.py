from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.transport.http import HttpSettings
from retrigger.handlers.transport.managed_identity import (
    STORAGE,
    IdentitySettings,
    ManagedIdentityTokens,
    audiences_at,
)
from retrigger.handlers.wiring import Settings
from retrigger.local_emulator import metadata
from retrigger.local_emulator.http import Server
from retrigger.triggers.errors import Refused, Unavailable

if TYPE_CHECKING:
    from retrigger.handlers.transport.http import Http
    from retrigger.triggers.errors import RetriggerError
    from tests.handlers.conftest import Loopback

FUNCTIONS = {"IDENTITY_ENDPOINT": "http://127.0.0.1:1/msi/token", "IDENTITY_HEADER": "secret"}


def tokens(http: Http, settings: IdentitySettings) -> ManagedIdentityTokens:
    return ManagedIdentityTokens(http, settings, STORAGE, clock=lambda: 1_000.0)


def test_a_function_asks_its_own_endpoint(http: Http, loopback: Loopback) -> None:
    loopback.reply(200, {"access_token": "t", "expires_on": "4600", "resource": STORAGE})
    environ = {"IDENTITY_ENDPOINT": f"{loopback.url}/msi", "IDENTITY_HEADER": "secret", "AZURE_CLIENT_ID": "mine"}
    asked = tokens(http, IdentitySettings.from_environment(environ))
    assert [asked.token(), asked.token()] == ["t", "t"]
    (seen,) = loopback.requests
    assert (seen.path, seen.headers["x-identity-header"]) == (
        "/msi?api-version=2019-08-01&resource=https%3A%2F%2Fstorage.azure.com%2F&client_id=mine",
        "secret",
    )


@pytest.mark.parametrize(
    "beside", ["AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE"]
)
def test_a_client_id_that_belongs_to_other_credentials_names_no_managed_identity(beside: str) -> None:
    environ = {**FUNCTIONS, "AZURE_CLIENT_ID": "an-application", "AZURE_TENANT_ID": "t", beside: "x"}
    assert IdentitySettings.from_environment(environ).client_id is None


@pytest.mark.parametrize(
    ("environ", "endpoint", "expected"),
    [
        ({}, None, "http://169.254.169.254/metadata/identity/oauth2/token"),
        ({"IDENTITY_ENDPOINT": "http://127.0.0.1:1/"}, None, "http://169.254.169.254/metadata/identity/oauth2/token"),
        (FUNCTIONS, None, "http://127.0.0.1:1/msi/token"),
        (FUNCTIONS, "http://127.0.0.1:2", "http://127.0.0.1:2/metadata/identity/oauth2/token"),
    ],
)
def test_who_is_asked(environ: dict[str, str], endpoint: str | None, expected: str) -> None:
    assert IdentitySettings.from_environment(environ, endpoint).endpoint == expected


@pytest.mark.parametrize(
    ("status", "body", "error", "code"),
    [
        (400, b'{"error": "invalid_request"}', Refused, "no_managed_identity"),
        (403, b"", Refused, "no_managed_identity"),
        (429, b"", Unavailable, "no_token"),
        (500, b"", Unavailable, "no_token"),
        (200, b"{}", Unavailable, "no_token"),
        (200, b'{"access_token": "", "expires_on": "1"}', Unavailable, "no_token"),
        (200, b'{"access_token": "t", "expires_on": "soon"}', Unavailable, "no_token"),
        (200, b"<html>", Unavailable, "not_json"),
    ],
)
def test_what_is_no_token_is_told(  # noqa: PLR0917 - a table
    http: Http, loopback: Loopback, status: int, body: bytes, error: type[RetriggerError], code: str
) -> None:
    loopback.reply(status, body)
    with pytest.raises(error) as caught:
        tokens(http, IdentitySettings.from_environment({}, loopback.url)).token()
    assert caught.value.code == code


def test_the_emulators_metadata_server_gives_one(http: Http) -> None:
    server = Server(metadata.routes(metadata.Identity("p", "l")))
    server.start()
    try:
        settings = IdentitySettings.from_environment({}, server.url)
        assert ManagedIdentityTokens(http, settings, STORAGE).token() == "retrigger-emulator"
        with pytest.raises(Refused):
            ManagedIdentityTokens(http, settings, "").token()
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("endpoint", "manager", "azureml"),
    [
        (None, "https://management.azure.com/", "https://ml.azure.com/"),
        ("http://127.0.0.1:8000", "https://management.azure.com/", "https://ml.azure.com/"),
        ("https://management.azure.com.evil.example", "https://management.azure.com/", "https://ml.azure.com/"),
        ("https://management.usgovcloudapi.net", "https://management.usgovcloudapi.net/", "https://ml.azure.us/"),
        ("https://management.chinacloudapi.cn/", "https://management.chinacloudapi.cn/", "https://ml.azure.cn/"),
    ],
)
def test_the_clouds_that_tokens_are_for(endpoint: str | None, manager: str, azureml: str) -> None:
    assert audiences_at(endpoint) == (manager, azureml)


def test_settings_show_no_secret() -> None:
    environ = {"IDENTITY_ENDPOINT": "http://127.0.0.1:1/", "IDENTITY_HEADER": "a-secret"}
    proxies = {"https_proxy": "http://ada:a-secret@proxy:1", "http_proxy": "http://ada:a-secret@proxy:1"}
    shown = (
        IdentitySettings.from_environment(environ),
        HttpSettings.from_environment(proxies),
        Settings.from_environment({**environ, "RETRIGGER_COMPILED": "x.json"}),
    )
    assert "a-secret" not in repr(shown)
