"""Payloads that others published, read as they ask to be read. They lie beside the repository, or the test skips.

Covered are those of Cloud Storage, Pub/Sub push and CloudEvents itself. How a payload without headers gets some:

    ALONE       the body alone must do
    STORAGE     the body is the data of a binary CloudEvent from Eventarc, whose ce-* headers are ours
    TOPIC       likewise, for a message
    WRAPPED     the body is a Pub/Sub message; we put it into a push envelope
    PRINTED     knative's text form: its attributes become ce-* headers
    DUMPED      an HTTP dump: its own headers

Not covered, because the formats come later: background events (context and data), audit logs, Cloud Scheduler's
CloudEvent, Event Grid and the Functions bindings.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

from retrigger.triggers.errors import Malformed
from retrigger.triggers.formats import cloudevents, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrigger.triggers.event import Json

EVENTS = (Path(__file__).parents[3] / "../shared/events").resolve()
pytestmark = pytest.mark.skipif(not EVENTS.exists(), reason="the published payloads are not beside the repository")

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
Raw: TypeAlias = tuple[dict[str, str], bytes]

OURS = {"Ce-SpecVersion": "1.0", "Ce-Id": "77", "Ce-Time": "2026-03-02T08:00:00Z", "Content-Type": "application/json"}
FINALIZED = "google.cloud.storage.object.v1.finalized"
TOPIC_SOURCE = "//pubsub.googleapis.com/projects/p/topics/t"
PUBLISHED = "google.cloud.pubsub.topic.v1.messagePublished"


def _alone(raw: bytes) -> Raw:
    return {}, raw


def _storage(raw: bytes) -> Raw:
    return {**OURS, "Ce-Type": FINALIZED, "Ce-Source": "//storage.googleapis.com/projects/_/buckets/b"}, raw


def _topic(raw: bytes) -> Raw:
    return {**OURS, "Ce-Type": PUBLISHED, "Ce-Source": TOPIC_SOURCE}, raw


def _wrapped(raw: bytes) -> Raw:
    message = {**json.loads(raw), "messageId": "77", "publishTime": "2026-03-02T08:00:00Z"}
    return {}, json.dumps({"message": message, "subscription": "projects/p/subscriptions/s"}).encode()


def _printed(raw: bytes) -> Raw:
    attributes, _, data = raw.decode().partition("Data,\n")
    headers = {f"ce-{name}": value for name, value in re.findall(r"^  (\w+): (.*)$", attributes, re.MULTILINE)}
    headers["content-type"] = headers.pop("ce-datacontenttype")
    return headers, re.sub(r" // .*", "", data).encode()


def _dumped(raw: bytes) -> Raw:
    head, _, chunked = raw.decode().replace("\r\n", "\n").partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
    return headers, chunked.splitlines()[1].encode()


ALONE, STORAGE, TOPIC, WRAPPED, PRINTED, DUMPED = _alone, _storage, _topic, _wrapped, _printed, _dumped


def message(text: str | None = None, **fields: Json) -> dict[str, Json]:
    return {"attributes": {}} | ({} if text is None else {"json": json.loads(text)}) | fields


SOME_CSHARP = {
    "bucket": "some-bucket",
    "name": "folder/Test.cs",
    "version": "1587627537231057",
    "size": 352,
    "content_type": "text/plain",
    "checksum": "crc32c:rTVTeQ==",
    "change": "created",
    "complete": True,
}
SAMPLE = {"bucket": "sample-bucket", "name": "MyFile", "version": "96883251", "size": 0, "complete": True}
GCF_TEST = "projects/sample-project/topics/gcf-test"
GCF_ID = "aaaaaa-1111-bbbb-2222-cccccccccccc"

# Origin, name, how it gets its headers, and what its event's payload must show.
READ: list[tuple[str, str, Callable[[bytes], Raw], dict[str, Json]]] = [
    ("google-cloudevents", "storage-data-simple.json", STORAGE, SOME_CSHARP),
    ("google-cloudevents", "storage-data-complex.json", STORAGE, {**SAMPLE, "content_type": "esse commodo"}),
    ("google-cloudevents", "binary-storage-complex.json", STORAGE, {**SAMPLE, "content_type": "text/plain"}),
    ("functions-framework-conformance", "storage-cloudevent-input.json", ALONE, SOME_CSHARP),
    ("functions-framework-conformance", "storage-cloudevent-output.json", ALONE, SOME_CSHARP),
    (
        "knative-gcp",
        "storage-finalized.txt",
        PRINTED,
        {"bucket": "knativegcp-rc1", "name": "myimage.jpeg", "version": "1593534371944198", "size": 12268},
    ),
    (
        "gcs-pubsub-notifications",
        "attributes-only-space-in-path.json",
        WRAPPED,
        {
            "bucket": "aou-rdr-sandbox-mock-data",
            "name": "Wgs_sample_raw_data/ SS_VCF_research/"
            "BCM_A100153482_21042005280_SIA0013441__1.hard-filtered.gvcf.gz.md5sum",
            "version": "1620919933899502",
            "size": None,
            "content_type": None,
        },
    ),
    (
        "gcs-pubsub-notifications",
        "attributes-only-overwrite.json",
        WRAPPED,
        {
            "name": "AW1_genotyping_sample_manifests/RDR_AoU_GEN_PKG-1908-218054.csv",
            "version": "1618848161894414",
            "change": "created",
        },
    ),
    ("google-cloudevents", "pubsub-data-duplicated-fields.json", ALONE, {"id": "message-id", "body": "AQIDBA=="}),
    ("google-cloudevents", "pubsub-data-text.json", ALONE, {"attributes": {"attr1": "attr1-value"}, "json": None}),
    (
        "google-cloudevents",
        "binary-pubsub-complex.json",
        TOPIC,
        {"channel": "projects/p/topics/t", "ordering_key": "ordering-key", "attributes": {"attr1": "attr1-value"}},
    ),
    (
        "functions-framework-conformance",
        "pubsub_text-cloudevent-input.json",
        ALONE,
        {"channel": GCF_TEST, "id": GCF_ID},
    ),
    (
        "functions-framework-conformance",
        "pubsub_text-cloudevent-output.json",
        ALONE,
        {"channel": GCF_TEST, "id": GCF_ID},
    ),
    (
        "functions-framework-conformance",
        "legacy_pubsub-cloudevent-output.json",
        ALONE,
        {"channel": GCF_TEST, "attributes": {"attribute1": "value1"}},
    ),
    (
        "functions-framework-dotnet",
        "raw_pubsub.json",
        ALONE,
        {
            "channel": "projects/sample-project/subscriptions/sample-subscription",
            "id": "4102184774039362",
            "ordering_key": "orderxyz",
        },
    ),
    (
        "functions-framework-ruby",
        "raw_pubsub.json",
        ALONE,
        message('{"foo": "bar"}', attributes={"test": "123"}, published=None),
    ),
    (
        "functions-framework-java",
        "pubsub_emulator.json",
        ALONE,
        message('{"foo": "bar"}', attributes={"test": "123"}, id="1", channel="projects/FOO/subscriptions/BAR_SUB"),
    ),
    ("functions-framework-python", "raw_pubsub_noattributes.json", ALONE, message(id="1215011316659232")),
    (
        "knative-gcp",
        "pubsub-published.txt",
        PRINTED,
        message('{"Hello": "world"}', channel="projects/test-project/topics/testing", id="1314133748793931"),
    ),
]

REFUSED: list[tuple[str, str, Callable[[bytes], Raw], str]] = [
    ("gcs-pubsub-notifications", "ce01-headers-chunked-delete.txt", DUMPED, "unsupported_version"),
    ("gcs-pubsub-notifications", "go-struct-delete-overwritten.json", ALONE, "malformed_envelope"),
    ("python-docs-samples", "push-message-true.json", ALONE, "malformed_envelope"),
    ("python-docs-samples", "push-no-message.json", ALONE, "malformed_envelope"),
    ("python-docs-samples", "push-json-string.json", ALONE, "malformed_envelope"),
    ("cloudevents-sdk-java", "v03-base64_text_data.json", ALONE, "unsupported_version"),
    ("cloudevents-spec", "json-format-batch-example.json", ALONE, "malformed_base64"),
    ("cloudevents-sdk-java", "v1-min.json", ALONE, "unsupported_type"),
]


def load(origin: str, name: str) -> bytes:
    return (EVENTS / origin / name).read_bytes()


@pytest.mark.parametrize(("origin", "name", "how", "shown"), READ, ids=[f"{row[0]}/{row[1]}" for row in READ])
def test_a_published_payload_is_read(
    origin: str, name: str, how: Callable[[bytes], Raw], shown: dict[str, Json]
) -> None:
    headers, body = how(load(origin, name))
    (event,) = parse(headers, body, now=NOW)
    payload = event.to_json()[event.kind]
    assert isinstance(payload, dict)
    assert {field: payload[field] for field in shown} == shown


@pytest.mark.parametrize(("origin", "name", "how", "code"), REFUSED, ids=[f"{row[0]}/{row[1]}" for row in REFUSED])
def test_a_published_payload_is_refused(origin: str, name: str, how: Callable[[bytes], Raw], code: str) -> None:
    headers, body = how(load(origin, name))
    with pytest.raises(Malformed) as caught:
        parse(headers, body, now=NOW)
    assert caught.value.code == code


# Data of the Java SDK's single events, as the envelope holds it.
JAVA_EVENTS: dict[str, Json] = {
    "v1-base64_json_data.json": {},
    "v1-binary_attr.json": None,
    "v1-json_data_with_ext_invalid.json": {},
    "v1-json_data_with_ext_upper_case.json": {},
    "v1-min.json": None,
    "v1-numeric_ext.json": None,
    "v1-text_data.json": "Hello World Lorena!",
    "v1-xml_data.json": "<stuff></stuff>",
}


@pytest.mark.parametrize(("name", "data"), JAVA_EVENTS.items())
def test_the_java_sdks_events_are_read(name: str, data: Json) -> None:
    envelope = cloudevents.structured(json.loads(load("cloudevents-sdk-java", name)), {})
    assert (envelope.id, envelope.source, envelope.data) == ("1", "http://localhost/source", data)


# Attributes that no trigger reads are not checked.
LENIENT = {
    "invalidNonRfc2046DataContentType",
    "invalidEmptyDataContentType",
    "invalidEmptyDataSchema",
    "invalidEmptySubject",
    "invalidCapitalizedExtension",
    "invalidPunctuatedExtension",
    "invalidNonIntegerExtensionValue",
}


def accepted(file: str, field: str) -> tuple[set[str], set[str]]:
    """The ids of the conformance suite's cases that are read, and of those that are refused."""
    read, refused = set(), set()
    for case in json.loads(load("cloudevents-conformance", file))["tests"]:
        try:
            if field == "batch":
                cloudevents.batch(case["batch"], {})
            else:
                cloudevents.structured(case["event"], {})
        except Malformed:
            refused.add(case["id"])
        else:
            read.add(case["id"])
    return read, refused


