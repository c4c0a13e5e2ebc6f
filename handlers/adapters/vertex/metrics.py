"""What Cloud Monitoring measured of a deployed model: what is asked, and how the answers are read. Pure.

The metrics: https://cloud.google.com/monitoring/api/metrics_gcp_a_b#gcp-aiplatform. How they are asked for:
https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/list. They are minutes behind.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from retrigger.handlers.endpoints import Health
from retrigger.handlers.transport.api import object_in
from retrigger.triggers.errors import Unavailable
from retrigger.triggers.event import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.handlers.adapters.vertex.serving import Place

PUBLIC: Final = "https://monitoring.googleapis.com"
_ONLINE: Final = "aiplatform.googleapis.com/prediction/online"
_MINUTE_MS: Final = 60_000
"""No time series is aligned to less."""

# The platform's JSON, of which only the fields named below are looked at.
Document = dict[str, Any]


def queries(
    place: Place, deployment: str, since_ms: int, until_ms: int, address: str | None = None
) -> tuple[str, str] | None:
    """URLs that ask for the responses by their status, and for the 95th percentile of their latency.

    Of whole minutes up to `until_ms`, as one point; None where there is not one yet.
    """
    minutes = (until_ms - since_ms) // _MINUTE_MS
    if minutes < 1:
        return None
    whole = {
        "interval.startTime": _time(until_ms - minutes * _MINUTE_MS),
        "interval.endTime": _time(until_ms),
        "aggregation.alignmentPeriod": f"{minutes * 60}s",
    }
    responses = {
        "filter": _filter("response_count", place, deployment),
        **whole,
        "aggregation.perSeriesAligner": "ALIGN_DELTA",
        "aggregation.crossSeriesReducer": "REDUCE_SUM",
        "aggregation.groupByFields": "metric.labels.response_code",
    }
    latency = {
        "filter": f'{_filter("prediction_latencies", place, deployment)} AND metric.labels.latency_type = "total"',
        **whole,
        "aggregation.perSeriesAligner": "ALIGN_PERCENTILE_95",
        "aggregation.crossSeriesReducer": "REDUCE_MAX",
    }
    url = f"{(address or PUBLIC).rstrip('/')}/v3/projects/{quote(place.project)}/timeSeries"
    return f"{url}?{urlencode(responses)}", f"{url}?{urlencode(latency)}"


def health_in(responses: Document, latency: Document) -> Health | None:
    """None as long as nothing was measured, or not yet how long it took. All but 2xx has failed.

    Where every request failed, none took any time.
    """
    counts = [(_status(series), count) for series in _series(responses) for count in _points(series)]
    total = sum(count for _, count in counts)
    if total <= 0:
        return None
    failed = sum(count for status, count in counts if not status.startswith("2"))
    slowest = max((point for series in _series(latency) for point in _points(series)), default=None)
    if slowest is None:
        return Health(error_rate=1.0, p95_ms=0) if failed == total else None
    return Health(error_rate=failed / total, p95_ms=round(slowest))


def _filter(metric: str, place: Place, deployment: str) -> str:
    terms = {
        "metric.type": f"{_ONLINE}/{metric}",
        "resource.labels.endpoint_id": place.endpoint,
        "metric.labels.deployed_model_id": deployment,
    }
    return " AND ".join(f"{name} = {json.dumps(value)}" for name, value in terms.items())


def _time(ms: int) -> str:
    return rfc3339(datetime.fromtimestamp(ms / 1000, UTC))


def _series(answer: Document) -> list[Document]:
    """An empty answer says so by leaving the list out; one of several pages was not asked for."""
    found = answer.get("timeSeries", [])
    if answer.get("nextPageToken") or not (isinstance(found, list) and all(isinstance(one, dict) for one in found)):
        raise _odd()
    return found


def _status(series: Document) -> str:
    """`200` or `2xx`."""
    return str(object_in(object_in(series, "metric"), "labels").get("response_code", ""))


def _points(series: Document) -> Iterator[float]:
    """Numbers; whole ones are written as text."""
    points = series.get("points", [])
    if not isinstance(points, list):
        raise _odd()
    for point in points:
        match point:
            case {"value": {"int64Value": str() | int() as value}} | {
                "value": {"doubleValue": int() | float() as value}
            }:
                yield _number(value)
            case _:
                raise _odd()


def _number(value: str | float) -> float:
    try:
        number = float(value)
    except (ValueError, OverflowError) as exc:
        raise _odd() from exc
    if not (math.isfinite(number) and number >= 0):
        raise _odd()
    return number


def _odd() -> Unavailable:
    return Unavailable("Cloud Monitoring gave an odd answer: no list of numbers; try again", code="odd_answer")
