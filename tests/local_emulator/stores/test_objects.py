from __future__ import annotations

import base64
import itertools
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrigger.local_emulator.stores.conditions import ALWAYS, Preconditions
from retrigger.local_emulator.stores.errors import Conflict, Invalid, NotFound, NotModified, PreconditionFailed
from retrigger.local_emulator.stores.index import Index
from retrigger.local_emulator.stores.listing import Page, Query, page_of
from retrigger.local_emulator.stores.objects import Objects, Source
from retrigger.local_emulator.stores.partial import Held
from retrigger.local_emulator.stores.resource import Description, ObjectChange, StoredObject, object_resource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
MICROS = int(START.timestamp() * 1_000_000)


class World:
    """A store whose clock stands still unless told, with everything that it announced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.time = START
        self.changes: list[ObjectChange] = []
        self.objects = self.open()
        self.objects.insert_bucket("landing", {})

    def open(self) -> Objects:
        return Objects(self.folder, lambda: self.time, self.changes.append)

    def reopen(self) -> None:
        self.objects.close()
        self.objects = self.open()

    def put(
        self, name: str, data: bytes = b"", conditions: Preconditions = ALWAYS, bucket: str = "landing"
    ) -> StoredObject:
        with self.objects.receive() as content:
            content.write(data)
            return self.objects.put(bucket, name, content, Description({"contentType": "text/csv"}), conditions)

    def read(self, name: str, generation: int | None = None, bucket: str = "landing") -> bytes:
        _, file = self.objects.open(bucket, name, generation)
        with file:
            return file.read()

    def names(self, bucket: str = "landing") -> list[str]:
        return [stored.name for stored in self.objects.page(bucket, Query()).objects]

    def files(self) -> list[str]:
        return sorted(path.name for sub in ("data", "partial") for path in (self.folder / sub).iterdir())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.objects.close()


def test_an_object_is_what_was_put(world: World) -> None:
    stored = world.put("a.csv", b"hello")
    expected = StoredObject(
        bucket="landing",
        name="a.csv",
        generation=MICROS,
        metageneration=1,
        size=5,
        crc32c="mnG7TA==",
        md5="XUFAKrxLKna5cZ2REBfFkg==",
        created=START,
        updated=START,
        deleted=None,
        components=None,
        attributes={"contentType": "text/csv"},
        metadata={},
    )
    assert expected == stored
    assert stored == world.objects.get("landing", "a.csv")
    assert world.read("a.csv") == b"hello"


def test_its_resource_is_as_the_cloud_shows_it(world: World) -> None:
    stored = world.put("dir/a b.csv", b"hello")
    path = "b/landing/o/dir%2Fa%20b.csv"
    assert object_resource(stored, "http://127.0.0.1:9") == {
        "kind": "storage#object",
        "id": f"landing/dir/a b.csv/{MICROS}",
        "selfLink": f"http://127.0.0.1:9/storage/v1/{path}",
        "mediaLink": f"http://127.0.0.1:9/download/storage/v1/{path}?generation={MICROS}&alt=media",
        "name": "dir/a b.csv",
        "bucket": "landing",
        "generation": str(MICROS),
        "metageneration": "1",
        "contentType": "text/csv",
        "storageClass": "STANDARD",
        "size": "5",
        "crc32c": "mnG7TA==",
        "md5Hash": "XUFAKrxLKna5cZ2REBfFkg==",
        "etag": stored.etag,
        "timeCreated": "2026-03-01T12:00:00.000Z",
        "updated": "2026-03-01T12:00:00.000Z",
        "timeStorageClassUpdated": "2026-03-01T12:00:00.000Z",
        "timeFinalized": "2026-03-01T12:00:00.000Z",
    }


def test_generations_grow_while_the_clock_stands_still_or_goes_back(world: World) -> None:
    first = world.put("a").generation
    second = world.put("b").generation
    world.objects.delete("landing", "b")
    world.time -= timedelta(hours=1)
    world.reopen()
    assert [first, second, world.put("a").generation] == [MICROS, MICROS + 1, MICROS + 2]


def test_an_overwrite_replaces_bytes_and_file(world: World) -> None:
    world.put("a", b"old")
    new = world.put("a", b"new")
    assert world.read("a") == b"new"
    assert world.files() == [str(new.generation)]


def test_bytes_stay_readable_while_their_object_is_deleted(world: World) -> None:
    world.put("a", b"bytes")
    _, file = world.objects.open("landing", "a")
    world.objects.delete("landing", "a")
    with file:
        assert file.read() == b"bytes"


CURRENT = 5  # stands for the live generation
CASES = [
    (Preconditions(generation=0), False, True),
    (Preconditions(generation=0), True, False),
    (Preconditions(generation=CURRENT), True, True),
    (Preconditions(generation=CURRENT), False, False),
    (Preconditions(generation=7), True, False),
    (Preconditions(generation_not=0), True, True),
    (Preconditions(generation_not=0), False, False),
    (Preconditions(generation_not=CURRENT), True, False),
    (Preconditions(generation_not=7), True, True),
    (Preconditions(metageneration=1), True, True),
    (Preconditions(metageneration=2), True, False),
    (Preconditions(metageneration=1), False, False),
    (Preconditions(metageneration_not=1), True, False),
    (Preconditions(metageneration_not=2), True, True),
    (Preconditions(generation=CURRENT, metageneration=2), True, False),
]


@pytest.mark.parametrize(("conditions", "exists", "holds"), CASES)
def test_a_put_holds_its_preconditions(
    world: World,
    conditions: Preconditions,
    exists: bool,
    holds: bool,
) -> None:
    if exists:
        generation = world.put("a", b"old").generation
        conditions = _with_generation(conditions, generation)
    announced = len(world.changes)
    if holds:
        world.put("a", b"new", conditions)
        assert world.read("a") == b"new"
    else:
        with pytest.raises(PreconditionFailed):
            world.put("a", b"new", conditions)
        assert world.names() == (["a"] if exists else [])
        assert len(world.changes) == announced
        assert len(world.files()) == exists


def _with_generation(conditions: Preconditions, generation: int) -> Preconditions:
    def real(wanted: int | None) -> int | None:
        return generation if wanted == CURRENT else wanted

    return replace(conditions, generation=real(conditions.generation), generation_not=real(conditions.generation_not))


def test_reads_and_deletes_hold_their_preconditions(world: World) -> None:
    generation = world.put("a").generation
    with pytest.raises(PreconditionFailed):
        world.objects.get("landing", "a", conditions=Preconditions(generation=generation - 1))
    with pytest.raises(NotModified):
        world.objects.get("landing", "a", conditions=Preconditions(generation_not=generation))
    with pytest.raises(PreconditionFailed):
        world.objects.delete("landing", "a", conditions=Preconditions(metageneration=2))
    with pytest.raises(NotFound):
        world.objects.delete("landing", "b", conditions=Preconditions(generation=1))
    world.objects.delete("landing", "a", conditions=Preconditions(generation=generation))
    assert world.names() == []


@pytest.mark.parametrize("exists", [False, True])
def test_of_twenty_racers_one_wins(world: World, exists: bool) -> None:
    wanted = world.put("a").generation if exists else 0
    start = threading.Barrier(20)
    outcomes: list[str] = []

    def race(number: int) -> None:
        start.wait()
        try:
            world.put("a", b"%d" % number, Preconditions(generation=wanted))
            outcomes.append("won")
        except PreconditionFailed:
            outcomes.append("lost")

    threads = [threading.Thread(target=race, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(outcomes) == {"won": 1, "lost": 19}
    assert len(world.files()) == 1


@pytest.mark.parametrize(
    "claim", [Description(crc32c="AAAAAA=="), Description(md5="AAAAAAAAAAAAAAAAAAAAAA==")], ids=["crc32c", "md5"]
)
def test_bytes_that_are_not_what_was_claimed_are_refused(world: World, claim: Description) -> None:
    with world.objects.receive() as content:
        content.write(b"hello")
        with pytest.raises(Invalid):
            world.objects.put("landing", "a", content, claim)
    assert (world.names(), world.files(), world.changes) == ([], [], [])


NAMES = [
    "a b", "a%2Fb", "%41", "a#b", "a?b", "a+b", "a&b=c", "../../etc/passwd", "/abs", "a//b", "./a", "a/../b", "tail/",
    "emoji😀/文", "back\\slash", "quote'\"", "nul\0byte", "nl\u2028x", "\u00e9", "e\u0301",
    "x" * 1024, "é" * 512,
]  # fmt: skip


def test_names_are_kept_exactly_and_are_never_paths(world: World) -> None:
    for name in NAMES:
        world.put(name, name.encode())
    assert world.names() == sorted(NAMES, key=str.encode)
    assert [world.read(name) for name in NAMES] == [name.encode() for name in NAMES]
    assert all(file.isdigit() for file in world.files())


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a\nb", "a\rb", "x" * 1025, "é" * 513, "\ud800", ".well-known/acme-challenge/x"]
)
def test_names_that_the_cloud_refuses_are_refused(world: World, name: str) -> None:
    with pytest.raises(Invalid):
        world.put(name)


@pytest.mark.parametrize(
    "name", ["", "ab", "Upper", "a" * 64, "a b", "-abc", "abc-", "a..b", "a/b", "bucket\n", "é" * 4]
)
def test_bucket_names_that_the_cloud_refuses_are_refused(world: World, name: str) -> None:
    with pytest.raises(Invalid):
        world.objects.insert_bucket(name, {})


def test_buckets_come_once_stay_while_full_and_go_when_empty(world: World) -> None:
    with pytest.raises(Conflict):
        world.objects.insert_bucket("landing", {})
    world.objects.insert_bucket("domain.named.bucket_1", {"location": "EU"})
    assert [bucket.name for bucket in world.objects.buckets()] == ["domain.named.bucket_1", "landing"]
    world.put("a")
    with pytest.raises(Conflict):
        world.objects.delete_bucket("landing")
    world.objects.delete("landing", "a")
    world.objects.delete_bucket("landing")
    with pytest.raises(NotFound):
        world.put("a")
    with pytest.raises(NotFound):
        world.objects.page("landing", Query())


def test_every_change_is_announced_once(world: World) -> None:
    first = world.put("a", b"1")
    world.time += timedelta(seconds=1)
    second = world.put("a", b"2")
    patched = world.objects.patch("landing", "a", lambda stored: Description(stored.attributes, {"k": "v"}))
    world.objects.delete("landing", "a")
    later = world.time
    assert world.changes == [
        ObjectChange("finalized", object_resource(first), {}, START),
        ObjectChange("finalized", object_resource(second), {"overwroteGeneration": str(first.generation)}, later),
        ObjectChange("deleted", object_resource(first), {"overwrittenByGeneration": str(second.generation)}, later),
        ObjectChange("metadataUpdated", object_resource(patched), {}, later),
        ObjectChange("deleted", object_resource(patched), {}, later),
    ]
    assert (patched.metageneration, patched.metadata, patched.generation) == (2, {"k": "v"}, second.generation)
    world.reopen()
    assert len(world.changes) == 5


def test_only_changes_in_watched_buckets_are_announced_and_kept_until_then(tmp_path: Path) -> None:
    told: list[ObjectChange] = []
    objects = Objects(tmp_path, lambda: START, told.append, watched={"landing"})
    for bucket in ("landing", "ledger"):
        objects.insert_bucket(bucket, {})
        objects.put(bucket, "a", Held(b"1"), Description())
        objects.put(bucket, "a", Held(b"2"), Description())
        objects.delete(bucket, "a")
    objects.close()
    assert [(it.resource["bucket"], it.kind) for it in told] == [
        ("landing", kind) for kind in ("finalized", "finalized", "deleted", "deleted")
    ]
    with closing(Index(tmp_path / "objects.sqlite3")) as index:
        assert index.changes() == []


def test_a_change_that_nobody_listens_to_any_more_is_forgotten(tmp_path: Path) -> None:
    def crash(change: ObjectChange) -> None:
        raise Crash(change.kind)

    objects = Objects(tmp_path, lambda: START, crash)
    objects.insert_bucket("landing", {})
    with pytest.raises(Crash):
        objects.put("landing", "a", Held(b""), Description())
    objects.close()
    told: list[ObjectChange] = []
    for watched in ((), None):
        Objects(tmp_path, lambda: START, told.append, watched=watched).close()
    assert told == []


def test_a_change_is_durable_when_it_is_announced(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def read_it(change: ObjectChange) -> None:
        _, file = objects.open("landing", str(change.resource["name"]))
        with file:
            seen.append(file.read())

    objects = Objects(tmp_path, lambda: START, read_it)
    objects.insert_bucket("landing", {})
    with objects.receive() as content:
        content.write(b"whole")
        objects.put("landing", "a", content, Description())
    objects.close()
    assert seen == [b"whole"]


class Crash(Exception):
    pass


def test_a_change_whose_announcement_a_crash_cut_short_is_announced_on_opening(tmp_path: Path) -> None:
    def crash(change: ObjectChange) -> None:
        raise Crash(change.kind)

    objects = Objects(tmp_path, lambda: START, crash)
    objects.insert_bucket("landing", {})
    with objects.receive() as content, pytest.raises(Crash):
        objects.put("landing", "a", content, Description())
    stored = objects.get("landing", "a")
    objects.close()

    announced: list[ObjectChange] = []
    for _ in range(2):
        Objects(tmp_path, lambda: START, announced.append).close()
    assert announced == [ObjectChange("finalized", object_resource(stored), {}, START)]


def test_opening_sweeps_what_never_became_an_object(world: World) -> None:
    stored = world.put("a")
    world.objects.receive().write(b"unfinished")
    (world.folder / "data" / "12345").write_bytes(b"renamed, but a crash came before its row")
    world.reopen()
    assert world.files() == [str(stored.generation)]
    assert world.objects.get("landing", "a") == stored


def test_a_folder_has_one_owner(world: World) -> None:
    with pytest.raises(RuntimeError, match="another emulator"):
        world.open()


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from retrigger.local_emulator.stores.objects import Objects
from retrigger.local_emulator.stores.resource import Description
objects = Objects(Path(sys.argv[1]), lambda: datetime.now(UTC), lambda change: None)
objects.insert_bucket("landing", {})
for number in range(1_000_000):
    with objects.receive() as content:
        content.write(bytes([number % 256]) * 100_000)
        objects.put("landing", f"{number % 50}", content, Description())
    print(number, flush=True)
"""


