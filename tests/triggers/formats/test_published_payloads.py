"""Payloads that others published, read as they ask to be read. They lie beside the repository, or the tests skip.

Here are those of Google, Knative and CloudEvents; Azure's stand in test_published_azure. Every payload of theirs is in
one of the tables (the last test holds them to that). How a payload without headers gets some:

    ALONE       the body alone must do
    STORAGE     the body is the data of a binary CloudEvent from Eventarc, whose ce-* headers are ours
    TOPIC       likewise, for a message
    JOB         likewise, for a job of Cloud Scheduler
    WRAPPED     the body is a Pub/Sub message; we put it into a push envelope
    PRINTED     Knative's text form: its attributes become ce-* headers
    DUMPED      an HTTP dump: its own headers
"""

from __future__ import annotations

import json
import re
import textwrap
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest
import yaml

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import Event, Message
from retrigger.triggers.formats import cloudevents, parse, schedule
from retrigger.triggers.formats.wire import Handshake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


def _job(raw: bytes) -> Raw:
    return {**OURS, "Ce-Type": schedule.EXECUTED, "Ce-Source": "//cloudscheduler.googleapis.com/projects/p/jobs/j"}, raw


def _wrapped(raw: bytes) -> Raw:
    message = {**json.loads(raw), "messageId": "77", "publishTime": "2026-03-02T08:00:00Z"}
    return {}, json.dumps({"message": message, "subscription": "projects/p/subscriptions/s"}).encode()


def _printed(raw: bytes) -> Raw:
    attributes, _, data = raw.decode().partition("Data,\n")
    headers = {f"ce-{name}": value for name, value in re.findall(r"^  (\w+): (.*)$", attributes, re.MULTILINE)}
    headers["content-type"] = headers.pop("ce-datacontenttype")
    return headers, re.sub(r" // base64 .*", "", data).encode()


def _dumped(raw: bytes) -> Raw:
    head, _, chunked = raw.decode().replace("\r\n", "\n").partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
    return headers, chunked.splitlines()[1].encode()


ALONE, STORAGE, TOPIC, JOB, WRAPPED, PRINTED, DUMPED = _alone, _storage, _topic, _job, _wrapped, _printed, _dumped


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
CLOSED = {"notes": ["customer_encrypted", "gzip_encoded"]}
GCF_TEST = "projects/sample-project/topics/gcf-test"
GCF_ID = "aaaaaa-1111-bbbb-2222-cccccccccccc"

TEXT = {"channel": GCF_TEST, "id": GCF_ID, "attributes": {"attr1": "attr1-value"}, "body": "dGVzdCBtZXNzYWdlIDM="}
OLDEST = {"channel": GCF_TEST, "id": GCF_ID, "attributes": {"attribute1": "value1"}}
DONE = "projects/test-project/jobs/bqjob_r3ac45813612fa2d6_0000017d591922c9_1"
CREATE_TOPIC = {
    "serviceName": "pubsub.googleapis.com",
    "methodName": "google.pubsub.v1.Publisher.CreateTopic",
    "resourceName": "projects/test-project/topics/test-auditlogs-source",
    "insertId": "9frck8cf9j",
}
AUDITED = {
    "channel": "//cloudaudit.googleapis.com/projects/test-project/logs/activity",
    "attributes": CREATE_TOPIC,
    "time": "2020-06-30T16:14:47.593398Z",
    "subject": "pubsub.googleapis.com/projects/test-project/topics/test-auditlogs-source",
}

