"""A ledger in an object store when requests and answers are lost, and when the store is not what it should be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.adapters.buckets import blob_records, gcs_records
from retrigger.handlers.adapters.object_records import ObjectRecords
from retrigger.handlers.transport.credentials import Tokens, TokenSettings
from retrigger.handlers.transport.http import Http, HttpSettings
from retrigger.triggers.errors import Unavailable, Unknown
from tests.contract.faulty import Road, road_to
from tests.contract.object_ledgers import cloud_storage, gcs_ledger
from tests.handlers.conftest import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from retrigger.handlers.ports import Record, Records
    from tests.handlers.conftest import Loopback


class Wound:
    """The host's time, and what it was wound by."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset


@pytest.fixture
def wound() -> Wound:
    return Wound()


@pytest.fixture
def store(tmp_path: Path, wound: Wound) -> Iterator[str]:
    with cloud_storage(tmp_path, wound) as url:
        yield url


@pytest.fixture
def road(store: str) -> Iterator[Road]:
    with road_to(store) as road:
        yield road


@pytest.fixture
def records(road: Road) -> Records:
    return gcs_ledger(road.url)


def created(records: Records, key: str) -> Record:
    record = records.create(key, {"n": 0})
    assert record is not None
    return record


def body_of(records: Records, key: str) -> object:
    record = records.get(key)
    return record and record.body


def test_a_create_whose_answer_is_lost_is_recognised_as_our_own(records: Records, road: Road) -> None:
    road.fail("PUT", "unanswered")
    mine = created(records, "c/1")
    assert road.count("PUT") == 1
    assert records.swap(mine, {"n": 1}) is not None
    assert body_of(records, "c/1") == {"n": 1}


def test_a_swap_whose_answer_is_lost_is_recognised_as_our_own(records: Records, road: Road) -> None:
    old = created(records, "c/1")
    road.fail("PUT", "unanswered")
    swapped = records.swap(old, {"n": 1})
    assert swapped is not None
    assert (swapped.body, road.count("PUT")) == ({"n": 1}, 2)
    assert records.swap(swapped, {"n": 2}) is not None


def test_a_write_that_did_not_arrive_may_have_and_is_not_sent_again(records: Records, road: Road) -> None:
    old = created(records, "c/1")
    road.fail("PUT", "lost", "lost", 503)
    with pytest.raises(Unknown, match="may or may not have written"):
        records.create("c/2", {})
    for _ in range(2):
        with pytest.raises(Unknown, match="may or may not have written"):
            records.swap(old, {"n": 1})
    assert road.count("PUT") == 4
    assert (body_of(records, "c/1"), body_of(records, "c/2")) == ({"n": 0}, None)


def test_a_lost_answer_is_unknown_where_somebody_has_written_since(records: Records, road: Road, store: str) -> None:
    other = gcs_ledger(store)

    def swap() -> None:
        there = other.get("c/1")
        assert there is not None
        assert other.swap(there, {"n": "theirs"}) is not None

    road.fail("PUT", "unanswered")
    road.meanwhile = swap
    with pytest.raises(Unknown):
        records.create("c/1", {"n": "mine"})
    assert body_of(records, "c/1") == {"n": "theirs"}


def test_a_write_is_unknown_where_nobody_answers_who_could_tell(records: Records, road: Road) -> None:
    created(records, "c/1")
    road.fail("PUT", "unanswered")
    road.fail("GET", *["lost"] * 10)
    with pytest.raises(Unknown):
        records.create("c/2", {})


def test_without_a_token_nothing_was_done(records: Records, road: Road) -> None:
    road.fail("GET", *[503] * 10)
    with pytest.raises(Unavailable, match="the metadata server answered 503") as raised:
        records.create("c/1", {})
    assert (type(raised.value), road.count("PUT")) == (Unavailable, 0)


def test_a_store_that_is_too_busy_is_asked_again(records: Records, road: Road) -> None:
    road.fail("PUT", 429, 429)
    assert created(records, "g/1").body == {"n": 0}
    assert road.count("PUT") == 3


def test_reads_are_repeated(records: Records, road: Road) -> None:
    created(records, "c/1")
    road.fail("GET", 503, "lost")
    assert body_of(records, "c/1") == {"n": 0}
    road.fail("GET", 503, "lost")
    assert [entry.key for entry in records.list("c/")] == ["c/1"]


def test_a_store_that_stays_away_is_unavailable(records: Records, road: Road) -> None:
    road.fail("GET", *[503] * 20)
    for read in (lambda: records.get("c/1"), lambda: list(records.list("c/"))):
        with pytest.raises(Unavailable, match="503") as raised:
            read()
        assert (raised.value.code, type(raised.value)) == ("ledger_unavailable", Unavailable)


def test_what_may_not_be_written_did_nothing(records: Records, road: Road) -> None:
    for status in (401, 403):
        road.fail("PUT", status)
        with pytest.raises(Unavailable, match=str(status)) as raised:
            records.create("c/1", {})
        assert type(raised.value) is Unavailable


