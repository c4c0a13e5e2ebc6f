"""The XML API on the wire: conditions, versions, ranges, lists and errors as clients of Cloud Storage read them."""

from __future__ import annotations

import base64
import hashlib
import http.client
import random
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

import pytest

from retrigger.local_emulator.http import Server
from retrigger.local_emulator.stores import gcs_json, gcs_xml
from retrigger.local_emulator.stores.objects import CHUNK, Objects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 11, 20, 10, 30, 15, 123_000, tzinfo=UTC)
NAMESPACE = "{http://doc.s3.amazonaws.com/2006-03-01}"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def generation(self) -> str:
        return self.headers["x-goog-generation"]

    def xml(self) -> ET.Element:
        return ET.fromstring(self.body)  # noqa: S314 - it is our own

    def error(self) -> tuple[int, str | None]:
        return self.status, self.xml().findtext("Code")

    def texts(self, tag: str) -> list[str | None]:
        return [element.text for element in self.xml().iter(NAMESPACE + tag)]


@dataclass(frozen=True, slots=True)
class Store:
    objects: Objects
    address: str

    def send(self, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        with closing(http.client.HTTPConnection(self.address, timeout=10)) as connection:
            connection.request(method, target, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def put(self, name: str, body: bytes = b"", generation: str | None = None) -> Answer:
        headers = {} if generation is None else {"x-goog-if-generation-match": generation}
        return self.send("PUT", f"/landing/{quote(name, safe='')}", body, headers)

    def list(self, query: str = "") -> Answer:
        return self.send("GET", f"/landing?list-type=2{query}")


@pytest.fixture(params=[None, ()], ids=["watched", "unwatched"])
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    objects = Objects(tmp_path, lambda: NOW, lambda _: None, watched=request.param)
    objects.insert_bucket("landing", {})
    server = Server([*gcs_json.routes(objects), *gcs_xml.routes(objects)])
    server.start()
    yield Store(objects, urlsplit(server.url).netloc)
    server.stop()
    objects.close()


def test_an_object_is_read_as_it_was_written(store: Store) -> None:
    body = b"n\n1\n"
    put = store.send("PUT", "/landing/a.csv", body, {"content-type": "text/csv", "x-goog-meta-owner": "ml"})
    got = store.send("GET", "/landing/a.csv")
    assert (put.status, got.status, got.body) == (200, 200, body)
    expected = {
        "etag": f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"',
        "last-modified": "Fri, 20 Nov 2026 10:30:15 GMT",
        "x-goog-generation": put.generation,
        "x-goog-metageneration": "1",
    }
    assert {key: got.headers[key] for key in expected} == expected
    assert {key: put.headers[key] for key in expected} == expected
    stored = store.objects.get("landing", "a.csv")
    assert (stored.content_type, stored.metadata) == ("text/csv", {"owner": "ml"})


@pytest.mark.parametrize("size", [CHUNK, CHUNK + 1])
def test_bytes_are_the_same_however_many(store: Store, tmp_path: Path, size: int) -> None:
    body = random.Random(size).randbytes(size)
    put = store.put("a", body)
    got = store.send("GET", "/landing/a")
    assert (put.status, got.body == body, store.objects.get("landing", "a").size) == (200, True, size)
    assert list((tmp_path / "partial").iterdir()) == []


def test_head_tells_the_same_without_the_bytes(store: Store) -> None:
    store.put("a", b"abc")
    head, got = store.send("HEAD", "/landing/a"), store.send("GET", "/landing/a")
    told = ("etag", "last-modified", "x-goog-generation", "content-length")
    assert (head.status, head.body) == (200, b"")
    assert [head.headers[key] for key in told] == [got.headers[key] for key in told]


def test_a_range_is_that_part_and_one_past_the_end_an_error(store: Store) -> None:
    store.put("a", b"abcdef")
    part = store.send("GET", "/landing/a", headers={"range": "bytes=1-2"})
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"bc", "bytes 1-2/6")
    beyond = store.send("GET", "/landing/a", headers={"range": "bytes=6-"})
    assert (beyond.error(), beyond.headers["content-range"]) == ((416, "InvalidRange"), "bytes */6")


def test_generation_zero_creates_and_a_generation_replaces_just_that(store: Store) -> None:
    first = store.put("a", b"1", generation="0")
    assert store.put("a", b"2", generation="0").error() == (412, "PreconditionFailed")
    second = store.put("a", b"2", generation=first.generation)
    assert store.put("a", b"3", generation=first.generation).error() == (412, "PreconditionFailed")
    assert int(second.generation) > int(first.generation)
    assert store.send("GET", "/landing/a").body == b"2"
    assert store.put("b", b"", generation="one").error() == (400, "InvalidArgument")


def test_of_twenty_that_create_one_wins(store: Store) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: store.put("a", b"%d" % n, generation="0"), range(20)))
    [winner] = [n for n, answer in enumerate(answers) if answer.status == 200]
    assert store.send("GET", "/landing/a").body == b"%d" % winner


def test_an_etag_is_a_condition_of_a_read(store: Store) -> None:
    etag = store.put("a", b"1").headers["etag"]

    def read(header: str, value: str) -> int:
        return store.send("GET", "/landing/a", headers={header: value}).status

    assert [read("if-match", etag), read("if-match", '"other"'), read("if-match", "*")] == [200, 412, 200]
    assert [read("if-none-match", etag), read("if-none-match", '"other"')] == [304, 200]


