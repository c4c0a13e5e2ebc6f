"""From a request's bytes to an event: payloads of about 1 KB in each wire format, beside `json.loads` of the same."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

from retrigger.triggers.event import Event, Message, Object
from retrigger.triggers.formats import encode, parse
from tests.benchmarks.measure import in_turns
from tests.benchmarks.report import Benchmark, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from retrigger.triggers.formats import Form

_NOW: Final = datetime(2026, 1, 5, 9, tzinfo=UTC)
_ROUNDS: Final = 7
_BYTES: Final = 1024


def run(sizes: Sequence[int]) -> Report:
    """`sizes`: parses a round."""
    (times,) = sizes
    requests = {name: _padded(make, form) for name, (make, form) in _CASES.items()}
    parsing: dict[str, Callable[[], float]] = {}
    loading: dict[str, Callable[[], float]] = {}
    for name, (headers, body) in requests.items():
        parse(headers, body, now=_NOW)
        parsing[name] = partial(_time, partial(parse, headers, body, now=_NOW), times)
        loading[name] = partial(_time, partial(json.loads, body), times)
    us, floor = in_turns(parsing, _ROUNDS), in_turns(loading, _ROUNDS)
    return Report(
        columns=("format", "bytes", "us", "json.loads, us"),
        rows=[(name, len(requests[name][1]), us[name], floor[name]) for name in us],
        data={"us": dict(us), "json_loads_us": dict(floor)},
        notes=[f"medians of {_ROUNDS} rounds that take turns"],
    )


def _event(payload: Object | Message, type_: str, subject: str | None) -> Event:
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


_CASES: Final[Mapping[str, tuple[Callable[[int], Event], Form]]] = {
    "CloudEvent binary, object": (_object, "cloudevent-binary"),
    "CloudEvent structured, object": (_object, "cloudevent-structured"),
    "storage notification": (_object, "storage-notification"),
    "CloudEvent binary, message": (_message, "cloudevent-binary"),
    "CloudEvent structured, message": (_message, "cloudevent-structured"),
    "Pub/Sub push": (_message, "pubsub-push"),
}


def _padded(make: Callable[[int], Event], form: Form) -> tuple[dict[str, str], bytes]:
    """The first that is as long as it should be."""
    return next(request for pad in count() if len((request := encode(make(pad), form))[1]) >= _BYTES)


def _time(work: Callable[[], object], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - began) / times * 1e6


DECODE: Final = Benchmark(line="from bytes to an event", unit="parses a round", sizes=(1_000,), smallest=(2,), run=run)
