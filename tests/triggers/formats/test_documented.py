"""docs/events.md has a row for every route and event type that is read, a link to every golden case, every note."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from retrigger.triggers.formats import azure, background, bindings, pubsub, schedule, storage
from retrigger.triggers.formats.routes import ROUTES

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("|") and line.count("|") >= 8]
GOLDEN = ROOT / "tests" / "golden" / "events"
CASES = sorted(path.name.removesuffix(".expected.json") for path in GOLDEN.glob("*.expected.json"))
READ = {*storage.CHANGES, *azure.TYPES, *schedule.READERS, pubsub.TYPE, "google.cloud.audit.log.v1.written"}
SHORTENED = {
    f"google.cloud.storage.object.v1.{change}": f"`.{change}`" for change in ("deleted", "archived", "metadataUpdated")
}


def told(text: str) -> bool:
    return any(text in row for row in ROWS)


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_has_a_row(route: str) -> None:
    assert any(re.search(rf"`{route}[`/\[]", row.split("|")[2]) for row in ROWS)


@pytest.mark.parametrize("event_type", sorted(READ))
def test_every_type_has_a_row(event_type: str) -> None:
    assert told(SHORTENED.get(event_type, f"`{event_type}`"))


@pytest.mark.parametrize("event_type", [bindings.QUEUE, bindings.BUS, *storage._NOTIFICATIONS])
def test_every_message_of_a_binding_and_every_notification_has_a_row(event_type: str) -> None:
    assert told(f"`{event_type}`")


def test_background_events_have_a_row() -> None:
    assert background.__doc__
    assert told("`google.pubsub.topic.publish`")
    assert told("`google.storage.object.*`")


def test_every_golden_case_is_linked_and_every_link_leads_to_one() -> None:
    linked = set(re.findall(r"\(\.\./tests/golden/events/(.+?)\.json\)", PAGE))
    assert sorted(linked) == CASES


def test_every_note_of_a_golden_case_is_explained() -> None:
    noted = {
        note
        for case in CASES
        for event in json.loads((GOLDEN / f"{case}.expected.json").read_text(encoding="utf-8")).get("events", [])
        for note in event.get("notes", [])
    }
    explained = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert noted <= explained
    assert "change_assumed" in explained
