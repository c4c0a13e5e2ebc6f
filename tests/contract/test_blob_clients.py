"""What the real azure-storage-blob and obstore need of the emulator's Blob, said through them."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import obstore
import pytest
from azure.core import MatchConditions, exceptions
from azure.storage.blob import BlobClient, BlobServiceClient, ContentSettings
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import AzureStore

from tests.local_emulator.stores.blob_store import ACCOUNT, KEY, BlobStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from azure.storage.blob import ContainerClient

MIB = 1024 * 1024
# The client itself resolves `.` and `..` before it sends anything.
NAMES = ["dir/ünï/文.txt", "a b+c&d=e?f#g", "per%cent%2Fslash", "%41", "tail/", "a//b", "q'uote\"s", "🚀" * 256]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlobStore]:
    store = BlobStore(tmp_path_factory.mktemp("blobs"))
    yield store
    store.close()


def service(emulator: BlobStore) -> BlobServiceClient:
    return BlobServiceClient.from_connection_string(emulator.connection_string, retry_total=0)


@pytest.fixture
def container(emulator: BlobStore, request: pytest.FixtureRequest) -> Iterator[ContainerClient]:
    emulator.announced.clear()
    with service(emulator) as client:
        yield client.create_container(hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:20])


def race(racers: int, run: Callable[[int], object], lost: type[Exception]) -> Counter[str]:
    start, outcomes = threading.Barrier(racers), Counter[str]()

    def racer(number: int) -> None:
        start.wait()
        try:
            run(number)
            outcomes["won"] += 1
        except lost:
            outcomes["lost"] += 1

    threads = [threading.Thread(target=racer, args=(number,)) for number in range(racers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


class TestAzure:
    def test_an_upload_comes_back_with_its_description(self, container: ContainerClient) -> None:
        blob = container.get_blob_client("a.txt")
        settings = ContentSettings(content_type="text/plain", cache_control="no-store")
        uploaded = blob.upload_blob(b"hello", metadata={"k": "v"}, content_settings=settings)
        properties = blob.get_blob_properties()
        assert (properties.etag, properties.size, properties.metadata) == (uploaded["etag"], 5, {"k": "v"})
        told = properties.content_settings
        assert (told.content_type, told.cache_control) == ("text/plain", "no-store")
        assert bytes(told.content_md5 or b"") == hashlib.md5(b"hello", usedforsecurity=False).digest()
        assert blob.download_blob().readall() == b"hello"
        assert blob.download_blob(offset=1, length=3).readall() == b"ell"

    def test_a_large_blob_goes_up_and_down_in_parts(self, emulator: BlobStore, container: ContainerClient) -> None:
        data = os.urandom(5 * MIB + 17)
        blob = BlobClient.from_connection_string(
            emulator.connection_string, container.container_name, "big", max_single_put_size=MIB, max_block_size=MIB,
            max_single_get_size=MIB, max_chunk_get_size=MIB,
        )  # fmt: skip
        with blob:
            blob.upload_blob(io.BytesIO(data), max_concurrency=4)
            assert blob.download_blob(max_concurrency=2).readall() == data
        assert emulator.told() == [("finalized", "big", "PutBlockList")]

    def test_an_empty_blob(self, container: ContainerClient) -> None:
        container.upload_blob("empty", b"")
        assert container.download_blob("empty").readall() == b""

    def test_what_exists_is_overwritten_only_if_that_is_said(self, container: ContainerClient) -> None:
        container.upload_blob("a", b"1")
        with pytest.raises(exceptions.ResourceExistsError):
            container.upload_blob("a", b"2")
        container.upload_blob("a", b"3", overwrite=True)
        assert container.download_blob("a").readall() == b"3"

    def test_a_stale_etag_changes_nothing(self, container: ContainerClient) -> None:
        blob = container.upload_blob("a", b"1")
        stale: dict[str, Any] = {
            "etag": blob.get_blob_properties().etag,
            "match_condition": MatchConditions.IfNotModified,
        }
        blob.upload_blob(b"2", overwrite=True)
        for change in (
            lambda: blob.upload_blob(b"3", overwrite=True, **stale),
            lambda: blob.delete_blob(**stale),
            lambda: blob.set_blob_metadata({"a": "b"}, **stale),
            lambda: blob.download_blob(**stale),
        ):
            with pytest.raises(exceptions.ResourceModifiedError):
                change()
        assert blob.download_blob().readall() == b"2"

    def test_of_twenty_who_create_one_wins(self, emulator: BlobStore, container: ContainerClient) -> None:
        def create(number: int) -> None:
            with service(emulator) as client:
                client.get_blob_client(container.container_name, "one").upload_blob(b"%d" % number)

        assert race(20, create, exceptions.ResourceExistsError) == {"won": 1, "lost": 19}

    @pytest.mark.parametrize("name", NAMES)
    def test_names_come_back_as_they_were(self, container: ContainerClient, name: str) -> None:
        container.upload_blob(name, name.encode())
        assert [found.name for found in container.list_blobs()] == [name]
        assert container.download_blob(name).readall() == name.encode()
        container.delete_blob(name)
        assert list(container.list_blobs()) == []

    def test_lists_go_through_pages_and_folders(self, container: ContainerClient) -> None:
        for number in range(7):
            container.upload_blob(f"it/{number % 2}/{number}", b"x", metadata={"n": str(number)})
        pages = [
            [found.name for found in page]
            for page in container.list_blobs("it/", results_per_page=3, include=["metadata"]).by_page()
        ]
        assert [len(page) for page in pages] == [3, 3, 1]
        assert [found.name for found in container.walk_blobs("it/")] == ["it/0/", "it/1/"]
        assert {found.metadata["n"] for found in container.list_blobs(include=["metadata"])} == set("0123456")

    def test_many_are_deleted_at_once(self, container: ContainerClient) -> None:
        for name in ("a", "b c", "d"):
            container.upload_blob(name, b"x")
        assert [answer.status_code for answer in container.delete_blobs("a", "b c")] == [202, 202]
        assert [found.name for found in container.list_blobs()] == ["d"]

    def test_a_copy_by_url(self, emulator: BlobStore, container: ContainerClient) -> None:
        source = container.upload_blob("a b", b"hello")
        copied = container.get_blob_client("copy").start_copy_from_url(source.url)
        assert (copied["copy_status"], container.download_blob("copy").readall()) == ("success", b"hello")
        assert emulator.told()[-1] == ("finalized", "copy", "CopyBlob")

    def test_containers_come_and_go(self, emulator: BlobStore) -> None:
        with service(emulator) as client:
            made = client.create_container("comes-and-goes", metadata={"k": "v"})
            assert (made.exists(), made.get_container_properties().metadata) == (True, {"k": "v"})
            assert "comes-and-goes" in [found.name for found in client.list_containers()]
            client.delete_container("comes-and-goes")
            assert not made.exists()


class TestObstore:
    @pytest.fixture
    def store(self, emulator: BlobStore, container: ContainerClient) -> AzureStore:
        return AzureStore(
            container.container_name,
            account_name=ACCOUNT,
            account_key=KEY,
            endpoint=emulator.url,
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        )

    def test_what_is_put_is_read_listed_and_deleted(self, store: AzureStore) -> None:
        for name in ("b", "a/1", "a b+%2F#.csv"):
            store.put(name, name.encode())
        assert store.get("a b+%2F#.csv").bytes() == b"a b+%2F#.csv"
        assert store.get_range("b", start=0, end=1) == b"b"
        listed = [found["path"] for page in store.list() for found in page]
        assert sorted(listed) == ["a b+%2F#.csv", "a/1", "b"]
        assert [found["path"] for found in store.list_with_delimiter()["objects"]] == ["a b+%2F#.csv", "b"]
        store.delete(["b", "a/1", "a b+%2F#.csv"])
        assert [found for page in store.list() for found in page] == []

    def test_of_twenty_who_create_one_wins(self, store: AzureStore) -> None:
        won = race(20, lambda number: store.put("one", b"%d" % number, mode="create"), AlreadyExistsError)
        assert won == {"won": 1, "lost": 19}

    def test_of_twenty_who_swap_one_wins(self, store: AzureStore) -> None:
        before = {"e_tag": store.put("one", b"0")["e_tag"]}
        won = race(20, lambda number: store.put("one", b"%d" % number, mode=before), PreconditionError)
        assert won == {"won": 1, "lost": 19}

    def test_a_large_object_goes_up_in_parts(self, store: AzureStore) -> None:
        data = os.urandom(6 * MIB)
        obstore.put(store, "big", data, use_multipart=True, chunk_size=5 * MIB)
        assert store.get("big").bytes() == data
