"""What every Objects store promises of a single object; one suite, every adapter."""

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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.handlers.ports import Objects

NAMES = ("a/1.csv", "a b/ü+#%2F?.csv", "🚀", "a//b", "...", "folder/")
NO_NAMES = ("a", "a/", "A/1.csv", "a%20b", ".", "..", "a/..", "")


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


@pytest.fixture(params=["memory", "gcs"])
def objects(request: pytest.FixtureRequest) -> Objects:
    made: Objects = MemoryObjects() if request.param == "memory" else request.getfixturevalue("cloud")
    for name in NAMES:
        made.write("bkt", name, name.encode())
    return made


def test_an_object_is_what_a_listing_says_of_it(objects: Objects) -> None:
    found = {name: objects.stat("bkt", name) for name in NAMES}
    assert found == {stat.name: stat for stat in objects.list("bkt", "")}
    assert {name: stat and stat.size for name, stat in found.items()} == {name: len(name.encode()) for name in NAMES}


def test_of_what_is_read_by_its_version_the_stat_has_the_version(objects: Objects) -> None:
    stat = objects.stat("bkt", "🚀")
    assert stat is not None
    assert b"".join(objects.read("bkt", "🚀", version=stat.version, limit=100)) == "🚀".encode()


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_not_there_is_none(objects: Objects, name: str) -> None:
    assert objects.stat("bkt", name) is None
    assert objects.stat("no-such-bucket", "a/1.csv") is None
