from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.adapters.blob import BlobObjects
from retrigger.handlers.ports import ObjectStat
from retrigger.handlers.transport.azure import AzureStorageApi
from retrigger.handlers.transport.credentials import KeptToken
from retrigger.triggers.errors import Refused, Unavailable, Unknown
from tests.local_emulator.stores.blob_store import BlobStore

if TYPE_CHECKING:
    from pathlib import Path

    from retrigger.handlers.transport.http import Http
    from tests.handlers.conftest import Loopback

PLACE = "acme/landing"
NASTY = "a b/ü+#%2F?.csv"
QUOTED = "a%20b%2F%C3%BC%2B%23%252F%3F.csv"


@pytest.fixture
def api(http: Http) -> AzureStorageApi:
    return AzureStorageApi(http, KeptToken(lambda: ("secret-token", 3600.0), lambda: 0.0))


@pytest.fixture
def objects(api: AzureStorageApi, loopback: Loopback) -> BlobObjects:
    return BlobObjects(api, endpoint=loopback.url)


def listing(*blobs: str, marker: str = "") -> bytes:
    return (
        f"<EnumerationResults><Blobs>{''.join(blobs)}</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>"
    ).encode()


def listed(name: str, properties: str) -> str:
    return f"<Blob><Name>{name}</Name><Properties>{properties}</Properties></Blob>"


def test_the_first_bytes_of_one_version(objects: BlobObjects, loopback: Loopback) -> None:
    loopback.reply(206, b"abcd")
    assert b"".join(objects.read(PLACE, NASTY, version="0x8D", limit=4)) == b"abcd"
    (seen,) = loopback.requests
    names = ("range", "if-match", "authorization", "x-ms-version")
    assert (seen.path, [seen.headers[name] for name in names]) == (
        f"/acme/landing/{QUOTED}",
        ["bytes=0-3", '"0x8D"', "Bearer secret-token", "2023-11-03"],
    )


def test_a_range_that_is_not_honoured_is_cut_here(objects: BlobObjects, loopback: Loopback) -> None:
    loopback.reply(200, b"x" * 300_000)
    assert b"".join(objects.read(PLACE, "o", limit=100_000)) == b"x" * 100_000


def test_an_empty_blob_has_no_chunks(objects: BlobObjects, loopback: Loopback) -> None:
    loopback.reply(416)
    assert list(objects.read(PLACE, "o", limit=4)) == []


@pytest.mark.parametrize("status", [404, 412])
def test_a_version_that_is_not_there(objects: BlobObjects, loopback: Loopback, status: int) -> None:
    loopback.reply(status)
    with pytest.raises(Refused, match="acme/landing/o is gone") as caught:
        list(objects.read(PLACE, "o", version="0x1", limit=4))
    assert caught.value.code == "object_gone"


@pytest.mark.parametrize("version", ['"', "", "a\r\nb: c", "é", "x" * 300])
def test_a_version_that_is_no_etag_is_never_sent(objects: BlobObjects, loopback: Loopback, version: str) -> None:
    with pytest.raises(Refused) as caught:
        list(objects.read(PLACE, "o", version=version, limit=4))
    assert (caught.value.code, loopback.requests) == ("object_gone", [])


def test_a_transfer_that_breaks_off_is_not_taken_for_the_end(objects: BlobObjects, loopback: Loopback) -> None:
    loopback.break_off(b"half")
    with pytest.raises(Unavailable):
        list(objects.read(PLACE, "o", limit=100))


def test_a_listing_goes_through_all_pages(objects: BlobObjects, loopback: Loopback) -> None:
    properties = '<Etag>"0x1"</Etag><Content-Length>5</Content-Length><Content-MD5>AA==</Content-MD5>'
    folder = listed("a/d", "<ResourceType>directory</ResourceType>")
    loopback.reply(200, listing(listed("a/1", properties), folder, marker="p 2"))
    encoded = "<Blob><Name Encoded='true'>a/%01</Name><Properties><Etag>0x2</Etag></Properties></Blob>"
    loopback.reply(200, listing(encoded))
    assert list(objects.list(PLACE, "a/&")) == [
        ObjectStat(name="a/1", version="0x1", size=5, checksum="md5:AA=="),
        ObjectStat(name="a/\x01", version="0x2", size=0),
    ]
    first = "/acme/landing?restype=container&comp=list&prefix=a%2F%26&maxresults=5000"
    assert [seen.path for seen in loopback.requests] == [first, f"{first}&marker=p+2"]


@pytest.mark.parametrize("body", [b"<html", b"", b"<a><Blob/></a>"])
def test_what_is_no_listing_is_no_answer(objects: BlobObjects, loopback: Loopback, body: bytes) -> None:
    loopback.reply(200, body)
    with pytest.raises(Unavailable):
        list(objects.list(PLACE, ""))


def test_a_name_is_created_and_never_overwritten(objects: BlobObjects, loopback: Loopback) -> None:
    loopback.reply(201)
    objects.write(PLACE, NASTY, b"data")
    (seen,) = loopback.requests
    assert (seen.method, seen.path, seen.body) == ("PUT", f"/acme/landing/{QUOTED}", b"data")
    assert (seen.headers["if-none-match"], seen.headers["x-ms-blob-type"]) == ("*", "BlockBlob")


@pytest.mark.parametrize(("there", "same"), [(b"data", True), (b"datA", False), (b"data and more", False)])
def test_what_is_there_already_must_be_the_same(
    objects: BlobObjects, loopback: Loopback, there: bytes, same: bool
) -> None:
    loopback.reply(409, x_ms_error_code="BlobAlreadyExists")
    loopback.reply(206, there)
    if same:
        objects.write(PLACE, "o", b"data")
        return
    with pytest.raises(Refused) as caught:
        objects.write(PLACE, "o", b"data")
    assert caught.value.code == "object_differs"


def test_another_conflict_is_told_as_what_it_is(objects: BlobObjects, loopback: Loopback) -> None:
    loopback.reply(409, x_ms_error_code="ContainerBeingDeleted")
    with pytest.raises(Unavailable) as caught:
        objects.write(PLACE, "o", b"data")
    assert caught.value.code == "ContainerBeingDeleted"


def test_a_write_whose_answer_was_lost_succeeds_when_repeated(objects: BlobObjects, loopback: Loopback) -> None:
    loopback.drop()
    with pytest.raises(Unknown):
        objects.write(PLACE, "o", b"data")
    loopback.reply(412)
    loopback.reply(206, b"data")
    objects.write(PLACE, "o", b"data")


def test_on_the_emulators_store(api: AzureStorageApi, tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    try:
        objects = BlobObjects(api, endpoint=store.server.url)
        for name, data in ((NASTY, b"0123456789"), ("empty", b""), ("🚀/x", b"y")):
            objects.write(store.bucket, name, data)
            objects.write(store.bucket, name, data)
        with pytest.raises(Refused, match="exists with other content"):
            objects.write(store.bucket, NASTY, b"other")
        found = {stat.name: stat for stat in objects.list(store.bucket, "")}
        assert {name: stat.size for name, stat in found.items()} == {NASTY: 10, "empty": 0, "🚀/x": 1}
        assert b"".join(objects.read(store.bucket, NASTY, version=found[NASTY].version, limit=4)) == b"0123"
        assert b"".join(objects.read(store.bucket, "empty", limit=4)) == b""
        with pytest.raises(Refused) as caught:
            list(objects.read(store.bucket, NASTY, version="0x1", limit=4))
        assert caught.value.code == "object_gone"
    finally:
        store.close()
