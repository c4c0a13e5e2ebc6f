from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import click
import pytest

from retrigger.cli.routes import with_address
from retrigger.triggers.environment import Channel, Environment
from tests.cli.conftest import retrigger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOPIC = "projects/acme/topics/requests"
HEARD = "projects/acme/subscriptions/heard"
OTHER = "projects/other/topics/nightly"
CHANNELS = {
    "asked": Channel(address=TOPIC, subscription=HEARD),
    "nightly": Channel(address="projects/acme/topics/nightly"),
    "night": Channel(address=OTHER),
    "again": Channel(address=OTHER),
}
DEV = Environment(name="dev", cloud="gcp", ledger="gs://acme-ledger", channels=CHANNELS)


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (None, None),
        ("events", "events"),
        ("pubsub", "pubsub"),
        ("schedule/asked", "schedule/asked"),
        (f"pubsub/{OTHER}", f"pubsub/{OTHER}"),
        ("pubsub/asked", f"pubsub/{TOPIC}"),
        ("/pubsub/requests", f"pubsub/{TOPIC}"),
        ("queue/heard", f"queue/{TOPIC}"),
        ("pubsub/nightly", "pubsub/projects/acme/topics/nightly"),  # the name in retrigger.yaml comes first
        ("pubsub/again", f"pubsub/{OTHER}"),
    ],
)
def test_a_channel_is_named_as_in_the_project_or_by_the_last_part_of_its_address(
    route: str | None, expected: str | None
) -> None:
    assert with_address(route, DEV) == expected


@pytest.mark.parametrize(
    ("name", "channels", "told"),
    [
        ("lost", ("asked",), f"no channel fits in environment `dev`: name one of asked ({TOPIC})."),
        ("lost", (), "no channel fits in environment `dev`: name one of its channels: it has none."),
        (
            "nightly",
            ("one", "two"),
            f"2 channels fit in environment `dev`: name one of one (projects/acme/topics/nightly), two ({OTHER}).",
        ),
    ],
)
def test_a_name_that_fits_none_or_several_is_told_with_all_of_them(
    name: str, channels: tuple[str, ...], told: str
) -> None:
    known = {**CHANNELS, "one": CHANNELS["nightly"], "two": CHANNELS["night"]}
    environment = Environment(
        name="dev", cloud="gcp", ledger="gs://acme-ledger", channels={each: known[each] for each in channels}
    )
    with pytest.raises(click.UsageError) as caught:
        with_address(f"pubsub/{name}", environment)
    assert caught.value.message == f"Of the route pubsub/{name} {told}"


def test_explain_takes_the_short_name(project: Path, write: Callable[..., Path]) -> None:
    data = base64.b64encode(json.dumps({"id": "r1", "data": "gs://x/", "seconds": "5"}).encode()).decode()
    sent = {"message": {"data": data, "messageId": "m1", "publishTime": "2026-11-20T10:00:00Z"}}
    file = write("push.json", {**sent, "subscription": "projects/acme-dev/subscriptions/s"})
    called = retrigger("explain", file, "--project", project, "--route", "pubsub/requests", "--format", "json")
    assert [(it["trigger"], it["result"]) for it in called.lines] == [("requests", "launched")]
    lost = retrigger("explain", file, "--project", project, "--route", "pubsub/request", "--format", "json")
    assert (lost.code, lost.out) == (2, "")
    assert "requests (projects/acme-dev/topics/requests)" in lost.err
