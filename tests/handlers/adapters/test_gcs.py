from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.adapters.gcs import GcsObjects
from retrigger.handlers.ports import ObjectStat
from retrigger.local_emulator.http import Server
from retrigger.local_emulator.stores.gcs_json import routes
from retrigger.local_emulator.stores.objects import Objects as Store
from retrigger.triggers.errors import Refused, Unavailable, Unknown

if TYPE_CHECKING:
    from pathlib import Path

    from retrigger.handlers.transport.google import GoogleApi
    from tests.handlers.conftest import Loopback

NASTY = "a b/ü+#%2F?.csv"
QUOTED = "a%20b%2F%C3%BC%2B%23%252F%3F.csv"


@pytest.fixture
def objects(api: GoogleApi, loopback: Loopback) -> GcsObjects:
    return GcsObjects(api, endpoint=loopback.url)


def test_the_first_bytes_of_one_generation(objects: GcsObjects, loopback: Loopback) -> None:
    loopback.reply(206, b"abcd")
    assert b"".join(objects.read("bkt", NASTY, version="17", limit=4)) == b"abcd"
    (seen,) = loopback.requests
    assert (seen.path, seen.headers["range"]) == (
        f"/storage/v1/b/bkt/o/{QUOTED}?alt=media&generation=17",
        "bytes=0-3",
    )


def test_a_range_that_is_not_honoured_is_cut_here(objects: GcsObjects, loopback: Loopback) -> None:
    loopback.reply(200, b"x" * 300_000)
    assert b"".join(objects.read("bkt", "o", limit=100_000)) == b"x" * 100_000


def test_a_range_from_the_middle(objects: GcsObjects, loopback: Loopback) -> None:
    loopback.reply(206, b"cd")
    assert b"".join(objects.read("bkt", "o", start=2, limit=4)) == b"cd"
    assert [seen.headers["range"] for seen in loopback.requests] == ["bytes=2-5"]


def test_the_middle_of_an_object_that_the_service_unpacks_is_refused(objects: GcsObjects, loopback: Loopback) -> None:
    loopback.reply(200, b"abcd")
    with pytest.raises(Refused, match=r"stored with Content-Encoding: gzip; store it without") as caught:
        list(objects.read("bkt", "o", start=2, limit=4))
    assert caught.value.code == "stored_compressed"


def test_an_empty_object_has_no_chunks(objects: GcsObjects, loopback: Loopback) -> None:
    loopback.reply(416)
    assert list(objects.read("bkt", "o", limit=4)) == []


def test_an_object_that_is_not_there(objects: GcsObjects, loopback: Loopback) -> None:
    loopback.reply(404, b"No such object: bkt/o")
    with pytest.raises(Refused, match="gs://bkt/o is gone") as caught:
        list(objects.read("bkt", "o", version="1", limit=4))
    assert caught.value.code == "object_gone"


def test_a_transfer_that_breaks_off_is_not_taken_for_the_end(objects: GcsObjects, loopback: Loopback) -> None:
    loopback.break_off(b"half")
    with pytest.raises(Unavailable):
        list(objects.read("bkt", "o", limit=100))


def test_one_object_is_asked_for_as_its_events_have_it(objects: GcsObjects, loopback: Loopback) -> None:
    stored = {"name": NASTY, "generation": "17", "size": "5", "crc32c": "AAAA==", "contentType": "text/csv"}
    loopback.reply(200, {**stored, "timeCreated": "2026-11-20T10:00:00.123Z"})
    assert objects.stat("bkt", NASTY) == ObjectStat(
        name=NASTY,
        version="17",
        size=5,
        checksum="crc32c:AAAA==",
        content_type="text/csv",
        written=datetime(2026, 11, 20, 10, 0, 0, 123_000, tzinfo=UTC),
    )
    (seen,) = loopback.requests
    assert (seen.method, seen.path) == (
        "GET",
        f"/storage/v1/b/bkt/o/{QUOTED}?fields=name%2Cgeneration%2Csize%2Ccrc32c%2CcontentType%2CtimeCreated",
    )