def test_a_killed_process_leaves_whole_objects_only(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        for _ in itertools.islice(writer.stdout, 120):
            pass
        writer.send_signal(signal.SIGKILL)
        acknowledged = 119 + len(writer.stdout.readlines())
    objects = Objects(tmp_path, lambda: START, lambda _change: None)
    stored = objects.page("landing", Query()).objects
    contents = {item.name: (tmp_path / "data" / str(item.generation)).read_bytes() for item in stored}
    assert len(stored) == 50
    assert [item.crc32c for item in stored] == [_crc32c(contents[item.name]) for item in stored]
    # The last acknowledged one is there, or a later one that was not yet acknowledged.
    assert contents[str(acknowledged % 50)] == bytes([acknowledged % 256]) * 100_000
    assert len(list((tmp_path / "data").iterdir())) == 50
    assert list((tmp_path / "partial").iterdir()) == []
    objects.close()


def _crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


def test_compose_and_copy_make_new_objects_of_old_bytes(world: World) -> None:
    one, two = world.put("one", b"1" * 300_000), world.put("two", b"2")
    both = world.objects.compose(
        [Source("landing", "one"), Source("landing", "two", two.generation)],
        "landing",
        "both",
        lambda first: Description(first.attributes),
        Preconditions(generation=0),
    )
    assert world.read("both") == b"1" * 300_000 + b"2"
    assert (both.components, both.md5, both.crc32c) == (2, None, _crc32c(b"1" * 300_000 + b"2"))
    again = world.objects.compose(
        [Source("landing", "both"), Source("landing", "two")], "landing", "again", lambda _first: Description()
    )
    assert again.components == 3
    copy = world.objects.copy(Source("landing", "one"), "landing", "copy", lambda found: Description(found.attributes))
    assert (copy.md5, copy.crc32c, copy.attributes) == (one.md5, one.crc32c, one.attributes)
    with pytest.raises(PreconditionFailed):
        world.objects.copy(
            Source("landing", "one", conditions=Preconditions(generation=1)), "landing", "x", lambda _: Description()
        )
    with pytest.raises(NotFound):
        world.objects.compose(
            [Source("landing", "one"), Source("landing", "none")], "landing", "x", lambda _: Description()
        )
    assert world.names() == ["again", "both", "copy", "one", "two"]
    assert len(world.files()) == 5


def test_a_versioned_bucket_archives(world: World) -> None:
    world.objects.insert_bucket("kept", {"versioning": {"enabled": True}})
    first, second = world.put("a", b"1", bucket="kept"), world.put("a", b"2", bucket="kept")
    world.objects.delete("kept", "a")
    assert [(change.kind, change.attributes) for change in world.changes] == [
        ("finalized", {}),
        ("finalized", {"overwroteGeneration": str(first.generation)}),
        ("archived", {"overwrittenByGeneration": str(second.generation)}),
        ("archived", {}),
    ]
    with pytest.raises(NotFound):
        world.objects.get("kept", "a")
    assert world.read("a", first.generation, bucket="kept") == b"1"
    assert world.objects.page("kept", Query()).objects == ()
    archived = tuple(replace(stored, deleted=START) for stored in (first, second))
    assert world.objects.page("kept", Query(versions=True)).objects == archived
    world.objects.delete("kept", "a", first.generation)
    assert world.changes[-1] == ObjectChange("deleted", object_resource(archived[0]), {}, START)
    assert world.files() == [str(second.generation)]
    assert world.put("a", b"3", Preconditions(generation=0), bucket="kept").size == 1


def test_versions_are_paged_too(world: World) -> None:
    world.objects.insert_bucket("kept", {"versioning": {"enabled": True}})
    put = [world.put(name, bucket="kept").generation for name in "aabaab"]
    found = _all_pages(partial(world.objects.page, "kept"), Query(versions=True, limit=2))
    generations = [[stored.generation for stored in page.objects] for page in found]
    assert generations == [[put[0], put[1]], [put[3], put[4]], [put[2], put[5]]]


@pytest.mark.parametrize("token", ["x", "%%%", "bm9uZQ==", "LTEvYQ==", "OTk5OTk5OTk5OTk5OTk5OTk5OTkvYQ==", "é"])
def test_a_token_that_no_listing_gave_is_refused(world: World, token: str) -> None:
    with pytest.raises(Invalid):
        world.objects.page("landing", Query(token=token))


letters = st.text("ab/é😀", min_size=1, max_size=6)
queries = st.builds(
    Query,
    prefix=st.text("ab/é", max_size=3),
    delimiter=st.sampled_from(["", "/", "b", "/a", "é"]),
    start=st.text("ab/é", max_size=3),
    end=st.text("ab/é😀", max_size=3),
    include_trailing_delimiter=st.booleans(),
    limit=st.integers(1, 5),
)


@given(names=st.sets(letters, max_size=25), query=queries)
def test_pages_are_what_a_naive_listing_gives(names: set[str], query: Query) -> None:
    index = Index(Path(":memory:"))
    with index.transaction():
        for number, name in enumerate(names):
            index.put(_stored(name, number))
        # Neighbours that a listing must not see.
        index.put(_stored("ab/archived", 1000, deleted=True))
        index.put(replace(_stored("ab/elsewhere", 1001), bucket="zanding"))
        pages = _all_pages(partial(page_of, partial(index.scan, "landing", versions=False)), query)
    index.close()
    items, prefixes = _naive(names, query)
    assert [stored.name for page in pages for stored in page.objects] == items
    assert [prefix for page in pages for prefix in page.prefixes] == prefixes
    entries = [len({stored.name for stored in page.objects} | set(page.prefixes)) for page in pages]
    assert all(count >= query.limit - 1 for count in entries[:-1])
    assert all(count <= query.limit for count in entries)


def _naive(names: set[str], query: Query) -> tuple[list[str], list[str]]:
    items, prefixes = [], []
    for name in sorted(names, key=str.encode):
        below_end = not query.end or name.encode() < query.end.encode()
        if not name.startswith(query.prefix) or name.encode() < query.start.encode() or not below_end:
            continue
        rest = name[len(query.prefix) :]
        if query.delimiter and query.delimiter in rest:
            folder = query.prefix + rest.split(query.delimiter)[0] + query.delimiter
            if folder not in prefixes:
                prefixes.append(folder)
            if query.include_trailing_delimiter and name == folder:
                items.append(name)
        else:
            items.append(name)
    return items, prefixes


def _all_pages(list_page: Callable[[Query], Page], query: Query) -> list[Page]:
    pages = [list_page(query)]
    while pages[-1].token:
        pages.append(list_page(replace(query, token=pages[-1].token)))
    return pages


def _stored(name: str, generation: int, *, deleted: bool = False) -> StoredObject:
    return StoredObject(
        bucket="landing",
        name=name,
        generation=generation,
        metageneration=1,
        size=0,
        crc32c="AAAAAA==",
        md5=None,
        created=START,
        updated=START,
        deleted=START if deleted else None,
        components=None,
        attributes={},
        metadata={},
    )
