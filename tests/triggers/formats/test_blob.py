from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import Event, Object
from retrigger.triggers.formats import blob_place, parse
from retrigger.triggers.formats.blob_place import Place

ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/acme"
HOST = "https://acme.blob.core.windows.net"


def found(
    name: str = "a.csv",
    *,
    kind: str = "BlobCreated",
    source: str = ACCOUNT,
    subject: str | None = None,
    **data: Any,
) -> Event | Malformed:
    fields = {"api": "PutBlob", "eTag": "0x8D", "contentLength": 3, "sequencer": "0A", **data}
    event = {
        "topic": source,
        "subject": f"/blobServices/default/containers/c/blobs/{name}" if subject is None else subject,
        "eventType": f"Microsoft.Storage.{kind}",
        "eventTime": "2026-03-01T22:15:07Z",
        "id": "1",
        "data": {name: value for name, value in fields.items() if value is not None},
    }
    parsed = parse({}, json.dumps([event]).encode())
    assert isinstance(parsed, list)
    return parsed[0]


def event(name: str = "a.csv", **how: Any) -> Event:
    it = found(name, **how)
    assert isinstance(it, Event)
    return it


def stored(name: str = "a.csv", **how: Any) -> Object:
    payload = event(name, **how).payload
    assert isinstance(payload, Object)
    return payload


@pytest.mark.parametrize(
    "name",
    [
        "a b",
        "a%2Fb",
        "a+b#c?d",
        "x/blobs/y",
        "../up",
        "é🚀",
        " ",
        "a/",
        "blobServices/default/containers/c/blobs/n",
        "é" * 1024,
    ],
)
def test_a_name_is_kept_as_it_is(name: str) -> None:
    encoded = f"{HOST}/c/{quote(name)}"
    for url in (None, encoded, f"{HOST}/c/{name}", encoded.replace(".blob.", ".dfs.")):
        it = event(name, url=url)
        assert isinstance(it.payload, Object)
        assert (it.payload.name, it.payload.uri, it.notes) == (name, encoded, ())


def test_a_name_over_the_stores_limit_is_refused() -> None:
    refused = found("n" * 1025)
    assert isinstance(refused, Malformed)
    assert refused.code == "bad_field"


@pytest.mark.parametrize(
    ("api", "size", "complete"),
    [
        ("PutBlob", 3, True),
        ("PutBlockList", 3, True),
        ("CopyBlob", 3, True),
        ("FlushWithClose", 3, True),
        ("SftpCommit", 3, True),
        ("SftpCommit", 0, True),
        ("PutBlob", 0, True),
        ("CreateFile", 0, False),
        ("CreateFile", 3, False),
        ("SftpCreate", 0, False),
        ("AppendFile", 3, False),
        ("putblob", 3, False),
        (None, 3, False),
    ],
)
def test_only_an_api_that_finishes_the_blob_makes_it_complete(api: str | None, size: int, complete: bool) -> None:
    assert stored(api=api, contentLength=size).complete is complete


def test_what_is_announced_before_it_is_written_is_another_occurrence() -> None:
    assert event(api="CreateFile").identity != event(api="FlushWithClose").identity


def test_an_empty_blob_with_a_folders_name_is_never_complete() -> None:
    assert stored("dt=1/", contentLength=0).complete is False
    assert stored("dt=1/", contentLength=3).complete is True


@pytest.mark.parametrize(
    ("kind", "change", "name", "complete"),
    [
        ("BlobDeleted", "deleted", "n", True),
        ("BlobRenamed", "renamed", "n", True),
        ("BlobTierChanged", "metadata", "n", True),
        ("AsyncOperationInitiated", "metadata", "n", True),
        ("DirectoryCreated", "created", "n/", False),
        ("DirectoryDeleted", "deleted", "n/", False),
        ("DirectoryRenamed", "renamed", "n/", False),
    ],
)
def test_what_a_type_says_of_the_object(kind: str, change: str, name: str, complete: bool) -> None:
    it = stored("n", kind=kind)
    assert (it.change, it.name, it.complete) == (change, name, complete)


def test_a_rename_is_about_the_new_name() -> None:
    urls = {"sourceUrl": f"{HOST}/c/old", "destinationUrl": f"{HOST}/c/new"}
    assert stored(kind="BlobRenamed", subject="", **urls).name == "new"
    assert stored("new", kind="BlobRenamed", **urls).name == "new"


