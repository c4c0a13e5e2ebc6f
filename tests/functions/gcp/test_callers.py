"""Who may call the functions of Google, through either entry point, with a ledger that must stay untouched."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.datastructures import Headers

from retrigger.functions import logs
from retrigger.handlers.adapters.sqlite import SqliteRecords
from retrigger.triggers.authoring.compile import compile_project
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.environment import GoogleCaller, KeyCaller
from tests.functions.gcp.entries import ENTRIES, client_of, forget
from tests.functions.issuer import Issuer, sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from werkzeug.test import Client, TestResponse

    from retrigger.triggers.environment import Environment

    Serve = Callable[[Any], Client]

SECTION_6 = Path(__file__).parents[2] / "golden" / "section6"
PUSH = "push@acme-dev.iam.gserviceaccount.com"
PUSHES = GoogleCaller(audience="https://f.run.app", service_accounts=(PUSH,))


def token(**changed: object) -> str:
    """Of this moment: the function reads the machine's clock."""
    now = int(time.time())
    claims = {"iss": "https://accounts.google.com", "aud": "https://f.run.app", "email": PUSH, "email_verified": True}
    return sign({**claims, "iat": now, "exp": now + 3600, **changed})


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as started:
        yield started


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture(params=ENTRIES)
def serve(
    request: pytest.FixtureRequest, tmp_path: Path, ledger: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Serve]:
    """A client of the function, in an environment with these callers."""
    project = load_project(SECTION_6)

    def served(callers: Any) -> Client:
        dev: Environment = replace(
            project.environments["dev"],
            ledger=f"sqlite:{ledger}",
            callers=callers,
            services={"google_certs": issuer.url, "vertex": "http://127.0.0.1:1"},  # nothing is launched
        )
        compiled = tmp_path / "compiled.json"
        compiled.write_text(compile_project(project, dev), encoding="utf-8")
        monkeypatch.setenv("RETRIGGER_COMPILED", str(compiled))
        return client_of(request.param)

    yield served
    forget()


def told(response: TestResponse) -> tuple[int, str | None]:
    return response.status_code, response.get_json().get("error", {}).get("code")


@pytest.mark.parametrize("path", ["/", "/tick", "/pubsub/projects/acme-dev/topics/retrain-requests", "/nowhere"])
@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "OPTIONS"])
def test_a_stranger_is_refused_and_leaves_nothing(serve: Serve, ledger: Path, path: str, method: str) -> None:
    response = serve((PUSHES,)).open(path, method=method, data=b"{")
    assert told(response) == (401, "no_credentials")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert not ledger.exists()


def test_a_caller_who_is_known_and_not_declared_is_refused(serve: Serve, ledger: Path) -> None:
    bearer = {"Authorization": f"Bearer {token(email='other@acme-dev.iam')}"}
    assert told(serve((PUSHES,)).post("/", headers=bearer, data=b"{")) == (403, "caller_not_allowed")
    assert not ledger.exists()


def test_two_tokens_are_none(serve: Serve) -> None:
    headers = Headers([("Authorization", f"Bearer {token()}"), ("Authorization", f"Bearer {token()}")])
    assert told(serve((PUSHES,)).post("/tick", headers=headers)) == (401, "token_malformed")


def test_a_push_with_its_token_is_served(serve: Serve, ledger: Path) -> None:
    client = serve((PUSHES,))
    bearer = {"Authorization": f"Bearer {token()}", "X-Forwarded-For": "203.0.113.9"}
    assert told(client.post("/tick", headers=bearer)) == (200, None)
    assert told(client.get("/", headers=bearer)) == (405, "not_a_delivery")
    (malformed,) = client.post("/", headers=bearer, data=b"{").get_json()["outcomes"]
    assert malformed["error"]["code"] == "malformed_json"
    assert len(list(SqliteRecords(ledger).list("d/"))) == 1


def test_a_webhook_with_its_key_is_served(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRIGGER_WEBHOOK_KEY", "s3cret+/=")
    client = serve((KeyCaller(setting="RETRIGGER_WEBHOOK_KEY"),))
    assert told(client.post("/tick", query_string={"code": "s3cret+/="})) == (200, None)
    assert told(client.post("/tick", headers={"AEG-SAS-KEY": "s3cret+/="})) == (200, None)
    assert told(client.post("/tick?code=s3cret")) == (401, "wrong_key")


def test_a_subscription_proves_itself_with_the_key_too(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or else anybody could have their sender declared welcome."""
    monkeypatch.setenv("RETRIGGER_WEBHOOK_KEY", "s3cret")
    client = serve((KeyCaller(setting="RETRIGGER_WEBHOOK_KEY"),))
    asked = {"WebHook-Request-Origin": "eventgrid.azure.net"}
    assert told(client.options("/", headers=asked)) == (401, "no_credentials")
    assert client.options("/?code=s3cret", headers=asked).headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"


def test_a_key_that_is_not_set_serves_nobody(serve: Serve, ledger: Path) -> None:
    client = serve((KeyCaller(setting="RETRIGGER_WEBHOOK_KEY"), PUSHES))
    assert told(client.post("/tick", headers={"Authorization": f"Bearer {token()}"})) == (503, "not_configured")
    assert not ledger.exists()


def test_where_nothing_is_declared_this_machine_is_served_and_nobody_else(serve: Serve, ledger: Path) -> None:
    client = serve(())
    for header in ("Forwarded", "X-Forwarded-For", "Origin"):
        assert told(client.post("/tick", headers={header: "203.0.113.9"})) == (403, "callers_not_configured")
    for peer in ("203.0.113.9", ""):
        refused = client.post("/tick", environ_overrides={"REMOTE_ADDR": peer})
        assert told(refused) == (403, "callers_not_configured")
    assert not ledger.exists()
    assert told(client.post("/tick")) == (200, None)


def test_whom_the_platform_checked_is_served(serve: Serve) -> None:
    elsewhere = {"headers": {"X-Forwarded-For": "1.2.3.4"}, "environ_overrides": {"REMOTE_ADDR": "169.254.1.1"}}
    assert told(serve("platform").post("/tick", **elsewhere)) == (200, None)


@pytest.mark.parametrize(
    "headers", [{"Authorization": "Bearer \xff"}, {"Authorization": "Bearer ,,"}, {"\xe9": "\xff"}]
)
def test_any_header_has_an_answer(serve: Serve, headers: dict[str, str]) -> None:
    assert serve((PUSHES,)).post("/?code=%ff%00&code", headers=headers).status_code == 401


def test_the_log_has_a_line_for_who_is_refused_and_nothing_of_their_token(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    sent = token(aud="https://other.run.app")
    logs.configure()
    with caplog.at_level(logging.DEBUG, "retrigger"):
        serve((PUSHES,)).post("/?code=s3cret", headers={"Authorization": f"Bearer {sent}"}, data=b"{")
    (written,) = [logs.JsonLines().format(record) for record in caplog.records if record.name.startswith("retrigger")]
    line = json.loads(written)
    assert (line["message"], line["code"], line["status"]) == ("caller_refused", "token_audience", 401)
    assert all(part not in written for part in (*sent.split("."), "s3cret"))