def test_a_deletion_that_fails_may_have_happened(records: Records, road: Road) -> None:
    created(records, "due/1")
    road.fail("DELETE", *["unanswered"] * 10)
    with pytest.raises(Unknown):
        records.delete(["due/1", "due/2"])
    records.delete(["due/1", "due/2"])
    assert list(records.list("due/")) == []


def test_a_bucket_that_is_not_there_is_named_with_the_next_step(road: Road) -> None:
    records = gcs_ledger(road.url, bucket="nowhere")
    with pytest.raises(Unavailable, match="there is no gs://nowhere/one; create it") as raised:
        records.create("c/1", {})
    assert raised.value.code == "ledger_missing"
    for ask in (lambda: list(records.list("c/")), records.now):
        with pytest.raises(Unavailable, match="404"):
            ask()


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"body": {}}', b"\xff"])
def test_an_object_that_somebody_else_left_there_is_no_record(store: str, text: bytes) -> None:
    records = gcs_ledger(store)
    records._writes.put("c/1", text)
    with pytest.raises(Unavailable, match="gs://ledgers/one/c/1 is no record of a ledger") as raised:
        records.get("c/1")
    assert raised.value.code == "ledger_inconsistent"
    assert records.create("c/1", {}) is None


def test_the_same_body_twice_is_not_the_same_bytes(store: str) -> None:
    records = gcs_ledger(store)
    first = created(records, "g/1")
    [before] = records.list("g/")
    assert records.swap(first, first.body) is not None
    [after] = records.list("g/")
    assert before.version != after.version  # an MD5 of the bytes, in Cloud Storage


def test_the_token_is_that_of_the_machine(records: Records, road: Road) -> None:
    created(records, "c/1")
    assert road.tokens == {None, "Bearer retrigger-emulator"}  # the metadata server asks for none


def test_a_clock_that_is_wound_is_seen_at_once_on_an_emulator(store: str, wound: Wound) -> None:
    records = gcs_ledger(store)
    before = records.now()
    wound.offset = timedelta(hours=2)
    assert before + timedelta(hours=2) <= records.now() <= wound()
    assert list(records.list("")) == []  # asking leaves nothing behind


def test_the_clock_of_the_cloud_is_asked_once_and_is_never_ahead(road: Road, wound: Wound) -> None:
    wound.offset = timedelta(minutes=-5)
    tokens = Tokens(Http(HttpSettings()), TokenSettings(metadata=road.url))
    records = gcs_records("gs://ledgers", HttpSettings(), tokens, endpoint=road.url)
    records._clock._good_for = 60.0
    shown = records.now()
    asked = len(road.requests)
    assert wound() - timedelta(seconds=5) < shown <= wound()
    assert shown <= records.now() <= records.now() <= wound()
    assert len(road.requests) == asked


class Unordered:
    """A store that lists as S3's directory buckets do: in no order."""

    def list(self, _prefix: str | None, **_: object) -> list[list[dict[str, object]]]:
        names = ("c/1", "c/3", "c/2")
        return [[{"path": name, "last_modified": datetime.now(UTC), "e_tag": name} for name in names]]


def test_a_store_that_does_not_list_in_order_is_refused() -> None:
    store: Any = Unordered()
    records = ObjectRecords("s3://directory", store, store, "e_tag", timedelta())
    with pytest.raises(Unavailable, match="s3://directory does not list in order of names") as raised:
        list(records.list("c/"))
    assert raised.value.code == "ledger_unordered"


def test_a_container_is_reached_with_the_identity_of_the_function_app(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Azure Functions offers it; obstore asks by itself.

    https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
    """
    road.fail("GET", *[500] * 10)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{road.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "secret")
    records = blob_records("https://acmeprod.blob.core.windows.net/retrigger", HttpSettings())
    with pytest.raises(
        Unavailable, match=r"no token .* for the ledger https://acmeprod\.blob\.core\.windows\.net/retrigger"
    ):
        records.get("meta")
    wanted = "/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fstorage.azure.com"
    assert set(road.requests) == {("GET", wanted)}


def test_a_ledger_in_blob_storage_without_credentials_says_so_and_wrote_nothing(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", loopback.url)
    monkeypatch.setenv("IDENTITY_HEADER", "secret")
    loopback.always = lambda _: Reply(400, b"no identity")
    records = blob_records("https://acme.blob.core.windows.net/retrigger", HttpSettings())
    asked: list[Callable[[], object]] = [lambda: records.get("meta"), lambda: records.create("a/b", {}), records.now]
    for ask in asked:
        with pytest.raises(Unavailable, match=r"or give the function an identity; .* run `az login`") as raised:
            ask()
        assert (raised.value.code, type(raised.value)) == ("no_credentials", Unavailable)
