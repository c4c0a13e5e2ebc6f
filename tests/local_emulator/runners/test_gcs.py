from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.local_emulator.runners.errors import PipelineError
from retrigger.local_emulator.runners.gcs import Mount
from tests.local_emulator.runners.fake_store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store()
    store.server.start()
    yield store
    store.server.stop()


def test_an_object_and_a_folder_are_fetched(store: Store, tmp_path: Path) -> None:
    store.objects = {"one #1.csv": b"1", "model/a": b"a", "model/sub/b": b"b", "model/": b"", "models": b"no"}
    mount = Mount(tmp_path, store.server.url)
    assert mount.fetch("gs://bucket/one #1.csv")
    assert mount.fetch("gs://bucket/model")
    files = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"bucket/one #1.csv": b"1", "bucket/model/a": b"a", "bucket/model/sub/b": b"b"}


def test_what_a_task_wrote_is_published(store: Store, tmp_path: Path) -> None:
    mount = Mount(tmp_path, store.server.url.removeprefix("http://"))
    for name, content in {"data.csv": "x" * 100_000, "model/a": "a", "model/sub/b %": "b"}.items():
        path = mount.local(f"gs://bucket/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    for uri in ("gs://bucket/data.csv", "gs://bucket/model", "gs://bucket/metrics-have-no-file"):
        mount.publish(uri)
    assert store.objects == {"data.csv": b"x" * 100_000, "model/a": b"a", "model/sub/b %": b"b"}


def test_an_object_that_is_not_there_is_not_fetched(store: Store, tmp_path: Path) -> None:
    assert not Mount(tmp_path, store.server.url).fetch("gs://bucket/none")
    assert not Mount(tmp_path, None).fetch("gs://bucket/none")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_bucket_is_named(store: Store, tmp_path: Path) -> None:
    mount = Mount(tmp_path, store.server.url)
    mount.local("gs://other").mkdir(parents=True)
    mount.local("gs://other/data").write_text("x")
    with pytest.raises(PipelineError, match="cannot write gs://other/data: there is no such bucket"):
        mount.publish("gs://other/data")


def test_no_uri_leads_out_of_the_mount(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="climbs out of its bucket"):
        Mount(tmp_path, None).local("gs://bucket/../../etc/passwd")
