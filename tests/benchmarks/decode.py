"""From a request's bytes to an event: payloads of about 1 KB in each wire format, beside `json.loads` of the same."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from retrigger.triggers.event import Event, Message, Object, Schedule
from retrigger.triggers.formats import parse
from retrigger.triggers.formats.encoding import encode
from tests.benchmarks.measure import in_turns
from tests.benchmarks.report import Benchmark, Report, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from retrigger.triggers.formats.encoding import Form

_NOW: Final = datetime(2026, 1, 5, 9, tzinfo=UTC)
_ROUNDS: Final = 7
_BYTES: Final = 1024
_TARGET_US: Final = 30
_EVENTS: Final = Path(__file__).parents[1] / "golden" / "events"
_Raw: TypeAlias = "tuple[dict[str, str], bytes, str | None]"
"""Headers, body and route."""


def run(sizes: Sequence[int]) -> Report:
    """`sizes`: parses a round."""
    (times,) = sizes
    requests = {
        **{name: _padded(make, form) for name, (make, form) in _ENCODED.items()},
        **{name: _recorded(golden) for name, golden in _GOLDEN.items()},
    }
    parsing: dict[str, Callable[[], float]] = {}
    loading: dict[str, Callable[[], float]] = {}
    for name, (headers, body, route) in requests.items():
        (event,) = parse(headers, body, route, now=_NOW)  # type: ignore[misc]  # no handshake
        assert isinstance(event, Event), name
        parsing[name] = partial(_time, partial(parse, headers, body, route, now=_NOW), times)
        loading[name] = partial(_time, partial(json.loads, body), times)
    us, floor = in_turns(parsing, _ROUNDS), in_turns(loading, _ROUNDS)
    return Report(
        columns=("format", "bytes", "us", "json.loads, us"),
        rows=[(name, len(requests[name][1]), us[name], floor[name]) for name in us],
        data={"us": dict(us), "json_loads_us": dict(floor)},
        targets=[Target("the slowest format, us", max(us.values()), _TARGET_US)],
        notes=[f"processor time, medians of {_ROUNDS} rounds that take turns"],
    )


def _event(payload: Object | Message | Schedule, type_: str, subject: str | None) -> Event:
    source = "//pubsub.googleapis.com/projects/acme/topics/retrain"
    return Event(id="event-1", source=source, type=type_, time=_NOW, subject=subject, payload=payload)


def _object(pad: int) -> Event:
    name = "churn/dt=2026-01-05/" + "p" * pad + ".csv"
    payload = Object(
        store="gcs",
        account=None,
        bucket="landing",
        name=name,
        version="1767603600000000",
        sequencer="1767603600000000",
        size=123_456,
        content_type="text/csv",
        checksum="q2hlY2tzdW0=",
        uri=f"gs://landing/{name}",
    )
    return _event(payload, "google.cloud.storage.object.v1.finalized", f"objects/{name}")


def _message(pad: int) -> Event:
    body = {"request_id": "r-1", "data": "gs://landing/" + "p" * pad}
    payload = Message(
        channel="projects/acme/topics/retrain",
        id="1",
        attributes={"team": "growth"},
        body=json.dumps(body).encode(),
        json=dict(body),
        published=_NOW,
    )
    return _event(payload, "google.cloud.pubsub.topic.v1.messagePublished", None)


def _schedule(pad: int) -> Event:
    name = "weekly" + "p" * pad
    return _event(Schedule(name=name, scheduled_for=_NOW), "dev.retrigger.schedule.due.v1", name)


_ENCODED: Final[Mapping[str, tuple[Callable[[int], Event], Form]]] = {
    "CloudEvent binary, object": (_object, "cloudevent-binary"),
    "CloudEvent structured, object": (_object, "cloudevent-structured"),
    "storage notification": (_object, "storage-notification"),
    "CloudEvent binary, message": (_message, "cloudevent-binary"),
    "CloudEvent structured, message": (_message, "cloudevent-structured"),
    "Pub/Sub push": (_message, "pubsub-push"),
    "CloudEvent binary, schedule": (_schedule, "cloudevent-binary"),
}
# Formats that nothing here writes: golden requests, with a key that no format knows making them as long.
_GOLDEN: Final[Mapping[str, str]] = {
    "CloudEvent of a sender's own": "cloudevents-unknown-type",
    "Pub/Sub push, unwrapped": "pubsub-unwrapped",
    "storage notification, unwrapped": "notification-unwrapped",
    "background, object": "background-storage-finalize",
    "background, message": "background-pubsub",
    "audit log, BigQuery": "audit-bigquery-job-completed",
    "audit log, Vertex AI": "audit-vertex-pipeline-job",
    "audit log, other": "audit-other",
    "Cloud Scheduler, HTTP": "schedule-cloud-scheduler",
    "Cloud Scheduler, Pub/Sub": "schedule-pubsub",
    "Cloud Scheduler, Eventarc": "schedule-eventarc",
    "Event Grid, blob": "blob-putblocklist",
    "CloudEvent, blob": "blob-created-cloudevent",
    "Event Grid, Azure ML": "azureml-run-completed",
    "Storage Queue, Event Grid": "queue-event-grid",
    "Storage Queue, message": "queue-message",
    "Service Bus, message": "servicebus-message",
    "blob trigger": "blob-trigger",
    "timer": "timer",
}


def _padded(make: Callable[[int], Event], form: Form) -> _Raw:
    """The first that is as long as it should be."""
    return next(
        (headers, body, None) for pad in count() for headers, body in [encode(make(pad), form)] if len(body) >= _BYTES
    )


def _recorded(name: str) -> _Raw:
    headers = _EVENTS / f"{name}.headers.json"
    value = json.loads((_EVENTS / f"{name}.json").read_text() or "{}")
    short = _BYTES - len(json.dumps(_with(value, "")))
    return (
        json.loads(headers.read_text()) if headers.exists() else {},
        json.dumps(_with(value, "p" * max(0, short))).encode(),
        json.loads((_EVENTS / f"{name}.expected.json").read_text()).get("route"),
    )


def _with(value: Any, pad: str) -> Any:  # a golden request's JSON
    """The event, or an array's first, with one more key."""
    return [_with(value[0], pad), *value[1:]] if isinstance(value, list) else {**value, "pad": pad}


def _time(work: Callable[[], object], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times * 1e6


DECODE: Final = Benchmark(line="from bytes to an event", unit="parses a round", sizes=(1_000,), smallest=(2,), run=run)
