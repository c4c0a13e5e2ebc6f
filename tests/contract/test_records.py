"""What every Records store promises; one suite, every adapter."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.adapters.memory import MemoryRecords
from retrigger.handlers.adapters.sqlite import SqliteRecords
from tests.contract.object_ledgers import azurite_ledgers, blob_ledgers, gcs_ledgers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from retrigger.handlers.ports import Record, Records


@contextmanager
def memory_ledgers(_: Path) -> Iterator[Callable[[], Records]]:
    yield lambda: MemoryRecords(lambda: datetime.now(UTC))


@contextmanager
def sqlite_ledgers(folder: Path) -> Iterator[Callable[[], Records]]:
    numbers = itertools.count()
    yield lambda: SqliteRecords(folder / f"{next(numbers)}.sqlite3")


STORES = {
    "memory": memory_ledgers,
    "sqlite": sqlite_ledgers,
    "gcs": gcs_ledgers,
    "blob": blob_ledgers,
    "azurite": azurite_ledgers,
}


@pytest.fixture(scope="module", params=STORES)
def ledgers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Records]]:
    """Makes empty ledgers, in one store for all tests."""
    with STORES[request.param](tmp_path_factory.mktemp("ledgers")) as new:
        yield new


@pytest.fixture
def records(ledgers: Callable[[], Records]) -> Records:
    return ledgers()


def test_a_missing_key_is_none(records: Records) -> None:
    assert records.get("c/none") is None


def test_what_was_created_is_read_back(records: Records) -> None:
    body = {"text": "é ☃ %2F", "list": [1, 2.5, None, True], "nested": {"a": {}}}
    created = records.create("c/1", body)
    assert created is not None
    assert (created.key, created.body) == ("c/1", body)
    assert read(records, "c/1") == created


def test_creating_what_exists_changes_nothing(records: Records) -> None:
    first = records.create("c/1", {"n": 1})
    assert records.create("c/1", {"n": 2}) is None
    assert read(records, "c/1") == first


def test_several_are_created_together(records: Records) -> None:
    created = records.create_all({"c/1": {"n": 1}, "m/1": {"n": 2}, "m/0": {"n": 3}})
    assert created == read(records, "c/1")
    assert [read(records, key).body for key in ("c/1", "m/1", "m/0")] == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_where_the_first_exists_none_of_the_others_is_created(records: Records) -> None:
    first = records.create("c/1", {"n": 1})
    assert records.create_all({"c/1": {"n": 9}, "m/1": {"n": 9}}) is None
    assert (read(records, "c/1"), records.get("m/1")) == (first, None)


def test_another_that_exists_is_left_as_it_is(records: Records) -> None:
    other = records.create("m/1", {"n": 1})
    created = records.create_all({"c/1": {"n": 2}, "m/1": {"n": 9}})
    assert created is not None
    assert (read(records, "c/1").body, read(records, "m/1")) == ({"n": 2}, other)


def test_of_many_who_create_the_same_first_one_also_creates_the_others(records: Records) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: records.create_all({"c/1": {"n": n}, f"m/{n}": {}}), range(16)))
    [winner] = [created for created in made if created is not None]
    assert [entry.key for entry in records.list("m/")] == [f"m/{winner.body['n']}"]


def test_a_swap_needs_the_version_that_was_read(records: Records) -> None:
    first = records.create("c/1", {"n": 1})
    assert first is not None
    second = records.swap(first, {"n": 2})
    assert second is not None
    assert records.swap(first, {"n": 3}) is None
    assert read(records, "c/1") == second


def test_a_version_does_not_come_back_with_the_content(records: Records) -> None:
    first = records.create("c/1", {"n": 1})
    assert first is not None
    second = records.swap(first, {"n": 2})
    assert second is not None
    third = records.swap(second, {"n": 1})
    assert third is not None
    assert records.swap(first, {"n": 9}) is None


def test_a_key_created_again_after_deletion_has_a_new_version(records: Records) -> None:
    first = records.create("due/1", {"n": 1})
    assert first is not None
    records.delete(["due/1", "due/never"])
    records.create("due/1", {"n": 1})
    assert records.swap(first, {"n": 9}) is None


def test_lists_are_in_key_order_within_the_prefix(records: Records) -> None:
    for key in ("due/1/b", "due/1/a", "due/10/a", "due/2/a", "due/1/é", "e"):
        records.create(key, {})
    assert [entry.key for entry in records.list("due/1/")] == ["due/1/a", "due/1/b", "due/1/é"]
    assert [entry.key for entry in records.list("due/", limit=2)] == ["due/1/a", "due/1/b"]


def test_a_list_longer_than_a_page_is_whole_and_in_order(records: Records) -> None:
    keys = [f"m/{number:05}" for number in range(2_500)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: records.create(key, {}), reversed(keys)))
    assert [entry.key for entry in records.list("m/")] == keys
    assert len(list(records.list("m/", limit=1_500))) == 1_500


@pytest.mark.parametrize("segment", ["a b", "%2F", "a+b#c?d&e=f", "é ☃ 😀", "~!*()'$,;:@", ".a.", '<&>"', "x" * 200])
def test_keys_are_exact(records: Records, segment: str) -> None:
    key = f"d/{segment}/{segment}"
    created = records.create(key, {"key": key})
    assert created is not None
    assert read(records, key) == created
    assert [entry.key for entry in records.list(f"d/{segment}/")] == [key]
    swapped = records.swap(created, {})
    assert swapped is not None
    records.delete([key])
    assert records.get(key) is None


def test_many_are_read_in_the_order_that_is_asked_for(records: Records) -> None:
    keys = [f"m/{number:03}" for number in range(300)]
    for key in keys:
        records.create(key, {"key": key})
    wanted = [*reversed(keys), "m/none", keys[0]]
    assert [record.body["key"] for record in records.get_many(wanted)] == [*reversed(keys), keys[0]]
    assert list(records.get_many(keys[:1])) == [records.get(keys[0])]
    assert list(records.get_many([])) == []


def test_a_large_body_is_kept_whole(records: Records) -> None:
    body = {"text": "é" * (1 << 20)}
    created = records.create("q/large", body)
    assert created is not None
    assert read(records, "q/large") == created


def test_many_are_deleted_whether_or_not_they_are_there(records: Records) -> None:
    for number in range(250):
        records.create(f"m/{number:03}", {})
    records.delete(f"m/{number:03}" for number in range(1, 300))
    assert [entry.key for entry in records.list("m/")] == ["m/000"]
    records.delete([])
    records.delete(["m/000", "m/000"])
    assert list(records.list("m/")) == []


def test_what_was_deleted_is_not_swapped(records: Records) -> None:
    created = records.create("due/1", {})
    assert created is not None
    records.delete(["due/1"])
    assert records.swap(created, {"n": 2}) is None
    assert records.get("due/1") is None


def test_times_are_the_stores_and_never_ahead_of_its_now(records: Records) -> None:
    records.create("a", {})
    records.create("b", {})
    first, second = (records.get(key) for key in "ab")
    assert first is not None
    assert second is not None
    assert first.time is not None
    assert second.time is not None
    assert first.time <= second.time <= records.now()
    listed = [entry.time for entry in records.list("")]
    assert sorted(listed) == listed
    # some stores tell whole seconds only to those who read
    assert [time.replace(microsecond=0) for time in listed] == [
        time.replace(microsecond=0) for time in (first.time, second.time)
    ]


def test_of_many_who_create_one_wins(records: Records) -> None:
    wins: list[Record] = []

    def race(number: int) -> None:
        won = records.create("c/race", {"n": number})
        if won is not None:
            wins.append(won)

    _run_together(race)
    assert [read(records, "c/race")] == wins


def test_of_many_who_swap_the_same_version_one_wins(records: Records) -> None:
    old = records.create("c/race", {"n": -1})
    assert old is not None
    wins: list[Record] = []

    def race(number: int) -> None:
        won = records.swap(old, {"n": number})
        if won is not None:
            wins.append(won)

    _run_together(race)
    assert [read(records, "c/race")] == wins


def test_of_many_who_count_none_is_lost(records: Records) -> None:
    records.create("g/count", {"n": 0})

    def add(_: int) -> None:
        while True:
            old = records.get("g/count")
            assert old is not None
            assert isinstance(old.body["n"], int)
            if records.swap(old, {"n": old.body["n"] + 1}) is not None:
                return

    _run_together(add)
    counted = records.get("g/count")
    assert counted is not None
    assert counted.body == {"n": 20}


def test_the_clock_of_sqlite_is_wound_for_every_process(tmp_path: Path) -> None:
    one, other = SqliteRecords(tmp_path / "l"), SqliteRecords(tmp_path / "l")
    before = other.now()
    one.wind(timedelta(hours=2))
    other.create("a", {})
    stamped = other.get("a")
    assert stamped is not None
    assert stamped.time is not None
    assert before + timedelta(hours=2) <= stamped.time <= one.now()


def read(records: Records, key: str) -> Record | None:
    """What is there, as the one who wrote it knows it: without its time."""
    record = records.get(key)
    return record and replace(record, time=None)


def _run_together(work: object) -> None:
    assert callable(work)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
