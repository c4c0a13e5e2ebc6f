"""What every Objects store promises of a part of an object; one suite, every adapter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.adapters.gcs import GcsObjects
from retrigger.handlers.adapters.memory import MemoryObjects
from retrigger.handlers.transport.credentials import Tokens, TokenSettings
from retrigger.handlers.transport.google import GoogleApi
from retrigger.handlers.transport.http import Http, HttpSettings
from retrigger.local_emulator import metadata
from retrigger.local_emulator.http import Server
from retrigger.local_emulator.stores import gcs_json
from retrigger.local_emulator.stores.objects import Objects as Store
from retrigger.triggers.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.handlers.ports import Objects

DATA = bytes(range(256)) * 2000


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GcsObjects]:
    store = Store(tmp_path_factory.mktemp("objects"), lambda: datetime.now(UTC), lambda _: None)
    server = Server([*gcs_json.routes(store), *metadata.routes(metadata.Identity("p", "europe-west4"))])
    server.start()
    store.insert_bucket("bkt", {})
    http = Http(HttpSettings(connect_timeout=1, timeout=5))
    yield GcsObjects(GoogleApi(http, Tokens(http, TokenSettings(metadata=server.url))), endpoint=server.url)
    server.stop()
    store.close()


@pytest.fixture(params=["memory", "gcs"])
def objects(request: pytest.FixtureRequest) -> Objects:
    made: Objects = MemoryObjects() if request.param == "memory" else request.getfixturevalue("cloud")
    made.write("bkt", "a", DATA)
    made.write("bkt", "empty", b"")
    return made


@pytest.mark.parametrize(
    ("start", "limit"), [(0, 1), (0, 10**9), (300_000, 200_000), (511_999, 1), (511_999, 9), (512_000, 1), (10**12, 1)]
)
def test_a_range_is_what_the_object_has_of_it(objects: Objects, start: int, limit: int) -> None:
    assert b"".join(objects.read("bkt", "a", start=start, limit=limit)) == DATA[start : start + limit]
    assert b"".join(objects.read("bkt", "empty", start=start, limit=limit)) == b""


def test_a_range_of_an_object_that_is_not_there(objects: Objects) -> None:
    with pytest.raises(Refused) as caught:
        list(objects.read("bkt", "b", start=1, limit=1))
    assert caught.value.code == "object_gone"
