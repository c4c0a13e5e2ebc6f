"""Cloud Monitoring's measurements of what the endpoints of the local Vertex AI predicted.

A request counts in its whole minute, and is told of at once; the cloud's measurements are minutes late.

Sources: https://cloud.google.com/monitoring/api/metrics_gcp_a_b#gcp-aiplatform (the metrics),
https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/list (how they are asked for)
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import fmean
from typing import TYPE_CHECKING, Final

from retrigger.local_emulator.planes.resources import Invalid, NotFound, matching
from retrigger.local_emulator.planes.rest import route
from retrigger.local_emulator.planes.vertex.deploying import KIND
from retrigger.local_emulator.runners.record import timestamp
from retrigger.local_emulator.runners.routing import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from starlette.routing import Route

    from retrigger.local_emulator.planes.resources import Body, Resource, Resources
    from retrigger.local_emulator.planes.rest import Call
    from retrigger.local_emulator.runners.routing import Traffic

_ONLINE: Final = "aiplatform.googleapis.com/prediction/online"
_RESPONSES: Final = f"{_ONLINE}/response_count"
_ERRORS: Final = f"{_ONLINE}/error_count"
_LATENCIES: Final = f"{_ONLINE}/prediction_latencies"

_TYPE: Final = re.compile(r'metric\.type\s*=\s*"([^"]*)"')
_LABEL: Final = re.compile(r"\b(metric|resource)\.label\.")
_PERIOD: Final = re.compile(r"([0-9]{1,9})s", re.ASCII)
_LEAST_PERIOD: Final = timedelta(minutes=1)
_SUMS: Final = ("ALIGN_DELTA", "ALIGN_SUM")
_PERCENTILES: Final = {f"ALIGN_PERCENTILE_{share:02}": share / 100 for share in (5, 50, 95, 99)}
_REDUCERS: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "REDUCE_SUM": sum,
    "REDUCE_MAX": max,
    "REDUCE_MIN": min,
    "REDUCE_MEAN": fmean,
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked for. Its points are for periods that end at `until`, or whole periods before it."""

    metric: str
    filter_: str
    since: datetime
    until: datetime
    period: timedelta
    aligner: str
    reducer: str
    groups: frozenset[str]


class Monitoring:
    """Answers for response_count, error_count and prediction_latencies of the models that are deployed."""

    def __init__(self, resources: Resources, traffic: Traffic) -> None:
        self._resources = resources
        self._traffic = traffic

    def routes(self) -> list[Route]:
        return [route("GET", "/v3/projects/{project}/timeSeries", self.list_series)]

    def list_series(self, call: Call) -> Body:
        """Errors: NotFound for another metric; Invalid for what is not emulated, and for what the cloud refuses too."""
        asked = _asked(call)
        measured = [
            point for endpoint in self._endpoints(call.path["project"]) for point in self._points(endpoint, asked)
        ]
        series: dict[str, Body] = {}
        numbers: dict[str, dict[int, list[float]]] = {}
        for point in matching(measured, asked.filter_):
            shown = {"metric": _reduced("metric", point, asked), "resource": _reduced("resource", point, asked)}
            key = repr(shown)
            series[key] = shown
            numbers.setdefault(key, {}).setdefault(point["period"], []).append(point["number"])
        found = [{**shown, **_told(numbers[key], asked)} for key, shown in series.items()]
        return {"timeSeries": found} if found else {}

    def _endpoints(self, project: str) -> Iterator[Resource]:
        for collection in self._resources.collections(KIND):
            if collection.startswith(f"projects/{project}/"):
                yield from self._resources.all(collection)

    def _points(self, endpoint: Resource, asked: _Asked) -> Iterator[Body]:
        """One for each series and period: the labels that a filter sees, the period's number, and what was measured."""
        _, project, _, location, _, endpoint_id = endpoint.name.split("/")
        place = {"project_id": project, "location": location, "endpoint_id": endpoint_id}
        since = asked.since.replace(second=0, microsecond=0)
        for deployed in endpoint.body["deployedModels"]:
            labels = {
                "deployed_model_id": deployed["id"],
                "model_display_name": deployed["displayName"],
                "endpoint_display_name": endpoint.body["displayName"],
            }
            minutes = self._traffic.minutes(endpoint.name, deployed["id"], since, asked.until)
            for period, tally in _in_periods(minutes, asked).items():
                for more, number in _numbers(tally, asked):
                    yield {
                        "metric": {"type": asked.metric, "labels": {**labels, **more}},
                        "resource": {"type": "aiplatform.googleapis.com/Endpoint", "labels": place},
                        "period": period,
                        "number": number,
                    }


