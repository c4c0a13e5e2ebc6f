"""Stores of objects that the suites of this folder run on: in memory, and behind the emulator's faces."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.adapters.blob import BlobObjects
from retrigger.handlers.adapters.gcs import GcsObjects
from retrigger.handlers.transport.azure import AzureStorageApi
from retrigger.handlers.transport.credentials import KeptToken, Tokens, TokenSettings
from retrigger.handlers.transport.google import GoogleApi
from retrigger.handlers.transport.http import Http, HttpSettings
from retrigger.local_emulator import metadata
from retrigger.local_emulator.http import Server
from retrigger.local_emulator.stores import gcs_json
from retrigger.local_emulator.stores.objects import Objects as Store
from tests.local_emulator.stores.blob_store import BlobStore

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GcsObjects]:
    store = Store(tmp_path_factory.mktemp("objects"), lambda: datetime.now(UTC), lambda _: None)
    identity = metadata.Identity("p", "europe-west4")
    server = Server([*gcs_json.routes(store), *metadata.routes(identity)])
    server.start()
    store.insert_bucket("bkt", {})
    http = Http(HttpSettings(connect_timeout=1, timeout=5))
    yield GcsObjects(GoogleApi(http, Tokens(http, TokenSettings(metadata=server.url))), endpoint=server.url)
    server.stop()
    store.close()


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlobObjects]:
    store = BlobStore(tmp_path_factory.mktemp("blobs"))
    http = Http(HttpSettings(connect_timeout=1, timeout=5))
    api = AzureStorageApi(http, KeptToken(lambda: ("token", 3600.0), lambda: 0.0))
    yield BlobObjects(api, endpoint=store.server.url)
    store.close()


@pytest.fixture(params=["memory", "cloud", "blobs"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place(kind: str) -> str:
    return BlobStore.bucket if kind == "blobs" else "bkt"
