"""The ledgers under fire: a file of SQLite, and a bucket of the emulator's Cloud Storage in a process of its own."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from typing import TYPE_CHECKING, NamedTuple

from retrigger.handlers.adapters.sqlite import SqliteRecords
from retrigger.handlers.wiring import records_of
from retrigger.local_emulator import metadata
from retrigger.local_emulator.http import Server
from retrigger.local_emulator.stores import gcs_xml
from retrigger.local_emulator.stores.objects import Objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.sharedctypes import Synchronized
    from pathlib import Path

    from retrigger.handlers.ports import Records

_BUCKET = "ledgers"


class Fireproof(NamedTuple):
    """A ledger, its address, the addresses of the services behind it, and what winds its clock.

    `wind` takes how far the clock is to be ahead of the host's.
    """

    records: Records
    address: str
    services: dict[str, str]
    wind: Callable[[timedelta], object]


@contextmanager
def sqlite(folder: Path) -> Iterator[Fireproof]:
    records = SqliteRecords(folder / "ledger.sqlite3")
    yield Fireproof(records, f"sqlite:{folder / 'ledger.sqlite3'}", {}, records.wind)


@contextmanager
def cloud_storage(folder: Path) -> Iterator[Fireproof]:
    context = get_context("spawn")
    ahead = context.Value("d", 0.0)
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(folder, ahead, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        url = ours.recv()
        services = {"storage": url, "metadata": url}
        address = f"gs://{_BUCKET}/fire"

        def wind(by: timedelta) -> None:
            ahead.value = by.total_seconds()

        yield Fireproof(records_of(address, {}, services), address, services, wind)
    finally:
        process.kill()
        process.join()


def _serve(folder: Path, ahead: Synchronized[float], ready: Connection) -> None:
    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=ahead.value)

    objects = Objects(folder / "objects", now, lambda _: None, watched=())
    objects.insert_bucket(_BUCKET, {})
    server = Server([*metadata.routes(metadata.Identity("acme", "europe-west4")), *gcs_xml.routes(objects)])
    server.start()
    ready.send(server.url)
    ready.poll(None)  # until whoever asked for it is gone