def _asked(call: Call) -> _Asked:
    query = call.query
    filter_ = _LABEL.sub(r"\1.labels.", query.get("filter", ""))
    metric = _TYPE.search(filter_)
    if metric is None:
        raise Invalid("filter must name one metric.type.")
    if metric[1] not in (_RESPONSES, _ERRORS, _LATENCIES):
        raise NotFound(f"Cannot find metric(s) that match type = {metric[1][:200]!r}.")
    since, until = _time(query, "interval.startTime"), _time(query, "interval.endTime")
    period = _PERIOD.fullmatch(query.get("aggregation.alignmentPeriod", ""))
    length = timedelta(seconds=int(period[1])) if period else timedelta()
    if since >= until or length < _LEAST_PERIOD:
        raise Invalid("interval must begin before it ends, and aggregation.alignmentPeriod must be 60s or more.")
    aligner = query.get("aggregation.perSeriesAligner", "")
    emulated = tuple(_PERCENTILES) if metric[1] == _LATENCIES else _SUMS
    if aligner not in emulated:
        raise Invalid(f"aggregation.perSeriesAligner: for this metric only {', '.join(emulated)} are emulated.")
    reducer = query.get("aggregation.crossSeriesReducer", "REDUCE_NONE")
    if reducer not in ("REDUCE_NONE", *_REDUCERS):
        raise Invalid(f"aggregation.crossSeriesReducer: only {', '.join(_REDUCERS)} are emulated.")
    groups = {_LABEL.sub(r"\1.labels.", value) for name, value in call.pairs if name == "aggregation.groupByFields"}
    return _Asked(metric[1], filter_, since, until, length, aligner, reducer, frozenset(groups))


def _time(query: Mapping[str, str], name: str) -> datetime:
    try:
        found = datetime.fromisoformat(query.get(name, ""))
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid(f"{name} must be a time, as in 2026-01-02T00:00:00Z.") from error
    raise Invalid(f"{name} must have a time zone, as in 2026-01-02T00:00:00Z.")


def _in_periods(minutes: Mapping[datetime, Tally], asked: _Asked) -> dict[int, Tally]:
    """Number 0 is the newest period. A minute that began before the oldest one counts in that."""
    oldest = (asked.until - asked.since) // asked.period - 1
    periods: dict[int, list[Tally]] = {}
    for began, tally in minutes.items():
        newer = (asked.until - began - datetime.resolution) // asked.period
        periods.setdefault(max(0, min(newer, oldest)), []).append(tally)
    return {number: Tally.sum(tallies) for number, tallies in periods.items()}


def _numbers(tally: Tally, asked: _Asked) -> Iterator[tuple[Body, float]]:
    """What a metric says of some requests, with the labels that tell its series apart."""
    match asked.metric:
        case metric if metric == _RESPONSES:
            classes: Counter[str] = Counter()
            for status, count in tally.statuses.items():
                classes[f"{status // 100}xx"] += count
            for name, count in classes.items():
                yield {"response_code": name}, count
        case metric if metric == _ERRORS:
            if errors := sum(count for status, count in tally.statuses.items() if status >= 400):
                yield {}, errors
        case _:
            latency = tally.quantile_ms(_PERCENTILES[asked.aligner])
            if latency is not None:
                yield {"latency_type": "total"}, float(latency)
                yield {"latency_type": "model"}, float(latency)


def _reduced(part: str, point: Body, asked: _Asked) -> Body:
    """The labels that a series has: all of them, or those that it was grouped by."""
    labels = point[part]["labels"]
    if asked.reducer != "REDUCE_NONE":
        labels = {name: value for name, value in labels.items() if f"{part}.labels.{name}" in asked.groups}
    return {"type": point[part]["type"], "labels": labels}


def _told(numbers: Mapping[int, Sequence[float]], asked: _Asked) -> Body:
    """The points, newest first."""
    reduce = _REDUCERS.get(asked.reducer, sum)  # a series that is not reduced has one number a period
    values = {period: reduce(many) for period, many in sorted(numbers.items())}
    whole = asked.metric != _LATENCIES and asked.reducer != "REDUCE_MEAN"
    points = []
    for period, value in values.items():
        ended = asked.until - period * asked.period
        interval = {"startTime": timestamp(ended - asked.period), "endTime": timestamp(ended)}
        points.append({"interval": interval, "value": {"int64Value": str(value)} if whole else {"doubleValue": value}})
    return {
        "metricKind": "DELTA" if whole else "GAUGE",
        "valueType": "INT64" if whole else "DOUBLE",
        "points": points,
    }
