from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import Object
from retrigger.triggers.formats import storage
from retrigger.triggers.formats.envelope import Envelope, is_notification

if TYPE_CHECKING:
    from retrigger.triggers.event import Event, Json

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def finalized(**resource: Json) -> Event:
    envelope = Envelope(
        id="1",
        source=storage.source("landing"),
        type="google.cloud.storage.object.v1.finalized",
        time=None,
        subject=None,
        traceparent=None,
        data={"bucket": "landing", "name": "a.csv", "generation": "17", **resource},
    )
    return storage.from_cloudevent(envelope, NOW)


def stored(**resource: Json) -> Object:
    payload = finalized(**resource).payload
    assert isinstance(payload, Object)
    return payload


def notified(attributes: dict[str, str], body: bytes = b"") -> Event:
    known = {"eventType": "OBJECT_FINALIZE", "bucketId": "landing", "objectId": "a.csv", "objectGeneration": "17"}
    return storage.from_notification(
        {**known, **attributes}, body, message_id="1", announced=NOW, attempt=1, traceparent=None
    )


def test_the_least_that_an_object_needs() -> None:
    assert stored() == Object(
        store="gcs",
        account=None,
        bucket="landing",
        name="a.csv",
        version="17",
        sequencer="17",
        uri="gs://landing/a.csv",
    )


def test_the_time_of_receipt_stands_in_for_an_absent_one() -> None:
    assert finalized().time == NOW


@pytest.mark.parametrize(
    ("name", "size", "complete"),
    [("a/", "0", False), ("a/", None, False), ("a/", "1", True), ("a", "0", True), ("/", 0, False)],
)
def test_only_an_empty_name_with_a_slash_is_a_folder_marker(
    name: str, size: Json, complete: bool
) -> None:  # a column of the table
    assert stored(name=name, size=size).complete is complete


@pytest.mark.parametrize("name", [" a b ", "a%2Fb", "a#b", "a+b", "../a", "//a", "🚀é", "x" * 1024, "a\nb", "é" * 512])
def test_names_survive_unchanged(name: str) -> None:
    assert (stored(name=name).name, stored(name=name).uri) == (name, f"gs://landing/{name}")


def test_the_crc_is_preferred_to_the_md5() -> None:
    sums = (stored(crc32c="A", md5Hash="B"), stored(md5Hash="B"), stored())
    assert [each.checksum for each in sums] == ["crc32c:A", "md5:B", None]


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        ({"name": ""}, "missing_field"),
        ({"bucket": None}, "missing_field"),
        ({"generation": None}, "missing_field"),
        ({"generation": "latest"}, "bad_field"),
        ({"size": -1}, "bad_field"),
        ({"name": ["a"]}, "bad_field"),
        ({"name": "é" * 513}, "bad_field"),
        ({"bucket": "landing/a"}, "bad_field"),
        ({"contentType": 7}, "bad_field"),
    ],
)
def test_an_impossible_object_is_refused(resource: dict[str, Json], code: str) -> None:
    with pytest.raises(Malformed) as caught:
        finalized(**resource)
    assert caught.value.code == code


def test_a_notification_is_the_cloudevent_of_the_same_change() -> None:
    body = json.dumps({"size": "3", "contentType": "text/csv", "crc32c": "A", "name": "another"}).encode()
    event = notified({"eventTime": "2026-03-02T08:00:00Z"}, body)
    assert event.payload == stored(size="3", contentType="text/csv", crc32c="A")
    assert (event.type, event.source, event.subject, event.time) == (
        "google.cloud.storage.object.v1.finalized",
        "//storage.googleapis.com/projects/_/buckets/landing",
        "objects/a.csv",
        NOW,
    )


@pytest.mark.parametrize(("kind", "change"), [("OBJECT_DELETE", "deleted"), ("OBJECT_ARCHIVE", "archived")])
def test_an_overwritten_generation_is_gone_and_its_note_says_why(kind: str, change: str) -> None:
    event = notified({"eventType": kind, "overwrittenByGeneration": "18"})
    assert isinstance(event.payload, Object)
    assert (event.payload.change, event.payload.version, event.notes) == (change, "17", ("overwritten",))
    assert notified({"eventType": kind}).notes == ()


def test_what_overwrote_another_generation_is_an_object_like_any() -> None:
    assert notified({"overwroteGeneration": "16"}) == notified({})


@pytest.mark.parametrize(
    ("resource", "notes"),
    [
        ({"customerEncryption": {"keySha256": "Vb8=", "encryptionAlgorithm": "AES256"}}, ("customer_encrypted",)),
        ({"contentEncoding": "gzip"}, ("gzip_encoded",)),
        ({"contentEncoding": "gzip", "customerEncryption": {"a": "b"}}, ("customer_encrypted", "gzip_encoded")),
        ({"contentEncoding": "br", "customerEncryption": None, "eventBasedHold": True, "kmsKeyName": "k"}, ()),
    ],
)
def test_notes_say_what_a_reader_of_the_object_will_run_into(
    resource: dict[str, Json], notes: tuple[str, ...]
) -> None:  # a column of the table
    assert finalized(**resource).notes == notes
    assert notified({}, json.dumps(resource).encode()).notes == notes


def test_a_notification_whose_body_is_broken_is_refused() -> None:
    with pytest.raises(Malformed) as caught:
        notified({}, b"{")
    assert caught.value.code == "malformed_json"


@pytest.mark.parametrize("absent", ["eventType", "bucketId", "objectId"])
def test_a_message_that_lacks_an_attribute_is_no_notification(absent: str) -> None:
    attributes = {"eventType": "OBJECT_FINALIZE", "bucketId": "landing", "objectId": "a"}
    assert is_notification(attributes)
    del attributes[absent]
    assert not is_notification(attributes)
