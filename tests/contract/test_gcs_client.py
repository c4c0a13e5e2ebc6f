"""What the real google-cloud-storage client needs of the emulator, said through that client."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import threading
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import google_crc32c
import pytest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.storage import retry

from retrigger.local_emulator.http import Server
from retrigger.local_emulator.stores.gcs_json import routes
from retrigger.local_emulator.stores.objects import Objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from retrigger.local_emulator.stores.resource import ObjectChange

MIB = 1024 * 1024


class Emulator:
    """A served store, with what it announced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.changes: list[ObjectChange] = []
        self.start()

    def start(self) -> None:
        self.objects = Objects(self.folder, lambda: datetime.now(UTC), self.changes.append)
        self.server = Server(routes(self.objects))
        self.server.start()

    def stop(self) -> None:
        self.server.stop()
        self.objects.close()

    def client(self) -> storage.Client:
        return storage.Client(
            project="test-project",
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": self.server.url},
        )

    def said(self, bucket: str) -> list[tuple[str, str]]:
        """Kind and name of each change announced of the bucket, in order."""
        return [
            (change.kind, str(change.resource["name"]))
            for change in self.changes
            if change.resource["bucket"] == bucket
        ]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    emulator = Emulator(tmp_path_factory.mktemp("objects"))
    yield emulator
    emulator.stop()


