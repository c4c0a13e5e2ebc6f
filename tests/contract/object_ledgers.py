"""Ledgers in object stores, for the suite that every store must pass: each in a folder of its own."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from obstore.store import AzureStore

from retrigger.handlers.adapters.buckets import READS, WRITES, blob_records, gcs_records
from retrigger.handlers.adapters.object_records import ObjectRecords
from retrigger.handlers.transport.credentials import Tokens, TokenSettings
from retrigger.handlers.transport.http import Http, HttpSettings
from retrigger.local_emulator import metadata
from retrigger.local_emulator.http import Server
from retrigger.local_emulator.stores import gcs_xml
from retrigger.local_emulator.stores.objects import Objects
from tests.contract.azurite import ACCOUNT, KEY, azurite
from tests.local_emulator.stores.blob_store import BlobStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from retrigger.handlers.ports import Records
    from tests.contract.azurite import Azurite


@contextmanager
def cloud_storage(folder: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Iterator[str]:
    """The emulator's Cloud Storage with the bucket `ledgers`, and its metadata server. -> its URL."""
    objects = Objects(folder / "objects", now, lambda _: None, watched=())
    objects.insert_bucket("ledgers", {})
    server = Server([*metadata.routes(metadata.Identity("acme-dev", "europe-west4")), *gcs_xml.routes(objects)])
    server.start()
    try:
        yield server.url
    finally:
        server.stop()
        objects.close()


def gcs_ledger(url: str, folder: str = "one", *, bucket: str = "ledgers") -> ObjectRecords:
    """A ledger as wiring opens it, on an emulator at `url`."""
    tokens = Tokens(Http(HttpSettings()), TokenSettings(metadata=url))
    return gcs_records(f"gs://{bucket}/{folder}", HttpSettings(), tokens, endpoint=url)


def azurite_ledger(it: Azurite, folder: str = "one") -> ObjectRecords:
    """A ledger as wiring opens it, but for the account's key: Azurite takes tokens over TLS alone."""
    reads, writes = (
        AzureStore(
            "ledgers",
            prefix=folder,
            config={"account_name": ACCOUNT, "account_key": KEY, "endpoint": it.endpoint},
            client_options={"allow_http": True},
            retry_config=retries,
        )
        for retries in (READS, WRITES)
    )
    return ObjectRecords(f"{it.endpoint}/ledgers/{folder}", reads, writes, "e_tag", timedelta())


@contextmanager
def gcs_ledgers(folder: Path) -> Iterator[Callable[[], Records]]:
    """Empty ledgers in the emulator's Cloud Storage."""
    numbers = itertools.count()
    with cloud_storage(folder) as url:
        yield lambda: gcs_ledger(url, f"folder {next(numbers)}/ledger")


@contextmanager
def blob_ledgers(folder: Path) -> Iterator[Callable[[], Records]]:
    """Empty ledgers in the emulator's Blob Storage."""
    numbers = itertools.count()
    store = BlobStore(folder)
    try:
        address = f"https://{ACCOUNT}.blob.core.windows.net/landing"
        yield lambda: blob_records(f"{address}/folder {next(numbers)}/ledger", HttpSettings(), store.server.url)
    finally:
        store.close()


@contextmanager
def azurite_ledgers(folder: Path) -> Iterator[Callable[[], Records]]:
    """Empty ledgers in Azurite."""
    numbers = itertools.count()
    with azurite(folder) as it:
        it.create_container("ledgers")
        yield lambda: azurite_ledger(it, f"folder {next(numbers)}/ledger")