@pytest.mark.parametrize(
    ("fields", "version"),
    [
        ({"eTag": '"0x8D"'}, "0x8D"),
        ({"eTag": "0x8D"}, "0x8D"),
        ({"eTag": None}, "0A"),
        ({"eTag": '""'}, "0A"),
        ({"eTag": None, "sequencer": None}, "1"),
    ],
)
def test_the_version_is_the_etag_else_the_sequencer_else_the_events_id(fields: dict[str, Any], version: str) -> None:
    assert stored(**fields).version == version


@pytest.mark.parametrize(
    ("subject", "url", "place", "notes"),
    [
        ("c/blobs/n", f"{HOST}/c/n", "acme/c/n", ()),
        ("c/blobs/n", f"{HOST}/other/n", "acme/c/n", ("subject_and_url_differ",)),
        ("c/blobs/n", f"{HOST}/c/m%20m", "acme/c/m m", ("subject_and_url_differ",)),
        ("c/blobs/a%20b", f"{HOST}/c/a%20b", "acme/c/a%20b", ()),
        ("c/blobs/n", f"{HOST}/c/n?versionid=1", "acme/c/n", ()),
        ("c/blobs/n", f"{HOST}/c/%FF", "acme/c/n", ()),
        ("c/blobs/n", "https://acme.privatelink.blob.core.windows.net/c/n", "acme/c/n", ()),
        ("c/blobs/n", "https://other.blob.core.windows.net/c/n", "acme/c/n", ("source_and_url_differ",)),
        ("c/blobs/n", "file:///etc/passwd", "acme/c/n", ()),
        ("$web/blobs/n", f"{HOST}/%24web/n", "acme/$web/n", ()),
        ("c/n", f"{HOST}/c/n", "acme/c/n", ()),
        ("c/blobs/", f"{HOST}/c/n", "acme/c/n", ()),
    ],
)
def test_where_subject_and_url_differ(subject: str, url: str, place: str, notes: tuple[str, ...]) -> None:
    read, found = blob_place.read(ACCOUNT, f"/blobServices/default/containers/{subject}", url)
    assert ("/".join(read[:3]), found) == (place, notes)


@pytest.mark.parametrize(
    ("source", "url", "account"),
    [
        (ACCOUNT, None, "acme"),
        (ACCOUNT.upper(), None, "acme"),
        ("/subscriptions/s", f"{HOST}/c/a.csv", "acme"),
        ("/subscriptions/s", "https://ACME.dfs.core.windows.net/c/a.csv", "acme"),
    ],
)
def test_the_account_is_the_sources_else_the_urls(source: str, url: str | None, account: str) -> None:
    assert stored(source=source, url=url).account == account


@pytest.mark.parametrize(
    ("source", "subject", "what"),
    [
        ("/subscriptions/s", None, "account"),
        (ACCOUNT, "", "container"),
        (ACCOUNT, "BlobDataManagement/SummaryReport", "container"),
        (ACCOUNT, "/blobServices/default/containers//blobs/n", "container"),
    ],
)
def test_an_event_that_names_no_place_is_refused_by_what_it_lacks(source: str, subject: str | None, what: str) -> None:
    refused = found(source=source, subject=subject)
    assert isinstance(refused, Malformed)
    assert refused.code == "missing_field"
    assert f"names no {what}" in str(refused)


def test_an_account_from_outside_never_makes_the_uri_another_hosts() -> None:
    assert blob_place.uri(Place("evil.com/?@#", "c", "n")) == "https://evil.com%2F%3F%40%23.blob.core.windows.net/c/n"


@pytest.mark.parametrize("data", ["text", [1], 7, None])
def test_data_that_is_no_object_is_refused(data: object) -> None:
    value = {"topic": ACCOUNT, "id": "1", "eventType": "Microsoft.Storage.BlobCreated", "data": data}
    parsed = parse({}, json.dumps([value]).encode())
    assert isinstance(parsed, list)
    (refused,) = parsed
    assert isinstance(refused, Malformed)
    assert refused.code == "malformed_envelope"


@pytest.mark.parametrize("fields", [{"contentLength": -1}, {"eTag": 7}, {"api": []}, {"url": {}}, {"sequencer": 1}])
def test_a_field_of_the_wrong_type_is_refused(fields: dict[str, Any]) -> None:
    refused = found(**fields)
    assert isinstance(refused, Malformed)
    assert refused.code == "bad_field"