@pytest.fixture(autouse=True)
def _short_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client tries again for two minutes; a test should fail sooner."""
    monkeypatch.setattr(retry.DEFAULT_RETRY, "_timeout", 5.0)


@pytest.fixture
def client(emulator: Emulator) -> Iterator[storage.Client]:
    with closing(emulator.client()) as client:
        yield client


@pytest.fixture
def bucket(client: storage.Client, request: pytest.FixtureRequest) -> storage.Bucket:
    name = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:20]
    return client.create_bucket(name)


def race(emulator: Emulator, racers: int, run: Callable[[storage.Client, int], object]) -> Counter[str]:
    """Run all at once, each with its own client; count who got what."""
    start = threading.Barrier(racers)
    outcomes: Counter[str] = Counter()
    lock = threading.Lock()

    def racer(number: int) -> None:
        with closing(emulator.client()) as client:
            start.wait()
            try:
                run(client, number)
                outcome = "won"
            except exceptions.PreconditionFailed:
                outcome = "lost"
        with lock:
            outcomes[outcome] += 1

    threads = [threading.Thread(target=racer, args=(number,)) for number in range(racers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


def test_buckets_are_made_once_found_changed_and_deleted(client: storage.Client) -> None:
    made = client.create_bucket("a-bucket", location="EU")
    with pytest.raises(exceptions.Conflict):
        client.create_bucket("a-bucket")
    with pytest.raises(exceptions.BadRequest):
        client.create_bucket("Not_A_Bucket")
    assert (made.location, made.metageneration, made.storage_class) == ("EU", 1, "STANDARD")
    made.labels = {"team": "growth"}
    made.versioning_enabled = True
    made.patch()
    found = client.get_bucket("a-bucket")
    assert (found.labels, found.versioning_enabled, found.metageneration) == ({"team": "growth"}, True, 2)
    assert [bucket.name for bucket in client.list_buckets(prefix="a-b")] == ["a-bucket"]
    found.delete()
    assert client.lookup_bucket("a-bucket") is None


def test_a_bucket_that_is_not_empty_stays_unless_forced(bucket: storage.Bucket, client: storage.Client) -> None:
    bucket.blob("a").upload_from_string(b"1")
    with pytest.raises(exceptions.Conflict):
        bucket.delete()
    bucket.delete(force=True)
    assert not client.bucket(bucket.name).exists()


def test_an_upload_comes_back_with_all_that_was_said_of_it(bucket: storage.Bucket) -> None:
    blob = bucket.blob("a.txt")
    blob.metadata = {"k": "v", "city": "zürich"}
    blob.cache_control = "no-cache"
    blob.content_language = "de"
    blob.upload_from_string(b"hello", content_type="text/plain")
    found = bucket.get_blob("a.txt")
    assert found is not None
    assert (found.metadata, found.cache_control, found.content_language, found.content_type) == (
        {"k": "v", "city": "zürich"},
        "no-cache",
        "de",
        "text/plain",
    )
    assert (found.crc32c, found.md5_hash, found.size, found.metageneration, found.storage_class) == (
        crc32c(b"hello"),
        md5(b"hello"),
        5,
        1,
        "STANDARD",
    )
    assert found.generation == blob.generation
    assert found.id == f"{bucket.name}/a.txt/{blob.generation}"
    assert found.etag
    assert found.time_created == found.updated


@pytest.mark.parametrize("checksum", ["md5", "crc32c", "auto", None])
@pytest.mark.parametrize("size", [0, 1, 300 * 1024])
def test_every_checksum_of_the_client_is_checked(bucket: storage.Bucket, checksum: str | None, size: int) -> None:
    data = os.urandom(size)
    bucket.blob("multipart").upload_from_string(data, checksum=checksum)
    bucket.blob("resumable", chunk_size=256 * 1024).upload_from_file(io.BytesIO(data), checksum=checksum)
    for name in ("multipart", "resumable"):
        assert bucket.blob(name).download_as_bytes(checksum=checksum) == data


def test_ranges_come_back_exactly(bucket: storage.Bucket) -> None:
    bucket.blob("a").upload_from_string(b"hello world")
    blob = bucket.blob("a")
    assert blob.download_as_bytes(start=1, end=3) == b"ell"
    assert blob.download_as_bytes(start=6) == b"world"
    assert blob.download_as_bytes(start=6, end=1000) == b"world"
    with pytest.raises(exceptions.RequestRangeNotSatisfiable):
        blob.download_as_bytes(start=11)
    chunked = bucket.blob("big", chunk_size=256 * 1024)
    data = os.urandom(700 * 1024)
    chunked.upload_from_file(io.BytesIO(data), size=len(data))
    assert bucket.blob("big", chunk_size=256 * 1024).download_as_bytes() == data
    with bucket.blob("big").open("rb", chunk_size=256 * 1024) as reader:
        reader.seek(300 * 1024)
        assert reader.read(10) == data[300 * 1024 :][:10]


def test_a_large_file_goes_up_in_one_resumable_request(bucket: storage.Bucket, tmp_path: Path) -> None:
    data = os.urandom(9 * MIB)
    (tmp_path / "large").write_bytes(data)
    blob = bucket.blob("large")
    blob.upload_from_filename(tmp_path / "large")
    assert bucket.blob("large").download_as_bytes() == data
    assert bucket.get_blob("large").md5_hash == md5(data)


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 512 * 1024, 700 * 1024])
def test_a_stream_of_unknown_length_goes_up_in_chunks(bucket: storage.Bucket, size: int) -> None:
    data = os.urandom(size)
    with bucket.blob("stream", chunk_size=256 * 1024).open("wb", ignore_flush=True) as writer:
        writer.write(data)
    assert bucket.blob("stream").download_as_bytes() == data


def test_a_resumable_upload_keeps_description_and_preconditions(bucket: storage.Bucket, emulator: Emulator) -> None:
    data = os.urandom(700 * 1024)
    blob = bucket.blob("a", chunk_size=256 * 1024)
    blob.metadata = {"q": "1"}
    blob.upload_from_file(io.BytesIO(data), content_type="application/x-q", if_generation_match=0)
    found = bucket.get_blob("a")
    assert (found.metadata, found.content_type, found.md5_hash) == ({"q": "1"}, "application/x-q", md5(data))
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("a", chunk_size=256 * 1024).upload_from_file(io.BytesIO(b"x"), if_generation_match=0)
    assert emulator.said(bucket.name) == [("finalized", "a")]


NAMES = [
    "dir/ünï/文.txt",
    "a b+c&d=e?f#g",
    "per%cent%2Fslash",
    "%41",
    "./dot",
    "tail/",
    "a//b",
    "q'uote\"s",
    "nl\u2028x",
    "emoji😀/x",
    "back\\slash",
    "a/../b",
    "o/rewriteTo/b/x/o/y",
    "x/compose",
    "x" * 1024,
]


def test_odd_names_survive_every_call(bucket: storage.Bucket, client: storage.Client, emulator: Emulator) -> None:
    for name in NAMES:
        bucket.blob(name).upload_from_string(name.encode())
    assert [blob.name for blob in client.list_blobs(bucket)] == sorted(NAMES, key=str.encode)
    for name in NAMES:
        assert bucket.blob(name).download_as_bytes() == name.encode()
        assert bucket.get_blob(name).name == name
        resumable = bucket.blob(name, chunk_size=256 * 1024)
        resumable.upload_from_file(io.BytesIO(b"again " + name.encode()))
        assert (
            bucket.copy_blob(resumable, bucket, f"{name[:1000]}+copy").download_as_bytes() == b"again " + name.encode()
        )
        resumable.metadata = {"k": "v"}
        resumable.patch()
        resumable.delete()
    assert len(list(client.list_blobs(bucket))) == len(NAMES)
    assert {name for kind, name in emulator.said(bucket.name) if kind == "metadataUpdated"} == set(NAMES)


@pytest.mark.parametrize("name", [".", "..", "a\nb", "x" * 1025])
def test_names_that_the_cloud_refuses_are_refused(bucket: storage.Bucket, name: str) -> None:
    with pytest.raises(exceptions.BadRequest):
        bucket.blob(name).upload_from_string(b"")


def test_listings_have_prefixes_pages_and_offsets(bucket: storage.Bucket, client: storage.Client) -> None:
    names = [f"lst/{number % 2}/f{number}" for number in range(7)]
    for name in [*names, "lst/0/"]:
        bucket.blob(name).upload_from_string(b"x")
    assert [blob.name for blob in client.list_blobs(bucket, prefix="lst/")] == sorted([*names, "lst/0/"])
    folders = client.list_blobs(bucket, prefix="lst/", delimiter="/")
    assert ([blob.name for blob in folders], folders.prefixes) == ([], {"lst/0/", "lst/1/"})
    marked = client.list_blobs(bucket, prefix="lst/", delimiter="/", include_trailing_delimiter=True)
    assert ([blob.name for blob in marked], marked.prefixes) == (["lst/0/"], {"lst/0/", "lst/1/"})
    assert [page.num_items for page in client.list_blobs(bucket, page_size=3).pages] == [3, 3, 2]
    assert len(list(client.list_blobs(bucket, start_offset="lst/1/"))) == 3
    assert len(list(client.list_blobs(bucket, end_offset="lst/1/"))) == 5
    assert len(list(client.list_blobs(bucket, max_results=2))) == 2


@pytest.mark.parametrize("size", [1, 256 * 1024])
def test_of_twenty_that_create_one_wins(bucket: storage.Bucket, emulator: Emulator, size: int) -> None:
    def create(client: storage.Client, number: int) -> None:
        data = b"%02d" % number * size
        client.bucket(bucket.name).blob("a").upload_from_string(data, if_generation_match=0)

    assert race(emulator, 20, create) == {"won": 1, "lost": 19}
    assert emulator.said(bucket.name) == [("finalized", "a")]


def test_of_twenty_that_replace_one_wins(bucket: storage.Bucket, emulator: Emulator) -> None:
    blob = bucket.blob("a")
    blob.upload_from_string(b"0")

    def replace(client: storage.Client, number: int) -> None:
        target = client.bucket(bucket.name).blob("a")
        target.upload_from_string(b"%d" % number, if_generation_match=blob.generation)

    assert race(emulator, 20, replace) == {"won": 1, "lost": 19}
    assert Counter(emulator.said(bucket.name)) == {("finalized", "a"): 2, ("deleted", "a"): 1}


def test_of_six_resumable_uploads_that_create_one_wins(bucket: storage.Bucket, emulator: Emulator) -> None:
    data = os.urandom(700 * 1024)

    def create(client: storage.Client, _number: int) -> None:
        blob = client.bucket(bucket.name).blob("a", chunk_size=256 * 1024)
        blob.upload_from_file(io.BytesIO(data), if_generation_match=0)

    assert race(emulator, 6, create) == {"won": 1, "lost": 5}


def test_stale_generations_change_nothing(bucket: storage.Bucket, emulator: Emulator) -> None:
    blob = bucket.blob("a")
    blob.upload_from_string(b"0")
    stale = blob.generation
    blob.upload_from_string(b"1")
    assert blob.generation > stale
    said = emulator.said(bucket.name)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("a").upload_from_string(b"2", if_generation_match=stale)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("a").delete(if_generation_match=stale)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("a").download_as_bytes(if_generation_match=stale)
    with pytest.raises(exceptions.NotFound):
        bucket.blob("never").delete(if_generation_match=1)
    assert bucket.get_blob("a", generation=stale) is None
    assert bucket.blob("a").download_as_bytes() == b"1"
    assert emulator.said(bucket.name) == said


def test_metadata_is_patched_updated_and_guarded(bucket: storage.Bucket) -> None:
    blob = bucket.blob("a")
    blob.metadata = {"old": "1"}
    blob.upload_from_string(b"0", content_type="text/x")
    generation = blob.generation
    blob.metadata = {"new": "1"}
    blob.patch(if_metageneration_match=1)
    found = bucket.get_blob("a")
    assert (found.metadata["new"], found.metageneration, found.generation) == ("1", 2, generation)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.patch(if_metageneration_match=1)
    blob.metadata = None
    blob.patch()
    assert bucket.get_blob("a").metadata is None
    found.content_type = "text/y"
    found.update()
    assert bucket.get_blob("a").content_type == "text/y"


def test_copy_rewrite_and_compose(bucket: storage.Bucket) -> None:
    source = bucket.blob("a")
    source.metadata = {"k": "v"}
    source.upload_from_string(b"hello", content_type="text/x")
    copy = bucket.copy_blob(source, bucket, "copy")
    assert (copy.download_as_bytes(), bucket.get_blob("copy").metadata) == (b"hello", {"k": "v"})
    assert bucket.blob("rewritten").rewrite(source) == (None, 5, 5)
    composed = bucket.blob("composed")
    composed.compose([source, copy], if_generation_match=0)
    assert (composed.download_as_bytes(), composed.component_count, composed.md5_hash) == (b"hellohello", 2, None)
    assert composed.crc32c == crc32c(b"hellohello")
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("x").compose([source], if_source_generation_match=[1])
    with pytest.raises(exceptions.NotFound):
        bucket.blob("x").rewrite(bucket.blob("never"))
    moved = bucket.rename_blob(copy, "moved")
    assert (moved.download_as_bytes(), copy.exists()) == (b"hello", False)


def test_old_versions_are_kept_where_versioning_is_on(bucket: storage.Bucket, client: storage.Client) -> None:
    bucket.versioning_enabled = True
    bucket.patch()
    blob = bucket.blob("a")
    blob.upload_from_string(b"1")
    first = blob.generation
    blob.upload_from_string(b"2")
    assert bucket.blob("a", generation=first).download_as_bytes() == b"1"
    versions = list(client.list_blobs(bucket, versions=True))
    assert [(version.generation, version.time_deleted is None) for version in versions] == [
        (first, False),
        (blob.generation, True),
    ]
    bucket.delete_blob("a", generation=first)
    assert [version.generation for version in client.list_blobs(bucket, versions=True)] == [blob.generation]


def test_a_batch_does_what_its_calls_would(bucket: storage.Bucket, client: storage.Client) -> None:
    for name in ("a/ü 1", "b%2F2", "c"):
        bucket.blob(name).upload_from_string(b"x")
    with client.batch():
        bucket.blob("a/ü 1").delete()
        bucket.blob("b%2F2").delete()
        patched = bucket.blob("c")
        patched.metadata = {"k": "ü"}
        patched.patch()
    assert [(blob.name, blob.metadata) for blob in client.list_blobs(bucket)] == [("c", {"k": "ü"})]
    with pytest.raises(exceptions.NotFound), client.batch():
        bucket.blob("never").delete()
    bucket.delete_blobs(["c"])
    assert list(client.list_blobs(bucket)) == []


def test_what_is_not_there_is_not_found(bucket: storage.Bucket, client: storage.Client) -> None:
    assert bucket.get_blob("a") is None
    assert not bucket.blob("a").exists()
    for call in (bucket.blob("a").delete, bucket.blob("a").download_as_bytes, bucket.blob("a").reload):
        with pytest.raises(exceptions.NotFound):
            call()
    for upload in (
        lambda: client.bucket("no-such-bucket").blob("a").upload_from_string(b"x" * MIB),
        lambda: client.bucket("no-such-bucket").blob("a", chunk_size=256 * 1024).upload_from_file(io.BytesIO(b"x")),
        lambda: list(client.list_blobs("no-such-bucket")),
    ):
        with pytest.raises(exceptions.NotFound):
            upload()


def test_every_change_is_announced_once(bucket: storage.Bucket, emulator: Emulator) -> None:
    blob = bucket.blob("a")
    blob.upload_from_string(b"1")
    blob.upload_from_string(b"22")
    blob.metadata = {"k": "v"}
    blob.patch()
    bucket.copy_blob(blob, bucket, "b")
    bucket.blob("c").compose([blob, blob])
    blob.delete()
    assert emulator.said(bucket.name) == [
        ("finalized", "a"),
        ("finalized", "a"),
        ("deleted", "a"),
        ("metadataUpdated", "a"),
        ("finalized", "b"),
        ("finalized", "c"),
        ("deleted", "a"),
    ]


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path)
    with closing(emulator.client()) as client:
        bucket = client.create_bucket("kept-bucket")
        before = bucket.blob("dir/a b")
        before.metadata = {"k": "v"}
        before.upload_from_string(b"hello", content_type="text/x")
    emulator.stop()
    emulator.start()
    with closing(emulator.client()) as client:
        (found,) = client.list_blobs("kept-bucket")
        assert found.download_as_bytes() == b"hello"
        assert (found.generation, found.metadata, found.content_type) == (before.generation, {"k": "v"}, "text/x")
        with pytest.raises(exceptions.PreconditionFailed):
            client.bucket("kept-bucket").blob("dir/a b").upload_from_string(b"", if_generation_match=0)
    emulator.stop()
    assert emulator.said("kept-bucket") == [("finalized", "dir/a b")]