# Origin, name, how it gets its headers, and what its event must show, of its payload or (other names) of itself.
READ: list[tuple[str, str, Callable[[bytes], Raw], dict[str, Json]]] = [
    ("google-cloudevents", "storage-data-simple.json", STORAGE, SOME_CSHARP),
    ("google-cloudevents", "storage-data-complex.json", STORAGE, {**SAMPLE, **CLOSED, "content_type": "esse commodo"}),
    ("google-cloudevents", "binary-storage-complex.json", STORAGE, {**SAMPLE, **CLOSED, "content_type": "text/plain"}),
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
    (
        "functions-framework-dotnet",
        "legacy_storage_change.json",
        ALONE,
        {
            "bucket": "sample-bucket",
            "name": "MyFile",
            "version": "1588778055917163",
            "size": 0,
            "change": "deleted",
            "type": "google.cloud.storage.object.v1.deleted",
            "subject": "objects/MyFile",
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
    ("functions-framework-conformance", "pubsub_text-cloudevent-input.json", ALONE, TEXT),
    ("functions-framework-conformance", "pubsub_text-cloudevent-output.json", ALONE, TEXT),
    ("functions-framework-conformance", "pubsub_text-legacy-output.json", ALONE, TEXT),
    (
        "functions-framework-conformance",
        "pubsub_binary-legacy-input.json",
        ALONE,
        {"channel": GCF_TEST, "id": GCF_ID, "attributes": {}, "body": "AQIDBA=="},
    ),
    ("functions-framework-conformance", "legacy_pubsub-legacy-output.json", ALONE, OLDEST),
    ("functions-framework-conformance", "legacy_pubsub-legacy-output-converted.json", ALONE, OLDEST),
    ("functions-framework-conformance", "legacy_pubsub-cloudevent-output.json", ALONE, OLDEST),
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
        "functions-framework-dotnet",
        "pubsub_text_microsecond_precision.json",
        ALONE,
        {"time": "2020-05-06T07:33:34.556123Z", "published": "2020-05-06T07:33:34.556123Z"},
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
    (
        "functions-framework-java",
        "pubsub_background.json",
        ALONE,
        message('{"foo": "bar"}', attributes={"test": "123"}, id="1", channel="projects/FOO/topics/BAR_TOPIC"),
    ),
    ("functions-framework-python", "raw_pubsub_noattributes.json", ALONE, message(id="1215011316659232")),
    (
        "functions-framework-python",
        "marshalled_pubsub_noattr.json",
        ALONE,
        message('{"foo": "bar"}', id="1215011316659232", time="2021-04-17T07:21:18.249000Z"),
    ),
    (
        "knative-gcp",
        "pubsub-published.txt",
        PRINTED,
        message('{"Hello": "world"}', channel="projects/test-project/topics/testing", id="1314133748793931"),
    ),
    (
        "knative-gcp",
        "scheduler-executed.txt",
        PRINTED,
        {
            "name": "cre-scheduler-a7155fae-895c-4d11-b555-b2cd5ed97666",
            "scheduled_for": "2020-06-30T16:21:00.861000Z",
            "id": "1313918157507406",
        },
    ),
    (
        "google-cloudevents",
        "scheduler-data-simple.json",
        JOB,
        {"name": "j", "scheduled_for": "2026-03-02T08:00:00Z", "past_due": False},
    ),
    ("knative-gcp", "audit-written.txt", PRINTED, {**AUDITED, "id": "b2aaf4b545f42b4156d6f5fe7cca24b4"}),
    ("google-cloudevents", "audit-pubsub-createtopic.json", ALONE, AUDITED),
    (
        "google-cloudevents",
        "audit-monitoring-createtimeseries.json",
        ALONE,
        {
            "attributes": {
                "serviceName": "monitoring.googleapis.com",
                "methodName": "google.monitoring.v3.MetricService.CreateTimeSeries",
                "resourceName": "projects/test-project",
                "insertId": "1bqg3jae6l3gj",
            }
        },
    ),
    (
        "google-cloudevents",
        "audit-bigquery-jobcompleted.json",
        ALONE,
        {
            "id": "projects/test-project/logs/cloudaudit.googleapis.com%2Fdata_access/jpllvgecd7bx/"
            "2021-11-25T21:56:00.276607Z",
            "platform": "bigquery",
            "resource": DONE,
            "name": "test-project._1f5a368b27df6124588f6733820599593e869a8a.anon1f50c147_3e76_44d8_a863_44a8ab3deb61",
            "status": "succeeded",
            "properties": {
                "serviceName": "bigquery.googleapis.com",
                "methodName": "jobservice.jobcompleted",
                "resourceName": DONE,
                "insertId": "jpllvgecd7bx",
                "project": "test-project",
                "dataset": "_1f5a368b27df6124588f6733820599593e869a8a",
                "table": "anon1f50c147_3e76_44d8_a863_44a8ab3deb61",
                "jobId": "bqjob_r3ac45813612fa2d6_0000017d591922c9_1",
                "statementType": "SELECT",
            },
        },
    ),
    (
        "cloud-custodian",
        "bq-job-create.json",
        ALONE,
        {
            "platform": "bigquery",
            "resource": "projects/cloud-custodian/jobs/bquxjob_4c28c9a7_16958c2791d",
            "name": "cloud-custodian.test.test",
            "status": "created",
        },
    ),
    (
        "cloud-custodian",
        "ml-job-create.json",
        ALONE,
        {
            "platform": "vertex",
            "resource": "projects/second-impact-244209/jobs/test_job",
            "name": "test_job",
            "status": "queued",
        },
    ),
    (
        "cloud-custodian",
        "ml-model-create.json",
        ALONE,
        {
            "platform": "vertex",
            "resource": "projects/second-impact-244209/models/test_model",
            "name": "test_model",
            "status": "created",
        },
    ),
    ("cloudevents-sdk-java", "v1-base64_json_data.json", ALONE, {"json": {}, "body": "e30=", "subject": "sub"}),
    ("cloudevents-sdk-java", "v1-binary_attr.json", ALONE, {"attributes": {"binary": "4P8ARKo="}, "body": ""}),
    ("cloudevents-sdk-java", "v1-min.json", ALONE, message(body="", published=None, time="2026-03-02T08:00:00Z")),
    (
        "cloudevents-sdk-java",
        "v1-numeric_ext.json",
        ALONE,
        {"attributes": {"integer": "42", "decimal": "42.42", "float": "4.2", "long": "4200"}},
    ),
    (
        "cloudevents-sdk-java",
        "v1-text_data.json",
        ALONE,
        message(body="SGVsbG8gV29ybGQgTG9yZW5hIQ==", attributes={"datacontenttype": "text/plain"}),
    ),
    (
        "cloudevents-sdk-java",
        "v1-xml_data.json",
        ALONE,
        message(body="PHN0dWZmPjwvc3R1ZmY+", attributes={"datacontenttype": "application/xml"}),
    ),
]

REFUSED: list[tuple[str, str, Callable[[bytes], Raw], str]] = [
    ("gcs-pubsub-notifications", "ce01-headers-chunked-delete.txt", DUMPED, "unsupported_version"),
    ("gcs-pubsub-notifications", "go-struct-delete-overwritten.json", ALONE, "malformed_envelope"),
    ("python-docs-samples", "push-message-true.json", ALONE, "malformed_envelope"),
    ("python-docs-samples", "push-no-message.json", ALONE, "malformed_envelope"),
    ("python-docs-samples", "push-json-string.json", ALONE, "malformed_envelope"),
    ("cloudevents-sdk-java", "v03-base64_text_data.json", ALONE, "unsupported_version"),
    ("google-cloudevents", "scheduler-data-simple.json", ALONE, "missing_field"),
    ("functions-framework-python", "pubsub_background_bad_base64.json", ALONE, "malformed_base64"),
    ("functions-framework-python", "pubsub_legacy_bad_base64.json", ALONE, "malformed_base64"),
]

# Well-formed requests with a member that is no event: of a sender's own type every attribute is held to the
# specification. What is beside it is not lost.
REFUSED_MEMBERS: list[tuple[str, str, list[str]]] = [
    ("cloudevents-spec", "json-format-batch-example.json", ["malformed_base64", "C234-1234-1234"]),
    ("cloudevents-sdk-java", "v1-json_data_with_ext_invalid.json", ["bad_field"]),
    ("cloudevents-sdk-java", "v1-json_data_with_ext_upper_case.json", ["bad_field"]),
]

# What different senders make of one occurrence.
SAME = [
    [
        ("functions-framework-conformance", name)
        for name in (
            "pubsub_text-cloudevent-input.json",
            "pubsub_text-cloudevent-output.json",
            "pubsub_text-legacy-output.json",
        )
    ],
    [
        ("functions-framework-conformance", name)
        for name in (
            "legacy_pubsub-legacy-output.json",
            "legacy_pubsub-legacy-output-converted.json",
            "legacy_pubsub-cloudevent-output.json",
        )
    ],
    [
        ("functions-framework-conformance", name)
        for name in ("storage-cloudevent-input.json", "storage-cloudevent-output.json")
    ],
]
OTHERWISE_READ = {
    "http-protocol-binding.feature",
    "v1_minimum.yaml",
    "valid-events.json",
    "invalid-events.json",
    "valid-batches.json",
    "invalid-batches.json",
    "HttpUtilitiesTest.cs",
}


def load(origin: str, name: str) -> bytes:
    return (EVENTS / origin / name).read_bytes()


def outcomes(headers: dict[str, str], body: bytes) -> list[Event | Malformed]:
    parsed = parse(headers, body, now=NOW)
    assert not isinstance(parsed, Handshake)
    return parsed


def told(headers: dict[str, str], body: bytes) -> list[str]:
    """Of each member its id, or its code if it is none; a request that cannot be read as a whole has one."""
    try:
        return [each.code if isinstance(each, Malformed) else each.id for each in outcomes(headers, body)]
    except Malformed as error:
        return [error.code]


def the_event(headers: dict[str, str], body: bytes) -> Event:
    (event,) = outcomes(headers, body)
    assert not isinstance(event, Malformed)
    return event


@pytest.mark.parametrize(("origin", "name", "how", "shown"), READ, ids=[f"{row[0]}/{row[1]}" for row in READ])
def test_a_published_payload_is_read(
    origin: str, name: str, how: Callable[[bytes], Raw], shown: dict[str, Json]
) -> None:
    event = the_event(*how(load(origin, name))).to_json()
    payload = event[str(event["kind"])]
    assert isinstance(payload, dict)
    fields = {**event, **payload}
    assert {field: fields[field] for field in shown} == shown


@pytest.mark.parametrize(("origin", "name", "how", "code"), REFUSED, ids=[f"{row[0]}/{row[1]}" for row in REFUSED])
def test_a_published_payload_is_refused(origin: str, name: str, how: Callable[[bytes], Raw], code: str) -> None:
    headers, body = how(load(origin, name))
    with pytest.raises(Malformed) as caught:
        parse(headers, body, now=NOW)
    assert caught.value.code == code


@pytest.mark.parametrize(("origin", "name", "expected"), REFUSED_MEMBERS, ids=[row[1] for row in REFUSED_MEMBERS])
def test_a_published_member_is_refused_by_itself(origin: str, name: str, expected: list[str]) -> None:
    assert told({}, load(origin, name)) == expected


@pytest.mark.parametrize("variants", SAME, ids=[variants[0][1] for variants in SAME])
def test_variants_of_one_occurrence_are_one_event(variants: list[tuple[str, str]]) -> None:
    first, *others = [the_event({}, load(*variant)) for variant in variants]
    assert others == [first] * len(others)


def test_a_push_and_its_background_event_differ_in_channel_and_time_alone() -> None:
    push = the_event({}, load("functions-framework-java", "pubsub_emulator.json"))
    background = the_event({}, load("functions-framework-java", "pubsub_background.json"))
    assert isinstance(push.payload, Message)
    assert isinstance(background.payload, Message)
    channel, published = background.payload.channel, background.payload.published
    assert replace(push.payload, channel=channel, published=published) == background.payload
    assert replace(push, source=background.source, time=background.time, payload=background.payload) == background


def conformance(file: str) -> dict[str, list[str]]:
    """What becomes of the conformance suite's cases, by their names."""
    media = {"event": cloudevents.STRUCTURED, "batch": cloudevents.BATCH}
    return {
        case["id"]: told({"Content-Type": media[field]}, json.dumps(case[field]).encode())
        for case in json.loads(load("cloudevents-conformance", file))["tests"]
        for field in case.keys() & media.keys()
    }


def test_the_conformance_suites_valid_events_are_read() -> None:
    found = conformance("valid-events.json")
    suite = json.loads(load("cloudevents-conformance", "valid-events.json"))["tests"]
    assert found == {case["id"]: [case["event"]["id"]] for case in suite}
    times = [case["event"] for case in suite if case["sampleId"] == "minimalWithTime"]
    assert {the_event({}, json.dumps(event).encode()).time for event in times} == {
        datetime(2018, 4, 5, 17, 31, tzinfo=UTC)
    }


def test_the_conformance_suites_invalid_events_are_refused_but_for_the_empty_subject_that_azure_sends() -> None:
    found = conformance("invalid-events.json")
    assert len(found) == 25
    assert [name for name, outcome in found.items() if outcome == ["invalid"]] == ["invalidEmptySubject"]


def test_the_conformance_suites_batches_have_an_outcome_a_member() -> None:
    assert conformance("valid-batches.json") == {
        "validBatchEmpty": [],
        "validBatchMinimal": ["minimal"],
        "validBatchMinimal2": ["minimal", "minimal"],
        "validBatchMinimalAndAllCore": ["minimal", "allCore"],
        "validBatchMinimalAndAllExtensionTypes": ["minimal", "allExtensionTypes"],
    }
    assert conformance("invalid-batches.json") == {
        "invalidBatchMixedSpecVersions": ["minimal1", "unsupported_version"],
        "invalidBatchContainingInvalidCloudEvent": ["missing_field"],
        "invalidBatchContainingNonObject": ["malformed_envelope", "minimal1"],
    }


def scenarios() -> Iterator[tuple[Raw, str, Json]]:
    """The HTTP binding's requests, each example of each outline: request, its datacontenttype, its data."""
    source = load("cloudevents-conformance", "http-protocol-binding.feature").decode()
    for outline in source.split("Scenario Outline:")[1:]:
        request, data = (textwrap.dedent(block) for block in outline.split('"""')[1::2])
        (declared,) = re.findall(r"\|\s+datacontenttype \| (.+?)\s+\|", outline)
        for example in re.findall(r"\| (application/.+?)\s+\|$", outline.partition("Examples:")[2], re.MULTILINE):
            head, _, body = request.strip().replace("<contentType>", example).partition("\n\n")
            headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
            yield (headers, body.encode()), declared.replace("<contentType>", example), json.loads(data)


def test_the_http_bindings_scenarios() -> None:
    read = list(scenarios())
    assert len(read) == 4
    time = datetime(2018, 4, 5, 3, 56, 24, tzinfo=UTC)
    for request, content_type, data in read:
        assert the_event(*request) == Event(
            id="1234-1234-1234",
            source="/mycontext/subcontext",
            type="com.example.someevent",
            time=time,
            subject=None,
            payload=Message(
                channel="/mycontext/subcontext",
                id="1234-1234-1234",
                attributes={"datacontenttype": content_type},
                body=json.dumps(data, separators=(",", ":")).encode(),
                json=data,
                published=time,
            ),
        )


def test_the_least_events_of_every_kind_of_data() -> None:
    documents = list(yaml.safe_load_all(load("cloudevents-conformance", "v1_minimum.yaml")))
    found: list[Json | bytes] = []
    for document in documents:
        attributes = {name: str(value) for name, value in document["ContextAttributes"].items()}
        content_type = attributes["datacontenttype"]
        headers = {f"ce-{name}": value for name, value in attributes.items() if name != "datacontenttype"}
        binary = the_event({**headers, "Content-Type": content_type}, document["Data"].encode()).payload
        data = json.loads(document["Data"]) if "json" in content_type else document["Data"]
        structured = the_event({}, json.dumps({**attributes, "data": data}).encode()).payload
        assert binary == structured
        assert isinstance(binary, Message)
        found.append(binary.body if binary.json is None else binary.json)
    assert found == [
        b"Hello, World!\n",
        "Hello, 🌎!\n".encode(),
        "Hello, 🌎!",
        {"msg": "Hello, 🌎!"},
        ["Hello", "🌎!"],
        "<msg>Hello, 🌎!</msg>\n".encode(),
    ]


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


OURS_TO_READ = ("google", "functions-framework", "knative", "cloudevents", "gcs", "python-docs", "cloud-custodian")


def test_every_payload_of_these_origins_is_in_a_table() -> None:
    index = json.loads((EVENTS / "index.json").read_text())
    published = {(row["src"], row["name"]) for row in index if row["src"].startswith(OURS_TO_READ)}
    covered = {(row[0], row[1]) for row in [*READ, *REFUSED, *REFUSED_MEMBERS]}
    assert {name for _, name in published - covered} == OTHERWISE_READ
