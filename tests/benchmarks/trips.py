"""Round trips to a ledger in a bucket: what goes over the wire, by method, as from a deployed function."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from obstore.store import GCSStore

from retrigger.handlers.adapters.buckets import READS, WRITES
from retrigger.handlers.adapters.object_records import ObjectRecords
from retrigger.local_emulator.http import Server
from retrigger.local_emulator.stores.gcs_http import RawRoute
from retrigger.local_emulator.stores.gcs_xml import XmlFace, error_response
from retrigger.local_emulator.stores.objects import Objects
from tests.benchmarks.scenes import DIRECT, WINDOWED, Scene, asked_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from obstore.store import GCSCredential
    from starlette.responses import Response

    from retrigger.local_emulator.stores.gcs_http import Body, Call

_BUCKET: Final = "ledgers"
_CLOCK_GOOD_FOR: Final = timedelta(minutes=1)  # an emulator's is asked every time: it can be wound


class Bucket:
    """Cloud Storage on loopback, which counts what it is asked for; a list is a GET of its own kind."""

    def __init__(self, url: str, counts: Counter[str]) -> None:
        self._url = url
        self._counts = counts

    def records(self) -> ObjectRecords:
        """As a function that has just started opens them."""
        reads, writes = (
            GCSStore(
                _BUCKET,
                config={"base_url": self._url},
                client_options={"allow_http": True},
                retry_config=retries,
                credential_provider=_credential,
            )
            for retries in (READS, WRITES)
        )
        return ObjectRecords(f"gs://{_BUCKET}", reads, writes, "version", _CLOCK_GOOD_FOR)

    def taken(self) -> dict[str, int]:
        """The counts since the last call, sorted by method."""
        taken = dict(sorted(self._counts.items()))
        self._counts.clear()
        return taken


def _credential() -> GCSCredential:
    return {"token": "emulator", "expires_at": None}


@contextmanager
def counting_bucket(folder: Path) -> Iterator[Bucket]:
    counts: Counter[str] = Counter()
    objects = Objects(folder, lambda: datetime.now(UTC), lambda _: None, watched=())
    objects.insert_bucket(_BUCKET, {})
    face = XmlFace(objects)

    async def respond(call: Call, body: Body) -> Response:
        counts["LIST" if "list-type" in call.query else call.method] += 1
        return await face.respond(call, body)

    server = Server([RawRoute("/.*", respond, error_response)])
    server.start()
    try:
        yield Bucket(server.url, counts)
    finally:
        server.stop()
        objects.close()


def trips(folder: Path) -> dict[str, dict[str, int]]:
    """Of the second event of each kind, in a process that knows the store's clock; and of a tick that does not."""
    with counting_bucket(folder) as bucket:
        found = asked_of(Scene(bucket.records(), WINDOWED, DIRECT).app.core, bucket.taken)
        Scene(bucket.records(), WINDOWED, DIRECT).app.tick().run()
        bucket.taken()
        Scene(bucket.records(), WINDOWED, DIRECT).app.tick().run()
        return {**found, "idle_tick": bucket.taken()}
