from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from retrigger.local_emulator.event_grid import blob_event
from retrigger.triggers.event import Event, Object
from retrigger.triggers.formats import parse
from tests.local_emulator.stores.blob_store import ACCOUNT, BlobStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "churn/dt=2026-11-20/a b%2F#.csv"
QUOTED = "churn/dt=2026-11-20/a%20b%252F%23.csv"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlobStore]:
    store = BlobStore(tmp_path_factory.mktemp("blobs"))
    yield store
    store.close()


@pytest.fixture(autouse=True)
def _as_new(store: BlobStore) -> None:
    store.forget()


def parsed(store: BlobStore) -> list[Object]:
    """What functions make of all that was announced."""
    told = [event for change in store.announced if (event := blob_event(change)) is not None]
    events = parse({}, json.dumps(told).encode(), "eventgrid")
    assert isinstance(events, list)
    assert all(isinstance(event, Event) and isinstance(event.payload, Object) for event in events)
    return [event.payload for event in events if isinstance(event, Event) and isinstance(event.payload, Object)]


def test_an_upload_is_announced_as_the_object_that_it_made(store: BlobStore) -> None:
    answer = store.put(QUOTED, b"hello", Content_Type="text/csv")
    (found,) = parsed(store)
    assert found == Object(
        store="blob",
        account=ACCOUNT,
        bucket="landing",
        name=NAME,
        version=answer.headers["etag"].strip('"'),
        sequencer=found.sequencer,
        size=5,
        content_type="text/csv",
        change="created",
        complete=True,
        uri=f"https://{ACCOUNT}.blob.core.windows.net/landing/{QUOTED}",
    )


def test_each_way_to_write_a_blob_has_its_own_name(store: BlobStore) -> None:
    store.put("a")
    store.send("PUT", "/landing/b?comp=blocklist", b"<BlockList></BlockList>")
    store.send("PUT", "/landing/c", headers={"x-ms-copy-source": f"{store.url}/landing/a"})
    store.send("DELETE", "/landing/c")
    told = [event for change in store.announced if (event := blob_event(change)) is not None]
    data = [event["data"] for event in told]
    assert all(isinstance(it, dict) for it in data)
    assert [(event["eventType"], it["api"]) for event, it in zip(told, data, strict=True) if isinstance(it, dict)] == [
        ("Microsoft.Storage.BlobCreated", "PutBlob"),
        ("Microsoft.Storage.BlobCreated", "PutBlockList"),
        ("Microsoft.Storage.BlobCreated", "CopyBlob"),
        ("Microsoft.Storage.BlobDeleted", "DeleteBlob"),
    ]


def test_an_overwrite_is_one_event_and_a_change_of_metadata_none(store: BlobStore) -> None:
    store.put("a", b"1")
    store.put("a", b"2")
    store.send("PUT", "/landing/a?comp=metadata")
    assert [(it.change, it.name) for it in parsed(store)] == [("created", "a"), ("created", "a")]


def test_what_came_later_has_the_greater_sequencer(store: BlobStore) -> None:
    store.put("a", b"1")
    store.put("a", b"2")
    store.send("DELETE", "/landing/a")
    store.put("a", b"3")
    sequencers = [it.sequencer or "" for it in parsed(store)]
    assert sequencers == sorted(set(sequencers))
    assert {len(it) for it in sequencers} == {48}


def test_the_same_change_told_twice_is_the_same_event(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    try:
        store.put("a")
        (change,) = store.announced
        assert blob_event(change) == blob_event(change)
    finally:
        store.close()