def test_the_conformance_suites_valid_cases_are_read() -> None:
    assert accepted("valid-events.json", "event")[1] == set()
    assert accepted("valid-batches.json", "batch")[1] == set()


def test_the_conformance_suites_invalid_cases_are_refused_but_for_unread_attributes() -> None:
    assert accepted("invalid-events.json", "event")[0] == LENIENT
    assert accepted("invalid-batches.json", "batch")[0] == set()


def literal(source: str) -> str:
    """A C# string literal, plain or verbatim."""
    if source.startswith("@"):
        return source[2:-1].replace('""', '"')
    return source[1:-1].encode("latin-1").decode("unicode_escape")


def test_the_csharp_sdks_header_values() -> None:
    source = load("cloudevents-sdk-csharp", "HttpUtilitiesTest.cs").decode("utf-8-sig")
    string = r'(@"(?:[^"]|"")*"|"(?:[^"\\]|\\.)*")'
    round_trips, decoded, invalid = source.split("[Theory]")[1:]
    pairs = [tuple(map(literal, pair))[::-1] for pair in re.findall(rf"InlineData\({string}, {string}\)", round_trips)]
    pairs += [tuple(map(literal, pair)) for pair in re.findall(rf"InlineData\({string}, {string}\)", decoded)]
    assert len(pairs) == 13
    assert [cloudevents.decode_header(raw, "ce-x") for raw, _ in pairs] == [value for _, value in pairs]
    broken = [literal(each) for each in re.findall(rf"InlineData\({string}\)", invalid)]
    assert len(broken) == 16
    for raw in broken:
        with pytest.raises(Malformed):
            cloudevents.decode_header(raw, "ce-x")
