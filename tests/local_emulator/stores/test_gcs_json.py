"""The JSON API on the wire: what no well-behaved client sends, and what resumable uploads do when it goes wrong."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrigger.local_emulator.http import Server
from retrigger.local_emulator.stores import gcs_resumable
from retrigger.local_emulator.stores.gcs_http import JSON_LIMIT
from retrigger.local_emulator.stores.gcs_json import routes
from retrigger.local_emulator.stores.listing import Query
from retrigger.local_emulator.stores.objects import Objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KIB = 1024
OBJECTS = "/storage/v1/b/landing/o"
UPLOAD = "/upload/storage/v1/b/landing/o"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value

    def error(self) -> tuple[int, str]:
        """Status and reason, which must stand in the body as Google puts them."""
        content = json.loads(self.body)["error"]
        assert content["code"] == self.status
        assert content["message"] == content["errors"][0]["message"]
        return self.status, content["errors"][0]["reason"]


class Store:
    """A served store with the bucket `landing`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.announced: list[object] = []
        self.objects = Objects(folder, lambda: datetime.now(UTC), self.announced.append)
        self.objects.insert_bucket("landing", {})
        self.server = Server(routes(self.objects))
        self.server.start()
        self.address = urlsplit(self.server.url).netloc

    def close(self) -> None:
        self.server.stop()
        self.objects.close()

    def forget(self) -> None:
        for name in self.names():
            self.objects.delete("landing", name)
        for path in (self.folder / "partial").iterdir():
            path.unlink()
        self.announced.clear()

    def send(self, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        with closing(http.client.HTTPConnection(self.address, timeout=10)) as connection:
            connection.request(method, target, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def start_upload(self, name: str = "a", query: str = "", headers: dict[str, str] | None = None) -> str:
        answer = self.send("POST", f"{UPLOAD}?uploadType=resumable&name={name}{query}", b"", headers)
        assert (answer.status, answer.body) == (200, b"")
        location = urlsplit(answer.headers["location"])
        assert f"{location.scheme}://{location.netloc}" == self.server.url
        return f"{location.path}?{location.query}"

    def put(self, session: str, content_range: str | None, body: bytes = b"", **headers: str) -> Answer:
        return self.send("PUT", session, body, headers | ({"Content-Range": content_range} if content_range else {}))

    def cut_off(self, head: str, body: bytes) -> None:
        """Send a request whose body ends too soon, and hang up."""
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(head.format(host=self.address).encode() + body)

    def names(self) -> list[str]:
        return [stored.name for stored in self.objects.page("landing", Query()).objects]

    def partial_bytes(self) -> int:
        return sum(path.stat().st_size for path in (self.folder / "partial").iterdir())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("objects"))
    yield store
    store.close()


@pytest.fixture
def store(served: Store) -> Store:
    """An empty bucket, behind a server that the module shares: stopping one takes longer than most tests."""
    served.forget()
    return served


@pytest.fixture
def fresh_store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    yield store
    store.close()


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until it holds; the server notices a lost connection in its own time."""
    deadline = time.monotonic() + 5
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        pause.wait(0.005)


def related(*parts: bytes, boundary: bytes = b"xx", end: bytes = b"--xx--") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + end


RESOURCE = b'Content-Type: application/json\r\n\r\n{"name": "a"}'
MEDIA = b"Content-Type: text/x\r\n\r\nhello"
RELATED = {"Content-Type": "multipart/related; boundary=xx"}


@pytest.mark.parametrize(
    ("method", "target", "body", "expected"),
    [
        ("GET", "/storage/v1/nothing", b"", (404, "notFound")),
        ("GET", "/storage/v1/b/landing/o/a/b", b"", (404, "notFound")),
        ("GET", "/storage/v1/b/landing/o/%0A", b"", (404, "notFound")),
        ("GET", "/storage/v1/b/no-such-bucket", b"", (404, "notFound")),
        ("PUT", "/storage/v1/b", b"", (405, "methodNotAllowed")),
        ("POST", "/storage/v1/b", b"", (400, "invalid")),
        ("POST", "/storage/v1/b", b"{", (400, "invalid")),
        ("POST", "/storage/v1/b", b"[]", (400, "invalid")),
        ("POST", "/storage/v1/b", b"[" * 100_000, (400, "invalid")),
        ("POST", "/storage/v1/b", b'{"name": ' + b"9" * 10_000 + b"}", (400, "invalid")),
        ("POST", "/storage/v1/b", b'{"name": 5}', (400, "invalid")),
        ("POST", "/storage/v1/b", b'{"name": "landing"}', (409, "conflict")),
        ("POST", "/storage/v1/b", b" " * (JSON_LIMIT + 1), (413, "uploadTooLarge")),
        ("GET", f"{OBJECTS}?maxResults=0", b"", (400, "invalid")),
        ("GET", f"{OBJECTS}?maxResults=many", b"", (400, "invalid")),
        ("GET", f"{OBJECTS}?versions=perhaps", b"", (400, "invalid")),
        ("GET", f"{OBJECTS}?pageToken=%F0%9F%98%80", b"", (400, "invalid")),
        ("GET", f"{OBJECTS}?prefix=%FF", b"", (400, "invalid")),
        ("GET", f"{OBJECTS}?{'a=b&' * 101}", b"", (400, "invalid")),
        ("GET", f"{OBJECTS}?matchGlob=**", b"", (501, "notImplemented")),
        ("GET", f"{OBJECTS}?softDeleted=true", b"", (501, "notImplemented")),
        ("GET", f"{OBJECTS}/%FF", b"", (400, "invalid")),
        ("GET", f"{OBJECTS}/a?generation=%D9%A3", b"", (400, "invalid")),
        ("GET", f"{OBJECTS}/a?generation=99999999999999999999", b"", (400, "invalid")),
        ("GET", f"{OBJECTS}/a?generation=9223372036854775807", b"", (404, "notFound")),
        ("PATCH", f"{OBJECTS}/a", b"{}", (404, "notFound")),
        ("POST", f"{OBJECTS}/a/compose", b"{}", (400, "invalid")),
        ("POST", f"{OBJECTS}/a/compose", b'{"sourceObjects": [5]}', (400, "invalid")),
        ("POST", f"{OBJECTS}/a/compose", b'{"sourceObjects": [{"name": "x", "generation": []}]}', (400, "invalid")),
        ("POST", f"{OBJECTS}/a/compose", b'{"sourceObjects": [{"name": "x"}]}', (404, "notFound")),
        ("POST", f"{OBJECTS}/a/compose", b'{"sourceObjects": [{"name": "\\ud800"}]}', (400, "invalid")),
        ("POST", f"{OBJECTS}/a/copyTo/b/landing/o/b", b"", (404, "notFound")),
        ("POST", UPLOAD, b"", (400, "invalid")),
        ("POST", f"{UPLOAD}?uploadType=media", b"x", (400, "invalid")),
        ("POST", f"{UPLOAD}?uploadType=media&name=%0A", b"x", (400, "invalid")),
        ("POST", f"{UPLOAD}?uploadType=multipart", b"x", (400, "invalid")),
        ("POST", f"{UPLOAD}?uploadType=resumable", b"{}", (400, "invalid")),
        ("POST", f"{UPLOAD}?uploadType=resumable", b'{"name": "a", "metadata": {"k": 1}}', (400, "invalid")),
        ("POST", f"{UPLOAD}?uploadType=resumable", b'{"name": "a", "metadata": {"k": "\\ud800"}}', (400, "invalid")),
        ("POST", f"{UPLOAD}?uploadType=resumable", b'{"name": "a", "contentType": 1}', (400, "invalid")),
        ("POST", f"{UPLOAD}?uploadType=resumable&name=a&ifGenerationMatch=1", b"", (412, "conditionNotMet")),
        ("PUT", f"{UPLOAD}?uploadType=resumable&upload_id=none", b"x" * 1_000_000, (404, "notFound")),
        ("GET", UPLOAD, b"", (405, "methodNotAllowed")),
        ("POST", "/upload/storage/v1/elsewhere", b"", (404, "notFound")),
        ("POST", "/batch/storage/v1", b"", (400, "invalid")),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_googles_words(
    store: Store, method: str, target: str, body: bytes, expected: tuple[int, str]
) -> None:
    assert store.send(method, target, body).error() == expected
    assert store.names() == []


@pytest.mark.parametrize("host", ["[", "a b", "é", ""])
def test_a_host_that_is_none_does_no_harm(store: Store, host: str) -> None:
    assert store.send("GET", OBJECTS, headers={"Host": host}).status in {200, 400}


targets = st.builds(
    str.format,
    st.sampled_from(
        [UPLOAD, f"{UPLOAD}/{{}}", OBJECTS, f"{OBJECTS}/{{}}", f"/download{OBJECTS}/{{}}", f"{OBJECTS}/{{}}/compose",
         f"{OBJECTS}/a/rewriteTo/b/landing/o/{{}}", "/storage/v1/b/{}", "/batch/storage/v1", "/storage/v1/{}"]
    ),
    st.sampled_from(["a", "a%2Fb", "%FF", "..", "%00", "", "%", "a//b"]),
)  # fmt: skip
parameters = st.sampled_from(
    ["uploadType=multipart", "uploadType=media", "uploadType=resumable", "upload_id=x", "alt=media", "generation=-1",
     "name=%00", "name=a", "ifGenerationMatch=0", "pageToken=AA", "delimiter=a", "=", "%"]
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]),
    target=targets,
    query=st.lists(parameters, max_size=4),
    headers=st.dictionaries(
        st.sampled_from(["Content-Range", "Range", "Content-Encoding", "X-Goog-Hash", "If-None-Match"]),
        st.sampled_from(["gzip", "bytes */*", "bytes 0-0/1", "bytes=0-0", "bytes=-", "crc32c=", "*", ""]),
    ),
    body=st.binary(max_size=200) | st.just(related(RESOURCE, MEDIA)) | st.just(b'{"sourceObjects": [{"name": "a"}]}'),
)
def test_any_request_gets_an_answer_and_no_traceback(  # noqa: PLR0917 - hypothesis names them
    store: Store, method: str, target: str, query: list[str], headers: dict[str, str], body: bytes
) -> None:
    answer = store.send(method, f"{target}?{'&'.join(query)}", body, headers | RELATED)
    assert answer.status < 500
    if answer.status >= 400 and method != "HEAD":
        answer.error()


def test_a_gzipped_call_is_understood_and_a_bomb_is_not(store: Store) -> None:
    gzipped = {"Content-Encoding": "gzip"}
    made = store.send("POST", "/storage/v1/b", gzip.compress(b'{"name": "zipped"}'), gzipped)
    assert (made.status, made.json()["name"]) == (200, "zipped")
    bomb = gzip.compress(b" " * 100 * JSON_LIMIT)
    assert store.send("POST", "/storage/v1/b", bomb, gzipped).error() == (413, "uploadTooLarge")
    assert store.send("POST", "/storage/v1/b", b"not gzip", gzipped).error() == (400, "invalid")
    assert store.send("POST", "/storage/v1/b", gzip.compress(b"{}")[:-4], gzipped).error() == (400, "invalid")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--xx",
        b"--xx\r\n\r\n",
        related(RESOURCE),
        related(RESOURCE, MEDIA, end=b""),
        related(RESOURCE, MEDIA, end=b"--x"),
        related(RESOURCE, MEDIA, MEDIA),
        related(b"Content-Type: application/json\r\n\r\n{", MEDIA),
        related(RESOURCE, b"Content-Type: text/x\r\nno blank line"),
        related(b"X: " + b"x" * 20_000 + b"\r\n\r\n{}", MEDIA),
        related(RESOURCE.replace(b"}", b', "crc32c": "AAAAAA=="}'), MEDIA),
        related(RESOURCE.replace(b"}", b', "md5Hash": "AAAAAA=="}'), MEDIA),
    ],
)
def test_a_multipart_upload_that_is_not_two_whole_parts_leaves_nothing(store: Store, body: bytes) -> None:
    assert store.send("POST", f"{UPLOAD}?uploadType=multipart", body, RELATED).error() == (400, "invalid")
    assert (store.names(), store.partial_bytes(), store.announced) == ([], 0, [])


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 300_000])
def test_the_media_of_a_multipart_upload_may_look_like_its_boundary(store: Store, size: int) -> None:
    data = (b"\r\n--x\r\n--\r\nxx--" * (size // 15 + 1))[:size]
    body = related(RESOURCE, b"Content-Type: text/x\r\n\r\n" + data, end=b"--xx--\r\nan epilogue")
    assert store.send("POST", f"{UPLOAD}?uploadType=multipart", body, RELATED).status == 200
    answer = store.send("GET", f"/download{OBJECTS}/a?alt=media")
    assert (answer.body, answer.headers["content-type"]) == (data, "text/x")


def test_downloads_carry_the_headers_of_the_cloud(store: Store) -> None:
    resource = store.send("POST", f"{UPLOAD}?uploadType=media&name=a", b"hello", {"Content-Type": "text/x"}).json()
    answer = store.send("GET", f"{OBJECTS}/a?alt=media")
    del answer.headers["date"], answer.headers["server"]
    assert answer == Answer(
        200,
        {
            "accept-ranges": "bytes",
            "content-length": "5",
            "content-type": "text/x",
            "etag": str(resource["etag"]),
            "x-goog-generation": str(resource["generation"]),
            "x-goog-metageneration": "1",
            "x-goog-hash": "crc32c=mnG7TA==,md5=XUFAKrxLKna5cZ2REBfFkg==",
            "x-goog-storage-class": "STANDARD",
            "x-goog-stored-content-encoding": "identity",
            "x-goog-stored-content-length": "5",
        },
        b"hello",
    )
    assert store.send("HEAD", f"{OBJECTS}/a?alt=media").headers["content-length"] == "5"
    media_link = urlsplit(str(resource["mediaLink"]))
    assert f"{media_link.scheme}://{media_link.netloc}" == store.server.url
    assert store.send("GET", f"{media_link.path}?{media_link.query}").body == b"hello"


@pytest.mark.parametrize(
    ("wanted", "status", "body", "content_range"),
    [
        ("bytes=0-0", 206, b"h", "bytes 0-0/5"),
        ("bytes=1-3", 206, b"ell", "bytes 1-3/5"),
        ("bytes=3-", 206, b"lo", "bytes 3-4/5"),
        ("bytes=-2", 206, b"lo", "bytes 3-4/5"),
        ("bytes=-99", 206, b"hello", "bytes 0-4/5"),
        ("bytes=0-99", 206, b"hello", "bytes 0-4/5"),
        ("bytes=3-1", 200, b"hello", None),
        ("bytes=-", 200, b"hello", None),
        ("bytes=0-1,3-4", 200, b"hello", None),
        ("lines=0-1", 200, b"hello", None),
    ],
)
def test_ranges(store: Store, wanted: str, status: int, body: bytes, content_range: str | None) -> None:
    store.send("POST", f"{UPLOAD}?uploadType=media&name=a", b"hello")
    answer = store.send("GET", f"{OBJECTS}/a?alt=media", headers={"Range": wanted})
    assert (answer.status, answer.body, answer.headers.get("content-range")) == (status, body, content_range)


def test_a_range_past_the_end_and_an_unchanged_object_have_no_body_to_give(store: Store) -> None:
    resource = store.send("POST", f"{UPLOAD}?uploadType=media&name=a", b"hello").json()
    past = store.send("GET", f"{OBJECTS}/a?alt=media", headers={"Range": "bytes=5-"})
    assert (past.error(), past.headers["content-range"]) == ((416, "requestedRangeNotSatisfiable"), "bytes */5")
    for query, headers in (
        ("", {"If-None-Match": str(resource["etag"])}),
        ("", {"If-None-Match": f'"other", "{resource["etag"]}"'}),
        (f"?ifGenerationNotMatch={resource['generation']}", {}),
        ("?alt=media&ifMetagenerationNotMatch=1", {}),
    ):
        unchanged = store.send("GET", f"{OBJECTS}/a{query}", headers=headers)
        assert (unchanged.status, unchanged.body) == (304, b"")
    assert store.send("GET", f"{OBJECTS}/a", headers={"If-None-Match": '"other"'}).status == 200


def test_what_an_uploader_calls_a_type_cannot_break_a_download(store: Store) -> None:
    body = json.dumps({"name": "a", "contentType": "text/x\r\nX-Evil: 1", "cacheControl": "é"}).encode()
    upload = related(b"Content-Type: application/json\r\n\r\n" + body, MEDIA)
    assert store.send("POST", f"{UPLOAD}?uploadType=multipart", upload, RELATED).status == 200
    answer = store.send("GET", f"{OBJECTS}/a?alt=media")
    assert (answer.status, answer.body, answer.headers.get("x-evil")) == (200, b"hello", None)


def test_a_resumable_upload_goes_on_where_it_was(store: Store) -> None:
    data = bytes(range(256)) * KIB * 3
    session = store.start_upload()
    empty = store.put(session, "bytes */*")
    assert (empty.status, empty.headers.get("range")) == (308, None)
    first = store.put(session, f"bytes 0-{256 * KIB - 1}/*", data[: 256 * KIB])
    assert (first.status, first.headers["range"]) == (308, f"bytes=0-{256 * KIB - 1}")
    # The client lost the answer and sends the same again, and more.
    again = store.put(session, f"bytes 0-{512 * KIB - 1}/{len(data)}", data[: 512 * KIB])
    assert (again.status, again.headers["range"]) == (308, f"bytes=0-{512 * KIB - 1}")
    asked = store.put(session, f"bytes */{len(data)}")
    assert (asked.status, asked.headers["range"]) == (308, f"bytes=0-{512 * KIB - 1}")
    last = store.put(session, f"bytes {512 * KIB}-{len(data) - 1}/{len(data)}", data[512 * KIB :])
    assert (last.status, last.json()["size"]) == (200, str(len(data)))
    # And lost that answer too.
    assert store.put(session, f"bytes */{len(data)}").json() == last.json()
    assert store.put(session, f"bytes 0-{len(data) - 1}/{len(data)}", data).json() == last.json()
    assert store.send("GET", f"{OBJECTS}/a?alt=media").body == data
    assert len(store.announced) == 1


@pytest.mark.parametrize(
    ("content_range", "body"),
    [
        ("bytes 5-9/10", b"x" * 5),
        ("bytes 0-9/10", b"x" * 9),
        ("bytes 0-9/20", b"x" * 11),
        ("bytes 0-10/10", b"x" * 11),
        ("bytes 3-2/10", b""),
        ("bytes 0-/10", b"x"),
        ("bytes 0-9/21", b"x" * 10),
        ("nonsense", b"x"),
        (None, b"x" * 19),
    ],
)
def test_a_step_that_does_not_fit_is_refused_and_makes_nothing(
    store: Store, content_range: str | None, body: bytes
) -> None:
    session = store.start_upload(headers={"X-Upload-Content-Length": "20"})
    assert store.put(session, content_range, body).error() == (400, "invalid")
    assert (store.names(), store.announced) == ([], [])


@pytest.mark.parametrize(("content_range", "size"), [("bytes */0", 0), ("bytes */*", None), (None, 0)])
def test_an_empty_object_can_be_resumable(store: Store, content_range: str | None, size: int | None) -> None:
    answer = store.put(store.start_upload(), content_range)
    assert answer.status == (308 if size is None else 200)
    assert store.names() == ([] if size is None else ["a"])


def test_preconditions_are_checked_at_the_end_too_and_then_the_upload_is_over(store: Store) -> None:
    session = store.start_upload(query="&ifGenerationMatch=0")
    store.send("POST", f"{UPLOAD}?uploadType=media&name=a", b"rival")
    assert store.put(session, "bytes 0-4/5", b"later").error() == (412, "conditionNotMet")
    assert store.put(session, "bytes */*").error() == (404, "notFound")
    assert store.send("GET", f"{OBJECTS}/a?alt=media").body == b"rival"
    assert (store.partial_bytes(), len(store.announced)) == (0, 1)


def test_a_wrong_hash_at_the_end_makes_nothing(store: Store) -> None:
    session = store.start_upload()
    answer = store.send("PUT", session, b"hello", {"Content-Range": "bytes 0-4/5", "X-Goog-Hash": "crc32c=AAAAAA=="})
    assert answer.error() == (400, "invalid")
    assert (store.names(), store.partial_bytes()) == ([], 0)


def test_a_cancelled_upload_is_gone(store: Store) -> None:
    session = store.start_upload()
    store.put(session, "bytes 0-4/*", b"hello")
    assert store.send("DELETE", session).status == 499
    assert store.put(session, "bytes */*").error() == (404, "notFound")
    assert (store.names(), store.partial_bytes()) == ([], 0)


def test_the_oldest_of_too_many_uploads_is_forgotten(fresh_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcs_resumable, "MOST_SESSIONS", 2)
    sessions = [fresh_store.start_upload(name) for name in "abc"]
    assert [fresh_store.put(session, "bytes */*").status for session in sessions] == [404, 308, 308]
    assert len(list((fresh_store.folder / "partial").iterdir())) == 2


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        (f"{UPLOAD}?uploadType=media&name=a", "Content-Length: 1000000"),
        (f"{UPLOAD}?uploadType=media&name=a", "Transfer-Encoding: chunked"),
        (f"{UPLOAD}?uploadType=multipart", "Content-Length: 1000000\r\nContent-Type: multipart/related; boundary=xx"),
    ],
)
def test_an_upload_cut_off_halfway_leaves_nothing(store: Store, target: str, headers: str) -> None:
    body = b"--xx\r\n" + RESOURCE + b"\r\n--xx\r\n" + MEDIA * 10
    if "chunked" in headers:
        body = b"%x\r\n%s\r\n" % (len(body), body)
    host, port = store.address.split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"POST {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n".encode() + body)
        eventually(lambda: store.partial_bytes() > 0)
    eventually(lambda: not list((store.folder / "partial").iterdir()))
    assert (store.names(), store.announced) == ([], [])


def test_a_resumable_upload_cut_off_halfway_goes_on(store: Store) -> None:
    session = store.start_upload()
    head = f"PUT {session} HTTP/1.1\r\nHost: {{host}}\r\nContent-Range: bytes 0-9/10\r\nContent-Length: 10\r\n\r\n"
    store.cut_off(head, b"01234")
    eventually(lambda: store.partial_bytes() == 5)
    asked = store.put(session, "bytes */10")
    assert (asked.status, asked.headers["range"], store.names()) == (308, "bytes=0-4", [])
    assert store.put(session, "bytes 5-9/10", b"56789").status == 200
    assert store.send("GET", f"{OBJECTS}/a?alt=media").body == b"0123456789"


def test_a_batch_answers_each_call_even_the_broken_ones(store: Store) -> None:
    store.send("POST", f"{UPLOAD}?uploadType=media&name=a", b"hello")
    calls = [
        f"GET {OBJECTS}/a HTTP/1.1\r\n\r\n",
        f"GET {OBJECTS}/a?alt=media HTTP/1.1\r\n\r\n",
        "nonsense",
        "GET http://[ HTTP/1.1\r\n\r\n",
        f"DELETE {store.server.url}{OBJECTS}/a HTTP/1.1\r\n\r\n",
        f"DELETE {OBJECTS}/a HTTP/1.1\r\n\r\n",
    ]
    parts = [f"Content-Type: application/http\r\nContent-ID: <{n}>\r\n\r\n{call}" for n, call in enumerate(calls)]
    answer = store.send(
        "POST",
        "/batch/storage/v1",
        related(*(part.encode() for part in parts)),
        {"Content-Type": 'multipart/mixed; boundary="xx"'},
    )
    statuses = [int(line.split()[1]) for line in answer.body.decode().splitlines() if line.startswith("HTTP/1.1 ")]
    assert (answer.status, statuses) == (200, [200, 400, 400, 400, 204, 404])
    assert [f"<response-{n}>" in answer.body.decode() for n in range(6)] == [True] * 6
