"""Payloads of Azure that others published, read as they ask to be read. They lie beside the repository, or it skips.

Every payload of the origins azure-* and arcus-eventgrid has its row; a test fails for one that has none.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import Event, Lifecycle, Message, Object
from retrigger.triggers.formats import parse
from retrigger.triggers.formats.wire import Handshake

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.event import Json

EVENTS = (Path(__file__).resolve().parents[3] / "../shared/events").resolve()
pytestmark = pytest.mark.skipif(not EVENTS.exists(), reason="the published payloads are not beside the repository")

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
Shown: TypeAlias = "Mapping[str, Json]"


def load(path: str) -> bytes:
    return (EVENTS / path).read_bytes()


def read(path: str) -> list[Event | Malformed]:
    parsed = parse({}, load(path), now=NOW)
    assert not isinstance(parsed, Handshake)
    return parsed


def one(path: str) -> Event:
    (event,) = read(path)
    assert isinstance(event, Event)
    return event


SPECS = "azure-rest-api-specs"
TEMPLATE: Shown = {
    "account": "jolovstorage",
    "bucket": "gaocontainer",
    "name": "Template1.xlsx",
    "size": 17555,
    "content_type": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
CREATED: Shown = {
    **TEMPLATE,
    "version": "0x8D96060BDA19D9D",
    "sequencer": "0000000000000000000000000000B00D0000000005b058d3",
    "change": "created",
    "complete": True,
}
FOLDER: Shown = {"account": "jolovdfs", "bucket": "gaocontainer", "size": None, "complete": False}
NEW_FILE: Shown = {"account": "my-storage-account", "name": "new-file.txt", "version": "0x8D4BCC2E4835CD0"}
RUN = "AutoML_ad912b2d-6467-4f32-a616-dbe4af6dd8fc_5"

# What the payload of each event, one to a file, must show.
SHOWN: dict[str, Shown] = {
    f"{SPECS}/storage-blob-created-ce.json": CREATED,
    f"{SPECS}/storage-blob-created-eg.json": CREATED,
    f"{SPECS}/storage-blob-deleted-eg.json": {**TEMPLATE, "version": "0x8D96061B33FE1D2", "change": "deleted"},
    f"{SPECS}/storage-blob-tier-changed-ce.json": {**TEMPLATE, "change": "metadata"},
    f"{SPECS}/storage-blob-tier-changed-eg.json": {**TEMPLATE, "change": "metadata"},
    f"{SPECS}/storage-blob-renamed-ce.json": {
        "name": "newname",
        "size": None,
        "content_type": None,
        "change": "renamed",
    },
    f"{SPECS}/storage-blob-renamed-eg.json": {
        "name": "newname",
        "size": None,
        "content_type": None,
        "change": "renamed",
    },
    f"{SPECS}/storage-directory-created-ce.json": {**FOLDER, "name": "gaodir/", "change": "created"},
    f"{SPECS}/storage-directory-created-eg.json": {**FOLDER, "name": "gaodir/", "change": "created"},
    f"{SPECS}/storage-directory-deleted-ce.json": {**FOLDER, "name": "gaodir/", "change": "deleted"},
    f"{SPECS}/storage-directory-deleted-eg.json": {**FOLDER, "name": "gaodir/", "change": "deleted"},
    f"{SPECS}/storage-directory-renamed-ce.json": {**FOLDER, "name": "gaonewdir/", "change": "renamed"},
    f"{SPECS}/storage-directory-renamed-eg.json": {**FOLDER, "name": "gaonewdir/", "change": "renamed"},
    "azure-docs/blobcreated-ce.json": {**NEW_FILE, "bucket": "test-container", "size": 524288, "complete": True},
    "azure-docs/adls-createfile-ce.json": {**NEW_FILE, "bucket": "my-file-system", "size": 0, "complete": False},
    "azure-docs/adls-createfile-eg.json": {**NEW_FILE, "bucket": "my-file-system", "size": 0, "complete": False},
    "azure-docs/sftpcommit-eg.json": {**NEW_FILE, "bucket": "testcontainer", "size": 0, "complete": True},
    "azure-docs/sftp-blobrenamed-ce.json": {"bucket": "testcontainer", "name": "my-renamed-file.txt"},
    "azure-docs/directorydeleted-recursive-eg.json": {"name": "directory-to-delete/", "change": "deleted"},
    "azure-docs/asyncoperationinitiated-ce.json": {"name": "00000.avro", "change": "metadata"},
    "azure-docs/copyblob-eg.json": {"bucket": "<container-name>", "name": "<blob-name>", "complete": True},
    "azure-sdk-for-java/StorageBlobDeletedEventWithExtraProperty.json": {"name": "testfile.txt", "change": "deleted"},
    "azure-functions-templates/cloudevent-blobcreated-sample.json": {
        "bucket": "{storage-container}",
        "name": "{new-file}",
        "version": "0x8D76C39E4407333",
    },
    "arcus-eventgrid/BlobCreateEvent.json": {"account": "sample", "name": "finnish.jpeg", "complete": True},
    f"{SPECS}/ml-model-deployed-ce.json": {"name": "my-sklearn-service", "status": "deployed"},
    f"{SPECS}/ml-model-deployed-eg.json": {"name": "my-sklearn-service", "status": "deployed"},
    f"{SPECS}/ml-run-completed-ce.json": {"name": RUN, "status": "completed"},
    f"{SPECS}/ml-run-completed-eg.json": {"name": RUN, "status": "completed"},
    f"{SPECS}/ml-run-status-changed-ce.json": {"name": RUN, "status": "failed"},
    f"{SPECS}/ml-run-status-changed-eg.json": {"name": RUN, "status": "failed"},
    f"{SPECS}/ml-dataset-drift-detected-ce.json": {"name": "myDriftMonitor", "status": "drift_detected"},
    "azure-ml-eventgrid-samples/runcompleted-runstatus-failed.json": {"name": RUN, "status": "failed"},
    "azure-ml-eventgrid-samples/modelregistered-camelcase.json": {
        "name": "ncd-sklearn-model",
        "version": "1",
        "status": "registered",
        "tags": {"ncd": "true", "stage": "production"},
    },
    "azure-functions-python-library/queue-trigger-metadata.json": {"id": "1", "json": None},
    "azure-functions-python-library/servicebus-trigger-metadata.json": {
        "id": "abcee18397398d93891830a0aac89eed",
        "ordering_key": "mocked_session_id",
        "published": "2022-05-01T00:00:00.123456Z",
    },
}

# Events about no object and no run: messages on the channel that their source names, for whoever listens there.
MESSAGES: dict[str, list[Json]] = {
    f"{SPECS}/storage-storage-task-queued-ce.json": [{"queuedDateTime": "2023-03-23T16:43:50Z"}],
    f"{SPECS}/storage-storage-task-queued-eg.json": [{"queuedDateTime": "2023-03-23T16:43:50Z"}],
    f"{SPECS}/storage-blob-inventory-policy-completed-ce.json": [{"ruleName": "gao8.20"}],
    "azure-docs/lifecyclepolicycompleted-ce.json": [{"scheduleTime": "2022/05/24 22:57:29.3260160"}],
    "azure-functions-eventgrid-extension/multipleEventGridEvents.json": [{"sizeInBytes": 13}, {"sizeInBytes": 26}],
    "azure-functions-eventgrid-extension/stringDataEvent.json": ["goodBye world"],
    "azure-functions-eventgrid-extension/stringDataEvents.json": ["Perfectly balanced", "as all things should be"],
    "azure-functions-eventgrid-extension/arrayDataEvent.json": [["ConfusedDev", 123, True]],
    "azure-functions-eventgrid-extension/primitiveDataEvent.json": [123],
    "azure-functions-eventgrid-extension/missingDataEvent.json": [None],
    "azure-functions-python-library/eventgrid-datum-no-data.json": [None],
    "azure-sdk-for-java/CloudEventBinaryData.json": [None],
    "arcus-eventgrid/IoTDeviceDeleteEvent.json": [{"deviceId": "grid-test-01"}],
}

REFUSED: dict[str, str] = {
    "azure-docs/cloudevents-v01-blobcreated.json": "unsupported_version",
    "azure-functions-templates/eventgrid-python-sample.dat": "malformed_json",
    f"{SPECS}/custom-schema-publish.json": "malformed_envelope",
    f"{SPECS}/ns-publish-batch.json": "malformed_envelope",  # a request's description; its events are read below
}
MEMBER_REFUSED: dict[str, str] = {
    "azure-ml-eventgrid-samples/missing-data.json": "malformed_envelope",
    "azure-functions-python-worker/eventgrid-blobcreated-typo-url.json": "missing_field",
}
ELSEWHERE = {"azure-docs/subscription-validation-eg.json", "azure-sdk-for-java/MultipleEventsInSameBatch.json"}


def test_every_published_payload_has_its_row() -> None:
    published = {str(path.relative_to(EVENTS)) for path in EVENTS.glob("a*/*") if path.is_file()}
    assert published == {*SHOWN, *MESSAGES, *REFUSED, *MEMBER_REFUSED, *ELSEWHERE}


@pytest.mark.parametrize("path", SHOWN)
def test_an_event_shows_what_it_must(path: str) -> None:
    event = one(path)
    payload = event.to_json()[event.kind]
    assert isinstance(payload, dict)
    assert {field: payload[field] for field in SHOWN[path]} == SHOWN[path]


TWINS = [(path, path.replace("-ce.json", "-eg.json")) for path in SHOWN if path.endswith("-ce.json")]


@pytest.mark.parametrize(("path", "twin"), [pair for pair in TWINS if pair[1] in SHOWN])
def test_twins_of_both_schemas_are_equal(path: str, twin: str) -> None:
    assert one(path) == one(twin)


@pytest.mark.parametrize("path", MESSAGES)
def test_an_event_of_any_other_type_is_a_message(path: str) -> None:
    events = read(path)
    assert len(events) == len(MESSAGES[path])
    for event, expected in zip(events, MESSAGES[path], strict=True):
        assert isinstance(event, Event)
        assert isinstance(event.payload, Message)
        assert event.payload.channel == event.source
        found = event.payload.json
        if isinstance(found, dict) and isinstance(expected, dict):
            found = {name: found[name] for name in expected}
        assert found == expected


@pytest.mark.parametrize("path", REFUSED)
def test_a_request_is_refused(path: str) -> None:
    with pytest.raises(Malformed) as caught:
        read(path)
    assert caught.value.code == REFUSED[path]
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("path", MEMBER_REFUSED)
def test_an_event_is_refused(path: str) -> None:
    (member,) = read(path)
    assert isinstance(member, Malformed)
    assert member.code == MEMBER_REFUSED[path]


def test_the_url_that_is_missing_is_named() -> None:
    (member,) = read("azure-functions-python-worker/eventgrid-blobcreated-typo-url.json")
    assert "data.url" in str(member)


def test_the_validation_event_is_answered_with_its_code() -> None:
    parsed = parse({"aeg-event-type": "SubscriptionValidation"}, load("azure-docs/subscription-validation-eg.json"))
    assert parsed == Handshake("512d38b6-c7b8-40c8-89fe-f46f9e9622b6")


def test_a_batch_of_three_topics() -> None:
    created, deleted, again, unrouted = read("azure-sdk-for-java/MultipleEventsInSameBatch.json")
    assert isinstance(created, Event)
    assert isinstance(created.payload, Object)
    assert created.payload.change == "created"
    assert isinstance(deleted, Event)
    assert isinstance(again, Event)
    assert deleted.identity == again.identity
    assert isinstance(unrouted, Event)
    assert isinstance(unrouted.payload, Message)


def test_events_with_one_id_and_other_subjects_are_others() -> None:
    first, second = read("azure-functions-eventgrid-extension/multipleEventGridEvents.json")
    assert isinstance(first, Event)
    assert isinstance(second, Event)
    assert first.id == second.id
    assert first.identity != second.identity


@pytest.mark.parametrize(
    ("path", "notes"),
    [
        ("azure-docs/blobcreated-ce.json", ("subject_and_url_differ",)),
        ("arcus-eventgrid/BlobCreateEvent.json", ("subject_and_url_differ",)),
        ("azure-docs/lifecyclepolicycompleted-ce.json", ("time_without_zone",)),
        (f"{SPECS}/storage-blob-created-eg.json", ()),
    ],
)
def test_what_contradicts_itself_is_noted(path: str, notes: tuple[str, ...]) -> None:
    assert one(path).notes == notes


def test_a_deployment_lists_its_models_and_a_runs_specification_stays_text() -> None:
    deployed, run = one(f"{SPECS}/ml-model-deployed-eg.json").payload, one(f"{SPECS}/ml-run-completed-ce.json").payload
    assert isinstance(deployed, Lifecycle)
    assert deployed.properties["modelIds"] == ["sklearn_regression_model:1", "sklearn_regression_model:2"]
    assert isinstance(run, Lifecycle)
    properties = run.properties["runProperties"]
    assert isinstance(properties, dict)
    assert isinstance(properties["pipeline_spec"], str)


def test_drift_gives_its_window() -> None:
    payload = one(f"{SPECS}/ml-dataset-drift-detected-ce.json").payload
    assert isinstance(payload, Lifecycle)
    shown = {name: payload.properties[name] for name in ("driftCoefficient", "startTime", "endTime")}
    assert shown == {
        "driftCoefficient": 0.8350349068479208,
        "startTime": "2019-07-03T17:00:00-07:00",
        "endTime": "2019-07-04T17:00:00-07:00",
    }


def test_saved_messages_count_their_deliveries() -> None:
    assert one("azure-functions-python-library/queue-trigger-metadata.json").attempt == 10
    assert one("azure-functions-python-library/servicebus-trigger-metadata.json").attempt == 571


def test_a_service_bus_message_as_the_host_gives_it() -> None:
    saved = json.loads(load("azure-functions-python-library/servicebus-trigger-metadata.json"))
    metadata = {name: str(datum["value"]) for name, datum in saved.items()}
    place = "sb://acme.servicebus.windows.net/testqueue"
    parsed = parse(metadata, b'{"lucky_number": 23}', f"servicebus/{place}", now=NOW)
    assert isinstance(parsed, list)
    (event,) = parsed
    assert isinstance(event, Event)
    assert event.attempt == 571
    assert isinstance(event.payload, Message)
    assert (event.payload.channel, event.payload.json) == (place, {"lucky_number": 23})
    assert event.payload.attributes["application"] == "value"


def test_a_binary_event_with_an_empty_subject() -> None:
    event = one("azure-sdk-for-java/CloudEventBinaryData.json")
    assert event.subject is None
    assert isinstance(event.payload, Message)
    assert len(event.payload.body) == 12


@pytest.mark.parametrize(
    ("name", "codes"), [("ns-publish-batch.json", [None]), ("custom-schema-publish.json", ["missing_field"])]
)
def test_the_events_of_a_published_request(name: str, codes: list[str | None]) -> None:
    events = json.loads(load(f"{SPECS}/{name}"))["parameters"]["events"]
    headers = {"content-type": "application/cloudevents-batch+json"}
    parsed = parse(headers, json.dumps(events).encode(), now=NOW)
    assert isinstance(parsed, list)
    assert [each.code if isinstance(each, Malformed) else None for each in parsed] == codes
