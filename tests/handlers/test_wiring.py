"""What a function is put together from: its ledger; and on Azure, what it cannot launch or read yet is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from retrigger.handlers.adapters.later import LaterLauncher, LaterObjects
from retrigger.handlers.journal import Journal
from retrigger.handlers.ledger import FORMAT
from retrigger.handlers.wiring import App, Settings, build, records_of
from retrigger.triggers.authoring.compile import compile_project
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.errors import Refused, RetriggerError, Unavailable
from retrigger.triggers.event import Event, Message, Object

SECTION_6 = Path(__file__).parents[1] / "golden" / "section6"
BLOB = "https://acmeprod.blob.core.windows.net/landing/churn/dt=2026-11-20/a.csv"


@pytest.fixture
def app(tmp_path: Path) -> App:
    project = load_project(SECTION_6)
    prod = replace(project.environments["prod"], ledger=f"sqlite:{tmp_path / 'ledger'}")
    compiled = tmp_path / "compiled.json"
    compiled.write_text(compile_project(project, prod), encoding="utf-8")
    return build(Settings(compiled, {}))


def event(payload: Message | Object) -> Event:
    return Event(id="1", source="s", type="t", time=datetime(2026, 11, 20, tzinfo=UTC), subject=None, payload=payload)


def test_what_cannot_be_launched_yet_is_acknowledged_and_kept_with_its_frozen_request(app: App) -> None:
    wanted = {"data": BLOB, "as_of": "2026-11-20"}
    body = json.dumps({"request_id": "r", **wanted}).encode()
    channel = "sb://acme.servicebus.windows.net/retrain-requests"
    asked = Message(channel=channel, id="1", body=body, json=json.loads(body))
    [outcome] = app.core.handle(event(asked))
    journal = Journal(app.ledger)
    [run] = journal.runs()
    assert (outcome.run, run.phase, run.parameters) == (run.id, "dead", {**wanted, "min_auc": 0.9})
    assert [verdict["code"] for verdict in run.verdicts] == ["not_supported_yet"]
    [letter] = journal.dead_letters()
    claim = app.ledger.claim_name("churn-retrain", '["key", "r"]')
    assert (letter["what"], letter["claim"]) == (f"run:{run.id}", claim)
    assert app.core.handle(event(asked))[0].result == "duplicate"
    assert app.tick().run().failed == 0


def test_a_blob_that_cannot_be_read_yet_waits(app: App) -> None:
    blob = Object(
        store="blob",
        account="acmeprod",
        bucket="landing",
        name="churn/dt=2026-11-20/a.csv",
        version="1",
        uri=BLOB,
    )
    [outcome] = app.core.handle(event(blob))
    assert (outcome.result, [verdict.code for verdict in outcome.verdicts]) == ("deferred", ["not_supported_yet"])
    assert [seen.result for seen in Journal(app.ledger).events()] == ["deferred"]


def test_the_ports_of_azure_say_so() -> None:
    launcher, objects = LaterLauncher(), LaterObjects()
    for refused in (lambda: launcher.status("j"), lambda: launcher.cancel("j")):
        with pytest.raises(Refused, match="not launchable yet by this version"):
            refused()
    for waiting in (
        lambda: objects.read("c", "n", limit=1),
        lambda: objects.list("c", ""),
        lambda: objects.write("c", "n", b""),
    ):
        with pytest.raises(Unavailable, match="not read yet by this version"):
            waiting()


def test_a_ledger_of_a_format_that_is_not_known_is_not_touched(app: App) -> None:
    meta = app.ledger.records.get("meta")
    assert meta is not None
    assert meta.body["format"] == FORMAT
    app.ledger.begin()
    app.ledger.records.swap(meta, {**meta.body, "format": FORMAT + 1})
    with pytest.raises(RetriggerError, match=f"the ledger's format is {FORMAT + 1}") as raised:
        app.ledger.begin()
    assert raised.value.code == "ledger_format"


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("gs://acme-dev-retrigger", "ObjectRecords"),
        ("gs://acme-dev-retrigger/dev/one", "ObjectRecords"),
        ("https://acmeprod.blob.core.windows.net/retrigger", "ObjectRecords"),
        ("https://acmeprod.blob.core.windows.net/retrigger/prod", "ObjectRecords"),
        ("sqlite:{tmp}/ledger", "SqliteRecords"),
    ],
)
def test_an_address_says_where_the_ledger_is_and_opening_it_sends_nothing(
    tmp_path: Path, address: str, kind: str
) -> None:
    assert type(records_of(address.format(tmp=tmp_path), {}, {})).__name__ == kind


def test_an_address_of_no_ledger_is_refused_with_what_there_is() -> None:
    with pytest.raises(RetriggerError, match="there can be no ledger at s3://bucket: name it as sqlite:PATH") as raised:
        records_of("s3://bucket", {}, {})
    assert raised.value.code == "bad_ledger"