def test_what_was_deleted_is_gone(store: Store) -> None:
    first = store.put("a")
    refused = store.send("DELETE", "/landing/a", headers={"x-goog-if-generation-match": "1"})
    assert refused.error() == (412, "PreconditionFailed")
    assert store.send("DELETE", f"/landing/a?generation={first.generation}").status == 204
    assert store.send("GET", "/landing/a").error() == (404, "NoSuchKey")
    assert store.send("DELETE", "/landing/a").error() == (404, "NoSuchKey")


def test_a_missing_bucket_is_told_from_a_missing_object(store: Store) -> None:
    for method, target in [("GET", "/nowhere/a"), ("PUT", "/nowhere/a"), ("GET", "/nowhere?list-type=2")]:
        assert store.send(method, target).error() == (404, "NoSuchBucket")
    assert store.send("GET", "/landing/bucket").error() == (404, "NoSuchKey")


@pytest.mark.parametrize(
    "name", ["a b", "a%2Fb", "a/b+c#d?e", "é ☃ 😀", "a//b", "/a", "../a", "<&>\"'", "~!*()'$,;:@="]
)
def test_names_are_exact(store: Store, name: str) -> None:
    store.put(name, b"x")
    assert [stored.name for stored in store.objects.page("landing", gcs_xml.Query()).objects] == [name]
    assert store.send("GET", f"/landing/{quote(name, safe='')}").body == b"x"
    assert store.list().texts("Key") == [name]
    assert store.list(f"&prefix={quote(name)}").texts("Key") == [name]
    [encoded] = store.list("&encoding-type=url").texts("Key")
    assert unquote(encoded or "") == name


def test_slashes_and_the_bucket_may_be_sent_either_way(store: Store) -> None:
    store.objects.insert_bucket("my-bucket.eu_1", {})
    assert store.send("PUT", "/my%2Dbucket%2Eeu%5F1/a%2Fb", b"1").status == 200
    assert store.send("GET", "/my-bucket.eu_1/a/b").body == b"1"


def test_a_list_is_in_order_of_names_and_pages_do_not_overlap(store: Store) -> None:
    names = sorted([f"m/{n:02}" for n in range(7)] + ["l", "n", "m/é", "m/\U0001f600", "m/\uff01"], key=str.encode)
    for name in reversed(names):
        store.put(name)
    found: list[str | None] = []
    query = "&max-keys=3"
    for _ in range(4):
        page = store.list(query)
        found += page.texts("Key")
        query = (
            f"&max-keys=3&continuation-token={quote(page.texts('NextContinuationToken')[0] or '')}"
            if (page.texts("IsTruncated") == ["true"])
            else ""
        )
    assert (found, query) == (names, "")


def test_a_list_begins_after_a_name_within_a_prefix_and_gathers_folders(store: Store) -> None:
    for name in ("a/1", "a/2", "a/2/x", "a/3", "b"):
        store.put(name)
    assert store.list("&prefix=a/&start-after=a/2").texts("Key") == ["a/2/x", "a/3"]
    page = store.list("&prefix=a/&delimiter=/")
    assert page.texts("Key") == ["a/1", "a/2", "a/3"]
    assert page.texts("Prefix") == ["a/", "a/2/"]
    assert page.texts("KeyCount") == ["4"]


def test_an_entry_says_version_time_and_size(store: Store) -> None:
    put = store.put("a", b"abc")
    page = store.list()
    [contents] = page.xml().iter(NAMESPACE + "Contents")
    assert {element.tag.removeprefix(NAMESPACE): element.text for element in contents} == {
        "Key": "a",
        "Generation": put.generation,
        "MetaGeneration": "1",
        "LastModified": "2026-11-20T10:30:15.123Z",
        "ETag": put.headers["etag"],
        "Size": "3",
    }


def test_an_upload_that_is_not_what_it_claims_to_be_is_refused(store: Store) -> None:
    claim = base64.b64encode(hashlib.md5(b"other", usedforsecurity=False).digest()).decode()
    for header in ({"content-md5": claim}, {"x-goog-hash": f"md5={claim}"}):
        assert store.send("PUT", "/landing/a", b"this", header).error() == (400, "InvalidArgument")
    assert store.list().texts("Key") == []


@pytest.mark.parametrize(
    ("method", "target", "headers", "status"),
    [
        ("PUT", "/landing", {}, 501),
        ("GET", "/landing", {}, 501),
        ("GET", "/landing?acl", {}, 501),
        ("GET", "/landing?list-type=2&versions", {}, 501),
        ("POST", "/landing/a?uploads", {}, 501),
        ("PUT", "/landing/a", {"x-goog-copy-source": "/landing/b"}, 501),
        ("POST", "/landing/a", {}, 405),
        ("GET", "/landing?list-type=2&max-keys=-1", {}, 400),
        ("GET", "/landing?list-type=2&continuation-token=%25", {}, 400),
        ("GET", "/landing?list-type=2&encoding-type=xml", {}, 400),
        ("GET", "/landing/%FF", {}, 400),
        ("PUT", "/landing/a%0Ab", {}, 400),
        ("GET", "/landing/a?generation=x", {}, 400),
    ],
)
def test_what_is_not_emulated_or_wrong_says_so_in_xml(
    store: Store, method: str, target: str, headers: dict[str, str], status: int
) -> None:
    answer = store.send(method, target, b"", headers)
    assert answer.status == status
    assert answer.xml().findtext("Code")
    assert answer.xml().findtext("Message")


def test_a_path_of_no_bucket_is_left_to_others(store: Store) -> None:
    assert store.send("GET", "/v1/a").body == b"Not Found"
    assert store.send("GET", "/storage/v1/b").headers["content-type"].startswith("application/json")
