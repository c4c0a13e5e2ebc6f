"""One set of scenarios through every way in: the same events have the same ends, whichever cloud's functions hear them.

What is asserted is what lasts: the ledger, and the jobs on the platform.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from retrigger.triggers.formats.encoding import encode
from retrigger.triggers.schedule import next_time
from tests.cases.entries import WAYS, published, uploaded

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrigger.triggers.event import Event
    from tests.cases.conftest import Stage
    from tests.cases.entries import Host, Server, Way
    from tests.cases.world import World

pytestmark = pytest.mark.xdist_group("cases")

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
NUMBERS = count(1)
ODD_NAMES = [
    "with space.csv",
    " leading and trailing ",
    "percent%2Fencoded%20.csv",
    "hash#plus+and&question?.csv",
    "..",
    "...csv",
    "quote\"apostrophe'back\\slash.csv",
    "emoji🚀é漢字.csv",
    "line\nbreak\ttab",
    "${{ vars.x }} {name} *.csv",
]


@dataclass(frozen=True)
class Play:
    """A scenario of one way in, under a name that no other uses."""

    world: World
    host: Host
    way: Way
    name: str

    def send(self, event: Event) -> bool:
        return self.host.deliver(self.way, *encode(event, self.way.form))

    def upload(self, name: str, version: int = 1, *, complete: bool = True) -> bool:
        return self.send(uploaded(self.way.cloud, name, version=version, at=AT, complete=complete))

    def publish(self, body: object, message_id: str | None = None) -> bool:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send(published(self.way, raw, message_id=message_id or self.name, at=AT))


def ways(carries: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("way", [way for way in WAYS if WAYS[way].carries == carries])


@pytest.fixture
def play(stages: Callable[[Server], Stage], way: str) -> Play:
    world, host = stages(WAYS[way].server)
    return Play(world, host, WAYS[way], f"p{next(NUMBERS)}")


def uri(play: Play, name: str) -> str:
    return uploaded(play.way.cloud, name, version=1, at=AT).to_json()["object"]["uri"]  # type: ignore[index,call-overload,return-value]


@ways("object")
def test_an_upload_is_launched_once_however_often_it_is_delivered(play: Play) -> None:
    for _ in range(3):
        assert play.upload(f"single/{play.name}")
    assert play.world.launched(play.name) == [{"what": play.name, "uris": [uri(play, f"single/{play.name}")]}]


@ways("object")
def test_deliveries_at_the_same_time_are_one_run(play: Play) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: play.upload(f"single/{play.name}"), range(16)))
    if not all(answers):  # one that lost the race for its turn is delivered again, as the platform would
        assert play.upload(f"single/{play.name}")
    play.host.tick()
    assert len(play.world.launched(play.name)) == 1


@ways("object")
def test_a_new_version_is_a_new_run(play: Play) -> None:
    assert play.upload(f"single/{play.name}", version=1)
    assert play.upload(f"single/{play.name}", version=2)
    assert len(play.world.launched(play.name)) == 2


@ways("object")
def test_a_burst_of_files_is_one_run_over_all_of_them(play: Play) -> None:
    names = [f"daily/{play.name}/part-{number}.csv" for number in range(5)]
    for name in [*names, names[0], *reversed(names)]:
        assert play.upload(name)
    assert play.world.launched(play.name) == []
    play.world.wind(timedelta(minutes=6))
    play.host.tick()
    play.host.tick()
    assert play.world.launched(play.name) == [{"what": play.name, "uris": sorted(uri(play, name) for name in names)}]


@ways("object")
def test_the_newest_version_of_a_file_is_the_one_that_runs(play: Play) -> None:
    name = f"daily/{play.name}/part.csv"
    for version in (2, 11, 3):
        assert play.upload(name, version=version)
    play.world.wind(timedelta(minutes=6))
    play.host.tick()
    (run,) = play.world.runs(play.name)
    assert run.members == 1
    assert play.world.sizes_of(run) == [11]


@ways("object")
@pytest.mark.parametrize("odd", ODD_NAMES)
def test_an_odd_name_reaches_the_run_unchanged(play: Play, odd: str) -> None:
    name = play.name + odd
    assert play.upload(f"single/{name}")
    assert [parameters["what"] for parameters in play.world.launched(name)] == [name]


@ways("object")
def test_a_name_of_1024_bytes_reaches_the_run_unchanged(play: Play) -> None:
    name = (play.name + "🚀" * 300)[: (1024 - len("single/")) // 4]
    assert play.upload(f"single/{name}")
    assert [parameters["what"] for parameters in play.world.launched(name)] == [name]


@ways("object")
def test_what_nobody_listens_to_is_acknowledged_and_leaves_nothing(play: Play) -> None:
    assert play.upload(f"elsewhere/{play.name}")
    assert play.world.events(uri(play, f"elsewhere/{play.name}")) == []


@ways("object")
def test_an_outage_of_the_ledger_has_the_event_delivered_again(play: Play) -> None:
    with play.world.without_ledger():
        assert not play.upload(f"single/{play.name}")
    assert play.upload(f"single/{play.name}")
    assert len(play.world.launched(play.name)) == 1


@ways("message")
def test_a_message_is_launched_once_however_often_it_is_delivered(play: Play) -> None:
    for _ in range(3):
        assert play.publish({"what": play.name})
    assert play.world.launched(play.name) == [{"what": play.name}]


@ways("message")
def test_another_message_with_the_same_body_is_another_run(play: Play) -> None:
    assert play.publish({"what": play.name}, "a" + play.name)
    assert play.publish({"what": play.name}, "b" + play.name)
    assert len(play.world.launched(play.name)) == 2


@ways("message")
@pytest.mark.parametrize("odd", ODD_NAMES)
def test_a_messages_text_reaches_the_run_unchanged(play: Play, odd: str) -> None:
    assert play.publish({"what": play.name + odd})
    assert play.world.launched(play.name + odd) == [{"what": play.name + odd}]


@ways("message")
@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{", b"null", b"[1]", b'{"what": 7}', b"[" * 5_000])
def test_a_message_that_breaks_its_schema_is_rejected_and_not_delivered_again(play: Play, body: bytes) -> None:
    before = len(play.world.jobs.parameters())
    assert play.publish(body)
    (event,) = [event for event in play.world.every_event() if event.id == play.name]
    assert (event.result, event.run) == ("rejected", None)
    assert len(play.world.jobs.parameters()) == before


@ways("message")
def test_the_same_id_with_another_body_is_a_conflict_and_no_run(play: Play) -> None:
    assert play.publish({"what": play.name})
    assert play.publish({"what": f"other-{play.name}"})
    assert len(play.world.launched(play.name)) == 1
    assert play.world.launched(f"other-{play.name}") == []
    assert [letter["what"] for letter in play.world.dead_letters() if play.name in letter["what"]]


@pytest.mark.parametrize("way", [way for way in WAYS if WAYS[way].takes_garbage])
@pytest.mark.parametrize("body", [b"", b"{", b"\xff" * 100, b"[" * 100_000, b'"text"', b"NaN"])
def test_what_is_no_event_is_kept_for_people_and_not_delivered_again(play: Play, body: bytes) -> None:
    raw = body + play.name.encode()
    assert play.host.deliver(play.way, {}, raw)
    assert [letter["size"] for letter in play.world.dead_letters() if letter["what"] == play.world.buried_as(raw)] == [
        len(raw)
    ]


@pytest.mark.parametrize("server", sorted({way.server for way in WAYS.values()}))
def test_a_schedule_strikes_once_a_slot_with_its_own_date(stages: Callable[[Server], Stage], server: Server) -> None:
    world, host = stages(server)
    slots = []
    for _ in range(2):
        slots.append(next_time("0 3 * * *", "Europe/Paris", world.now()))
        world.wind(slots[-1] - world.now() + timedelta(seconds=20))
        for _ in range(3):
            assert host.wake("nightly", slots[-1] + timedelta(seconds=2))  # clocks knock a little late
    dates = [f"{slot.astimezone(ZoneInfo('Europe/Paris')):%Y-%m-%d}" for slot in slots]
    assert [run["as_of"] for run in world.launched("nightly")] == dates


@pytest.mark.parametrize("server", sorted({way.server for way in WAYS.values()}))
def test_each_schedule_of_a_trigger_strikes(stages: Callable[[Server], Stage], server: Server) -> None:
    world, host = stages(server)
    told = []
    for cron, name in (("0 1 * * *", "night"), ("0 13 * * *", "noon")) * 2:
        slot = next_time(cron, "UTC", world.now())
        world.wind(slot - world.now() + timedelta(seconds=20))
        assert host.wake("clocks", slot)
        told.append(f"{name} {slot:%Y-%m-%d}")
    assert [run["as_of"] for run in world.launched("clocks")] == told