@pytest.mark.parametrize(("status", "error"), [(403, Refused), (503, Unavailable), (429, Unavailable)])
def test_a_store_that_does_not_say_is_no_store_without_the_object(
    objects: GcsObjects, loopback: Loopback, status: int, error: type[Exception]
) -> None:
    loopback.reply(status)
    with pytest.raises(error):
        objects.stat("bkt", "o")


def test_a_listing_goes_through_all_pages(objects: GcsObjects, loopback: Loopback) -> None:
    loopback.reply(
        200,
        {"nextPageToken": "p 2", "items": [{"name": "a/1", "generation": "11", "size": "5", "crc32c": "AAAA=="}]},
    )
    loopback.reply(200, {"nextPageToken": "p3"})
    loopback.reply(200, {"items": [{"name": "a/2", "generation": "12", "size": "0"}]})
    assert list(objects.list("bkt", "a/&")) == [
        ObjectStat(name="a/1", version="11", size=5, checksum="crc32c:AAAA=="),
        ObjectStat(name="a/2", version="12", size=0),
    ]
    assert [seen.path.partition("&fields=")[0] for seen in loopback.requests] == [
        "/storage/v1/b/bkt/o?prefix=a%2F%26&maxResults=1000"
    ] * 3
    assert ["pageToken=p+2" in seen.path for seen in loopback.requests] == [False, True, False]


def test_a_name_is_created_and_never_overwritten(objects: GcsObjects, loopback: Loopback) -> None:
    loopback.reply(200, {})
    objects.write("bkt", NASTY, b"data")
    (seen,) = loopback.requests
    assert (seen.method, seen.path, seen.body) == (
        "POST",
        "/upload/storage/v1/b/bkt/o?uploadType=media&name=a+b%2F%C3%BC%2B%23%252F%3F.csv&ifGenerationMatch=0",
        b"data",
    )


@pytest.mark.parametrize("data", [b"data", b""])
def test_writing_the_same_bytes_again_changes_nothing(objects: GcsObjects, loopback: Loopback, data: bytes) -> None:
    loopback.reply(412)
    loopback.reply(206 if data else 416, data)
    objects.write("bkt", "o", data)


@pytest.mark.parametrize("there", [b"datA", b"data and more"])
def test_other_bytes_under_the_name_are_refused(objects: GcsObjects, loopback: Loopback, there: bytes) -> None:
    loopback.reply(412)
    loopback.reply(206, there)
    with pytest.raises(Refused) as caught:
        objects.write("bkt", "o", b"data")
    assert caught.value.code == "object_differs"


def test_a_write_whose_answer_was_lost_succeeds_when_repeated(objects: GcsObjects, loopback: Loopback) -> None:
    loopback.drop()
    with pytest.raises(Unknown):
        objects.write("bkt", "o", b"data")
    loopback.reply(412)
    loopback.reply(206, b"data")
    objects.write("bkt", "o", b"data")


def test_on_the_emulators_store(api: GoogleApi, tmp_path: Path) -> None:
    store = Store(tmp_path, lambda: datetime.now(UTC), lambda _: None)
    server = Server(routes(store))
    server.start()
    try:
        store.insert_bucket("bkt", {})
        objects = GcsObjects(api, endpoint=server.url)
        for name, data in ((NASTY, b"0123456789"), ("empty", b""), ("🚀/x", b"y")):
            objects.write("bkt", name, data)
            objects.write("bkt", name, data)
        with pytest.raises(Refused, match="exists with other content"):
            objects.write("bkt", NASTY, b"other")
        listed = {stat.name: stat for stat in objects.list("bkt", "")}
        version = listed[NASTY].version
        assert {name: stat.size for name, stat in listed.items()} == {NASTY: 10, "empty": 0, "🚀/x": 1}
        assert b"".join(objects.read("bkt", NASTY, version=version, limit=4)) == b"0123"
        assert b"".join(objects.read("bkt", NASTY, start=7, limit=2)) == b"78"
        assert b"".join(objects.read("bkt", NASTY, start=7, limit=9)) == b"789"
        assert b"".join(objects.read("bkt", NASTY, start=10, limit=9)) == b""
        assert b"".join(objects.read("bkt", "empty", limit=4)) == b""
        with pytest.raises(Refused) as caught:
            list(objects.read("bkt", NASTY, version="1", limit=4))
        assert caught.value.code == "object_gone"
    finally:
        server.stop()
        store.close()
