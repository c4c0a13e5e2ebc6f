"""Blob on the wire: what no well-behaved client sends, and what every client relies on."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import threading
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrigger.local_emulator.stores import blob_blocks
from tests.local_emulator.conftest import eventually
from tests.local_emulator.stores.blob_store import ACCOUNT, BLOCK_BLOB, BlobStore, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

LANDING = "/landing?restype=container"
LIST = f"{LANDING}&comp=list"
PAST, FUTURE = "Mon, 01 Jan 2018 00:00:00 GMT", "Mon, 01 Jan 2099 00:00:00 GMT"
NASTY = {
    "a b/ü+#%2F?.csv": "a%20b/%C3%BC+%23%252F%3F.csv",
    "🚀" * 256: "%F0%9F%9A%80" * 256,  # 1,024 bytes
    "a//b/../c/": "a//b/../c/",
    "\x01": "%01",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlobStore]:
    store = BlobStore(tmp_path_factory.mktemp("blobs"))
    yield store
    store.close()


@pytest.fixture
def store(served: BlobStore) -> BlobStore:
    """An empty container, behind a server that the module shares: stopping one takes longer than most tests."""
    served.forget()
    return served


def block_id(number: int) -> str:
    return base64.urlsafe_b64encode(b"%06d" % number).decode()


def stage(store: BlobStore, name: str, number: int, body: bytes) -> int:
    return store.send("PUT", f"/landing/{name}?comp=block&blockid={block_id(number)}", body).status


def block_list(*numbers: int, tag: str = "Latest") -> bytes:
    listed = "".join(f"<{tag}>{block_id(number)}</{tag}>" for number in numbers)
    return f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'.encode()


def listed(text: bytes, tag: str) -> list[str | None]:
    return [found.text for found in parsed(text).iter(tag)]


@pytest.mark.parametrize(
    ("method", "target", "headers", "body", "expected"),
    [
        ("GET", "/nothing", {}, b"", (404, "ResourceNotFound")),
        ("PUT", LANDING, {}, b"", (409, "ContainerAlreadyExists")),
        ("PUT", "/UPPER?restype=container", {}, b"", (400, "InvalidResourceName")),
        ("PUT", "/a--b?restype=container", {}, b"", (400, "InvalidResourceName")),
        ("PUT", "/ab?restype=container", {}, b"", (400, "InvalidResourceName")),
        ("GET", "/none?restype=container", {}, b"", (404, "ContainerNotFound")),
        ("POST", LANDING, {}, b"", (405, "UnsupportedHttpVerb")),
        ("PUT", f"{LANDING}&comp=acl", {}, b"", (501, "NotImplemented")),
        ("GET", "/landing/a", {}, b"", (404, "BlobNotFound")),
        ("GET", "/none/a", {}, b"", (404, "ContainerNotFound")),
        ("GET", "/landing/%FF", {}, b"", (400, "InvalidInput")),
        ("GET", "/landing/a?snapshot=x", {}, b"", (501, "NotImplemented")),
        ("PUT", "/landing/a?comp=lease", {}, b"", (501, "NotImplemented")),
        ("PUT", "/landing/a", {}, b"x", (400, "MissingRequiredHeader")),
        ("PUT", "/landing/a", {"x-ms-blob-type": "AppendBlob"}, b"", (501, "NotImplemented")),
        ("PUT", "/none/a", BLOCK_BLOB, b"x", (404, "ContainerNotFound")),
        ("PUT", "/landing/" + "a" * 1025, BLOCK_BLOB, b"x", (400, "InvalidResourceName")),
        ("PUT", "/landing/a", BLOCK_BLOB | {"Content-MD5": "AAAA"}, b"x", (400, "Md5Mismatch")),
        ("PUT", "/landing/a", BLOCK_BLOB | {"x-ms-meta-1": "x"}, b"x", (400, "InvalidMetadata")),
        ("PUT", "/landing/a", BLOCK_BLOB | {"x-ms-meta-a": "\xe9"}, b"x", (400, "InvalidMetadata")),
        ("PUT", "/landing/a?comp=blocklist", {"x-ms-blob-content-md5": "x"}, block_list(), (400, "InvalidMd5")),
        ("PUT", "/landing/a", BLOCK_BLOB | {"x-ms-meta-a": "x" * 9000}, b"x", (400, "MetadataTooLarge")),
        ("PUT", "/landing/a", BLOCK_BLOB | {"If-Match": "*"}, b"x", (412, "ConditionNotMet")),
        ("PUT", "/landing/a", BLOCK_BLOB | {"If-Modified-Since": "soon"}, b"x", (400, "InvalidHeaderValue")),
        ("PUT", "/landing/a", {"x-ms-copy-source": "http://["}, b"", (400, "InvalidHeaderValue")),
        ("PUT", "/landing/a", {"x-ms-copy-source": "http://example.com/a/b/c"}, b"", (404, "CannotVerifyCopySource")),
        ("PUT", "/landing/a?comp=block&blockid=%21", {}, b"x", (400, "InvalidQueryParameterValue")),
        ("PUT", "/landing/a?comp=block", {}, b"x", (400, "InvalidQueryParameterValue")),
        ("PUT", "/none/a?comp=block&blockid=AAAA", {}, b"x", (404, "ContainerNotFound")),
        ("PUT", "/landing/a?comp=blocklist", {}, b"<BlockList", (400, "InvalidXmlDocument")),
        ("PUT", "/landing/a?comp=blocklist", {}, b"\xff", (400, "InvalidXmlDocument")),
        ("PUT", "/landing/a?comp=blocklist", {}, b"<Other/>", (400, "InvalidXmlDocument")),
        ("PUT", "/landing/a?comp=blocklist", {}, b'<!DOCTYPE a [<!ENTITY b "c">]><BlockList/>',
         (400, "InvalidXmlDocument")),
        ("PUT", "/landing/a?comp=blocklist", {}, block_list(1), (400, "InvalidBlockList")),
        ("PUT", "/landing/a?comp=blocklist", {}, block_list(*[1] * 50_001), (400, "BlockListTooLong")),
        ("PUT", "/landing/a?comp=blocklist", {}, b" " * 9_000_000, (413, "RequestBodyTooLarge")),
        ("GET", "/landing/a?comp=blocklist", {}, b"", (404, "BlobNotFound")),
        ("GET", f"{LIST}&maxresults=0", {}, b"", (400, "OutOfRangeQueryParameterValue")),
        ("GET", f"{LIST}&maxresults=many", {}, b"", (400, "InvalidInput")),
        ("GET", f"{LIST}&marker=%F0%9F%98%80", {}, b"", (400, "InvalidInput")),
        ("GET", f"{LIST}&{'a=b&' * 101}", {}, b"", (400, "InvalidInput")),
        ("POST", f"{LANDING}&comp=batch", {}, b"", (400, "InvalidInput")),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_azures_words(  # noqa: PLR0917 - a table
    store: BlobStore, method: str, target: str, headers: Mapping[str, str], body: bytes, expected: tuple[int, str]
) -> None:
    assert store.send(method, target, body, headers).error() == expected
    assert (store.names(), store.told()) == ([], [])


@pytest.mark.parametrize(
    ("header", "good"),
    [("If-Match", False), ("If-None-Match", True), ("If-Unmodified-Since", False), ("If-Modified-Since", True)],
)
def test_conditions_hold_or_nothing_happens(store: BlobStore, header: str, good: bool) -> None:
    etag = store.put("a", b"first").headers["etag"]
    fits, differs = (etag, '"0x1"') if "Match" in header else (FUTURE, PAST)
    for value, holds in ((fits, not good), (differs, good)):
        condition = {header: value}
        read = store.send("GET", "/landing/a", headers=condition).status
        assert read == (200 if holds else 304 if good else 412)
        written = store.send("PUT", "/landing/a?comp=metadata", headers=condition)
        assert written.status == (200 if holds else 412)
        if "Match" in header and holds and not good:
            etag = written.headers["etag"]
            assert store.send("DELETE", "/landing/a", headers={header: etag}).status == 202
            store.put("a")


def test_every_state_of_a_blob_has_an_etag_of_its_own(store: BlobStore) -> None:
    etags = [store.put("a", b"same").headers["etag"] for _ in range(3)]
    etags.append(store.send("PUT", "/landing/a?comp=metadata").headers["etag"])
    etags.append(store.send("PUT", "/landing/a?comp=properties").headers["etag"])
    store.send("DELETE", "/landing/a")
    etags.append(store.put("a", b"same").headers["etag"])
    assert len(set(etags)) == 6
    assert all(re.fullmatch(r'"0x[0-9A-F]{17}"', etag) for etag in etags)


@pytest.mark.parametrize("blocks", [False, True])
def test_of_twenty_who_create_one_wins(store: BlobStore, blocks: bool) -> None:
    start, answers = threading.Barrier(20), Counter[int]()

    def create(number: int) -> None:
        if blocks:
            stage(store, "a", number, b"x")
        start.wait()
        new = {"If-None-Match": "*"}
        if blocks:
            answer = store.send("PUT", "/landing/a?comp=blocklist", block_list(number), new)
        else:
            answer = store.send("PUT", "/landing/a", b"%d" % number, BLOCK_BLOB | new)
        answers[answer.status] += 1

    threads = [threading.Thread(target=create, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {201: 1, 409: 19}
    assert store.told() == [("finalized", "a", "PutBlockList" if blocks else "PutBlob")]


@pytest.mark.parametrize("name", NASTY)
def test_names_come_back_as_they_were(store: BlobStore, name: str) -> None:
    target = f"/landing/{NASTY[name]}"
    assert store.send("PUT", target, b"x", BLOCK_BLOB).status == 201
    assert store.names() == [name]
    assert store.send("GET", target).body == b"x"
    found = parsed(store.send("GET", LIST).body).find("Blobs/Blob/Name")
    assert found is not None
    assert (found.text, found.get("Encoded")) == (("%01", "true") if name == "\x01" else (name, None))


def test_a_blob_tells_what_its_uploader_told(store: BlobStore) -> None:
    told = {"Content-Type": "text/plain", "x-ms-blob-content-language": "fr", "x-ms-meta-team": "growth"}
    md5 = base64.b64encode(hashlib.md5(b"hello", usedforsecurity=False).digest()).decode()
    answer = store.send("PUT", "/landing/a", b"hello", BLOCK_BLOB | told)
    assert (answer.status, answer.headers["content-md5"]) == (201, md5)
    for method in ("GET", "HEAD"):
        got = store.send(method, "/landing/a").headers
        names = (
            "content-type",
            "content-language",
            "x-ms-meta-team",
            "content-md5",
            "content-length",
            "x-ms-blob-type",
        )
        assert [got[name] for name in names] == ["text/plain", "fr", "growth", md5, "5", "BlockBlob"]
    assert (
        store.send("PUT", "/landing/a?comp=properties", headers={"x-ms-blob-cache-control": "no-store"}).status == 200
    )
    got = store.send("HEAD", "/landing/a").headers
    assert (got["content-type"], got["cache-control"], got["x-ms-meta-team"]) == (
        "application/octet-stream",
        "no-store",
        "growth",
    )
    assert "content-md5" not in got
    assert [kind for kind, _, _ in store.told()] == ["finalized", "metadataUpdated"]


def test_a_range_of_a_blob(store: BlobStore) -> None:
    store.put("a", b"0123456789")
    store.put("empty", b"")
    part = store.send("GET", "/landing/a", headers={"x-ms-range": "bytes=2-4", "Range": "bytes=0-9"})
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert "x-ms-blob-content-md5" in part.headers
    past = store.send("GET", "/landing/empty", headers={"Range": "bytes=0-9"})
    assert (past.error(), past.headers["content-range"]) == ((416, "InvalidRange"), "bytes */0")


def test_a_list_has_pages_and_folders(store: BlobStore) -> None:
    for name in ("a/1", "a/2", "b", "c/d/e", "z"):
        store.put(name)
    assert listed(store.send("GET", f"{LIST}&delimiter=/").body, "Name") == ["b", "z", "a/", "c/"]
    assert listed(store.send("GET", f"{LIST}&prefix=a/").body, "Name") == ["a/1", "a/2"]
    found, marker, rounds = [], "", 0
    while marker or not rounds:
        page = store.send("GET", f"{LIST}&maxresults=2&marker={marker}").body
        found += listed(page, "Name")
        (marker,) = [text or "" for text in listed(page, "NextMarker")]
        rounds += 1
    assert (found, rounds) == (["a/1", "a/2", "b", "c/d/e", "z"], 3)


def test_containers_are_listed_by_account_and_go_with_their_blobs(store: BlobStore) -> None:
    for name in ("other", "landing2"):
        assert store.send("PUT", f"/{name}?restype=container", headers={"x-ms-meta-k": "v"}).status == 201
    store.objects.insert_bucket("elsewhere/landing", {})
    assert listed(store.send("GET", "/?comp=list").body, "Name") == ["landing", "landing2", "other"]
    assert listed(store.send("GET", "/?comp=list&prefix=landing").body, "Name") == ["landing", "landing2"]
    first = store.send("GET", "/?comp=list&maxresults=1").body
    assert listed(first, "NextMarker") == ["landing2"]
    assert listed(store.send("GET", "/?comp=list&marker=landing2").body, "Name") == ["landing2", "other"]
    assert store.send("HEAD", "/other?restype=container").headers["x-ms-meta-k"] == "v"
    store.put("a")
    store.announced.clear()
    assert store.send("DELETE", LANDING).status == 202
    assert store.send("GET", "/landing/a").error() == (404, "ContainerNotFound")
    assert (store.told(), list((store.folder / "data").iterdir())) == ([], [])


def test_blocks_become_a_blob_in_the_order_of_their_list(store: BlobStore) -> None:
    for number, body in ((1, b"one"), (2, b"two"), (3, b"three"), (2, b"TWO")):
        assert stage(store, "a", number, body) == 201
    assert store.send("GET", "/landing/a").error() == (404, "BlobNotFound")
    assert listed(store.send("GET", "/landing/a?comp=blocklist").body, "Size") == ["3", "5", "3"]
    assert stage(store, "a", 10**7, b"longer id") == 400
    headers = {"x-ms-blob-content-type": "text/csv", "x-ms-meta-k": "v"}
    assert store.send("PUT", "/landing/a?comp=blocklist", block_list(2, 1, 2, tag="Uncommitted"), headers).status == 201
    got = store.send("GET", "/landing/a")
    assert (got.body, got.headers["content-type"], got.headers["x-ms-meta-k"]) == (b"TWOoneTWO", "text/csv", "v")
    assert store.send("PUT", "/landing/a?comp=blocklist", block_list(1)).error() == (400, "InvalidBlockList")
    assert list((store.folder / "partial").iterdir()) == []
    assert store.told() == [("finalized", "a", "PutBlockList")]


def test_staged_blocks_are_worthless_once_the_blob_came_whole(store: BlobStore) -> None:
    stage(store, "a", 1, b"one")
    store.put("a", b"whole")
    assert store.send("PUT", "/landing/a?comp=blocklist", block_list(1)).error() == (400, "InvalidBlockList")
    assert list((store.folder / "partial").iterdir()) == []


def test_a_refused_commit_keeps_the_blocks(store: BlobStore) -> None:
    store.put("a", b"there")
    stage(store, "a", 1, b"new")
    new = {"If-None-Match": "*"}
    assert store.send("PUT", "/landing/a?comp=blocklist", block_list(1), new).error() == (409, "BlobAlreadyExists")
    assert store.send("PUT", "/landing/a?comp=blocklist", block_list(1)).status == 201


def test_the_oldest_staged_blocks_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_blocks, "MOST_STAGED", 3)
    store = BlobStore(tmp_path)
    try:
        assert [stage(store, name, 1, b"x") for name in "abcd"] == [201] * 4
        assert store.send("PUT", "/landing/a?comp=blocklist", block_list(1)).error() == (400, "InvalidBlockList")
        assert store.send("PUT", "/landing/d?comp=blocklist", block_list(1)).status == 201
        store.forget()
        assert [stage(store, "e", number, b"x") for number in range(4)] == [201, 201, 201, 409]
    finally:
        store.close()


def test_a_copy_is_done_at_once(store: BlobStore) -> None:
    etag = store.put("a%20b", b"hello", x_ms_meta_k="v").headers["etag"]
    source = {"x-ms-copy-source": f"{store.url}/landing/a%20b?sig=any"}
    copied = store.send("PUT", "/landing/copy", headers=source)
    assert (copied.status, copied.headers["x-ms-copy-status"]) == (202, "success")
    got = store.send("GET", "/landing/copy")
    assert (got.body, got.headers["x-ms-meta-k"]) == (b"hello", "v")
    assert store.send("PUT", "/landing/copy", headers=source | {"If-None-Match": "*"}).status == 409
    changed = source | {"x-ms-source-if-none-match": etag}
    assert store.send("PUT", "/landing/other", headers=changed).error() == (412, "ConditionNotMet")
    assert store.told() == [("finalized", "a b", "PutBlob"), ("finalized", "copy", "CopyBlob")]


def test_a_batch_answers_each_deletion(store: BlobStore) -> None:
    for name in ("a", "b%20c", "kept"):
        store.put(name)
    calls = [
        "DELETE /landing/a HTTP/1.1",
        f"DELETE /{ACCOUNT}/landing/b%20c HTTP/1.1",
        "DELETE /landing/none HTTP/1.1",
        "PUT /landing/kept HTTP/1.1",
        "nonsense",
    ]
    parts = "".join(
        f"--xx\r\nContent-Type: application/http\r\nContent-ID: {n}\r\n\r\n{call}\r\n\r\n\r\n"
        for n, call in enumerate(calls)
    )
    headers = {"Content-Type": "multipart/mixed; boundary=xx"}
    for target in (f"{LANDING}&comp=batch", "/?comp=batch"):
        answer = store.send("POST", target, f"{parts}--xx--".encode(), headers)
        lines = answer.body.decode().splitlines()
        statuses = [int(line.split()[1]) for line in lines if line.startswith("HTTP/1.1 ")]
        gone = 202 if "landing" in target else 404
        assert (answer.status, statuses) == (202, [gone, gone, 404, 400, 400])
        assert [line for line in lines if line.startswith("Content-ID")] == [f"Content-ID: {n}" for n in range(5)]
    assert store.names() == ["kept"]


def test_an_upload_cut_off_halfway_leaves_nothing(store: BlobStore) -> None:
    host, port = urlsplit(store.url).netloc.split(":")
    for query in ("", "?comp=block&blockid=AAAA"):
        head = f"PUT /{ACCOUNT}/landing/a{query} HTTP/1.1\r\nHost: x\r\nx-ms-blob-type: BlockBlob\r\n"
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(f"{head}Content-Length: 1000000\r\n\r\nbegin".encode())
            eventually(lambda: sum(it.stat().st_size for it in (store.folder / "partial").iterdir()) > 0)
        eventually(lambda: not list((store.folder / "partial").iterdir()))
    assert (store.names(), store.told()) == ([], [])


def test_every_answer_has_what_clients_log(store: BlobStore) -> None:
    asked = {"x-ms-version": "2023-11-03", "x-ms-client-request-id": "mine"}
    for target in (LANDING, "/landing/none"):
        got = store.send("GET", target, headers=asked).headers
        assert (got["x-ms-version"], got["x-ms-client-request-id"]) == ("2023-11-03", "mine")
        assert got["x-ms-request-id"]
    assert store.send("GET", LANDING, headers={"x-ms-version": "\x7f"}).headers["x-ms-version"] == "2021-12-02"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]),
    target=st.sampled_from(["", "/", "/landing", "/landing/", "/landing/a", "/landing/%FF", "/%00/a", "//", "/$r/a"]),
    query=st.lists(
        st.sampled_from(
            ["restype=container", "comp=list", "comp=block", "comp=blocklist", "comp=batch", "comp=metadata", "=", "%",
             "comp=properties", "blockid=AAAA", "prefix=%00", "marker=AA", "delimiter=a", "maxresults=1", "comp=tier"]
        ),
        max_size=4,
    ),
    headers=st.dictionaries(
        st.sampled_from(["x-ms-blob-type", "x-ms-copy-source", "If-Match", "If-Modified-Since", "Range"]),
        st.sampled_from(["BlockBlob", "bytes=0-0", "*", "", '"', "http://x/y/z/a", FUTURE, "Mon, 99 Foo 2018"]),
    ),
    body=st.binary(max_size=100) | st.just(block_list(1)),
)  # fmt: skip
def test_any_request_gets_an_answer_and_no_traceback(  # noqa: PLR0917 - hypothesis names them
    store: BlobStore, method: str, target: str, query: list[str], headers: dict[str, str], body: bytes
) -> None:
    answer = store.send(method, f"{target}?{'&'.join(query)}", body, headers)
    assert answer.status < 500 or answer.headers["x-ms-error-code"] == "NotImplemented"
    if answer.status >= 400 and method != "HEAD":
        answer.error()
