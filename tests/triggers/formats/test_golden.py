"""Raw requests and what becomes of them, in tests/golden/events.

NAME.json is the body, NAME.headers.json its headers (none if absent), NAME.expected.json the route and the outcome:
the events (of a malformed member its code), the handshake, or the error. They are received at NOW.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from retrigger.triggers.errors import Malformed
from retrigger.triggers.formats import parse
from retrigger.triggers.formats.wire import Handshake

GOLDEN = Path(__file__).parents[2] / "golden" / "events"
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
NAMES = sorted(path.name.removesuffix(".expected.json") for path in GOLDEN.glob("*.expected.json"))


def outcome(name: str) -> dict[str, object]:
    headers = GOLDEN / f"{name}.headers.json"
    route = json.loads((GOLDEN / f"{name}.expected.json").read_text()).get("route")
    described: dict[str, object] = {} if route is None else {"route": route}
    try:
        parsed = parse(
            json.loads(headers.read_text()) if headers.exists() else {},
            (GOLDEN / f"{name}.json").read_bytes(),
            route,
            now=NOW,
        )
    except Malformed as exc:
        return {**described, "error": exc.code}
    if isinstance(parsed, Handshake):
        return {**described, "handshake": parsed.code}
    return {
        **described,
        "events": [{"error": each.code} if isinstance(each, Malformed) else each.to_json() for each in parsed],
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_request_gives_its_recorded_outcome(name: str) -> None:
    assert outcome(name) == json.loads((GOLDEN / f"{name}.expected.json").read_text())


@pytest.mark.parametrize(
    "names",
    [
        (
            *("storage-finalized", "storage-finalized-structured", "background-storage-finalize"),
            *("notification-json-api", "notification-unwrapped"),
        ),
        ("pubsub-eventarc", "pubsub-unwrapped", "background-pubsub", "background-pubsub-oldest"),
        ("audit-bigquery-job-completed", "audit-bigquery-load-done"),
        ("event-grid-webhook", "event-grid-one-event", "blob-created-cloudevent", "queue-event-grid", "blob-copyblob"),
    ],
)
def test_the_same_occurrence_has_one_identity_in_every_format(names: tuple[str, ...]) -> None:
    identities = {
        event["identity"]
        for name in names
        for event in json.loads((GOLDEN / f"{name}.expected.json").read_text())["events"]
    }
    assert len(identities) == 1
