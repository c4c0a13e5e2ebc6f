"""What Cloud Monitoring tells of the predictions of a deployed model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
import urllib3

from retrigger.local_emulator.state import State
from tests.local_emulator.planes.vertex.online import CHURN, an_endpoint, deployed, deployment, error, register
from tests.local_emulator.planes.vertex.test_plane import Plane

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
ONLINE = "aiplatform.googleapis.com/prediction/online"
WHOLE = {
    "interval.startTime": "2026-01-02T12:00:00Z",
    "interval.endTime": "2026-01-02T12:10:00Z",
    "aggregation.alignmentPeriod": "600s",
}
COUNTED = {"aggregation.perSeriesAligner": "ALIGN_DELTA"}
RESOURCE = {
    "type": "aiplatform.googleapis.com/Endpoint",
    "labels": {"project_id": "p", "location": "europe-west4", "endpoint_id": "churn"},
}
NAMES = {"model_display_name": "Churn", "endpoint_display_name": "Churn"}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """Two deployed models, of which the second had trouble."""
    plane = Plane(State.at(tmp_path_factory.mktemp("online") / "state"))
    register(plane, "blue")
    an_endpoint(plane)
    deployed(plane, deployment(number="1"))
    deployed(plane, deployment(number="2"))
    for second in range(100):
        plane.traffic.count(CHURN, "1", 200, second, NOON + timedelta(seconds=second * 5))
    for status in (200, 200, 500, 503, 404):
        plane.traffic.count(CHURN, "2", status, 40, NOON + timedelta(minutes=9, seconds=59))
    yield plane
    plane.stop()


def ask(plane: Plane, filter_: str, project: str = "p", **query: Any) -> tuple[int, Any]:
    asked = urlencode({"filter": filter_, **WHOLE, **query}, doseq=True)
    answer = urllib3.request("GET", f"{plane.server.url}/v3/projects/{project}/timeSeries?{asked}")
    return answer.status, answer.json()


def metric(name: str, deployed_id: str = "2") -> str:
    return (
        f'metric.type = "{ONLINE}/{name}" AND resource.labels.endpoint_id = "churn" AND '
        f'metric.label.deployed_model_id="{deployed_id}"'
    )


def point(value: Any, start: str = "12:00:00", end: str = "12:10:00") -> dict[str, Any]:
    times = {"startTime": f"2026-01-02T{start}.000000Z", "endTime": f"2026-01-02T{end}.000000Z"}
    return {"interval": times, "value": value}


def test_responses_are_counted_by_the_class_of_their_status(plane: Plane) -> None:
    status, told = ask(plane, metric("response_count"), **COUNTED)
    assert status == 200
    series = sorted(told["timeSeries"], key=lambda one: str(one["metric"]["labels"]["response_code"]))
    assert series == [
        {
            "metric": {
                "type": f"{ONLINE}/response_count",
                "labels": {"deployed_model_id": "2", "response_code": name, **NAMES},
            },
            "resource": RESOURCE,
            "metricKind": "DELTA",
            "valueType": "INT64",
            "points": [point({"int64Value": count})],
        }
        for name, count in (("2xx", "2"), ("4xx", "1"), ("5xx", "2"))
    ]


def test_series_are_summed_by_the_labels_that_are_asked_for(plane: Plane) -> None:
    summed = {**COUNTED, "aggregation.crossSeriesReducer": "REDUCE_SUM"}
    _, told = ask(plane, f'metric.type="{ONLINE}/response_count"', **summed)
    assert [(one["metric"], one["points"]) for one in told["timeSeries"]] == [
        ({"type": f"{ONLINE}/response_count", "labels": {}}, [point({"int64Value": "105"})])
    ]
    fields = ["metric.label.deployed_model_id", "resource.labels.endpoint_id"]
    grouped = {**summed, "aggregation.groupByFields": fields}
    _, told = ask(plane, f'metric.type="{ONLINE}/response_count"', **grouped)
    assert [
        (one["metric"]["labels"], one["resource"]["labels"], one["points"][0]["value"]) for one in told["timeSeries"]
    ] == [
        ({"deployed_model_id": "1"}, {"endpoint_id": "churn"}, {"int64Value": "100"}),
        ({"deployed_model_id": "2"}, {"endpoint_id": "churn"}, {"int64Value": "5"}),
    ]


def test_errors_are_those_of_the_model_and_those_of_its_callers(plane: Plane) -> None:
    _, told = ask(plane, metric("error_count"), **COUNTED)
    assert [one["points"] for one in told["timeSeries"]] == [[point({"int64Value": "3"})]]
    assert ask(plane, metric("error_count", "1"), **COUNTED) == (200, {})


def test_latency_is_told_as_a_percentile_in_milliseconds(plane: Plane) -> None:
    total = f'{metric("prediction_latencies", "1")} AND metric.labels.latency_type = "total"'
    for aligner, bound in (("ALIGN_PERCENTILE_50", 50.0), ("ALIGN_PERCENTILE_95", 100.0)):
        asked = {"aggregation.perSeriesAligner": aligner, "aggregation.crossSeriesReducer": "REDUCE_MAX"}
        _, told = ask(plane, total, **asked)
        assert told["timeSeries"] == [
            {
                "metric": {"type": f"{ONLINE}/prediction_latencies", "labels": {}},
                "resource": {"type": RESOURCE["type"], "labels": {}},
                "metricKind": "GAUGE",
                "valueType": "DOUBLE",
                "points": [point({"doubleValue": bound})],
            }
        ]
    _, told = ask(plane, metric("prediction_latencies"), **{"aggregation.perSeriesAligner": "ALIGN_PERCENTILE_95"})
    assert {one["metric"]["labels"]["latency_type"] for one in told["timeSeries"]} == {"total", "model"}


def test_points_are_told_period_by_period_newest_first(plane: Plane) -> None:
    shorter = {**COUNTED, "aggregation.alignmentPeriod": "300s"}
    _, told = ask(plane, metric("response_count", "1"), **shorter)
    assert told["timeSeries"][0]["points"] == [
        point({"int64Value": "40"}, "12:05:00", "12:10:00"),
        point({"int64Value": "60"}, "12:00:00", "12:05:00"),
    ]


def test_a_minute_that_the_interval_touches_counts_whole(plane: Plane) -> None:
    between = {
        **COUNTED,
        "interval.startTime": "2026-01-02T12:01:30Z",
        "interval.endTime": "2026-01-02T14:02:30+02:00",
        "aggregation.alignmentPeriod": "60s",
    }
    _, told = ask(plane, metric("response_count", "1"), **between)
    [series] = told["timeSeries"]
    assert series["points"] == [point({"int64Value": "24"}, "12:01:30", "12:02:30")]


def test_another_project_another_endpoint_and_another_time_have_no_series(plane: Plane) -> None:
    elsewhere = f'metric.type="{ONLINE}/response_count" AND resource.labels.endpoint_id="other"'
    assert ask(plane, elsewhere, **COUNTED) == (200, {})
    assert ask(plane, metric("response_count"), project="q", **COUNTED) == (200, {})
    before = {"interval.startTime": "2026-01-02T11:00:00Z", "interval.endTime": "2026-01-02T12:00:00Z"}
    assert ask(plane, metric("response_count", "1"), **COUNTED, **before) == (200, {})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"filter": ""}, "filter must name one metric.type."),
        ({"filter": f'metric.type="{ONLINE}/response_count" OR x'}, "Invalid filter at column"),
        ({"interval.startTime": ""}, "interval.startTime must be a time, as in"),
        ({"interval.startTime": "2026-01-02T00:00:00"}, "interval.startTime must have a time zone"),
        ({"interval.startTime": "0001-01-01T00:00:00+10:00"}, "interval.startTime must be a time, as in"),
        ({"interval.startTime": "2026-01-02T12:10:00Z"}, "interval must begin before it ends"),
        ({"aggregation.alignmentPeriod": "59s"}, "aggregation.alignmentPeriod must be 60s or more."),
        ({"aggregation.alignmentPeriod": "9" * 5000 + "s"}, "aggregation.alignmentPeriod must be 60s or more."),
        ({"aggregation.perSeriesAligner": "ALIGN_RATE"}, "only ALIGN_DELTA, ALIGN_SUM are emulated."),
        ({"aggregation.crossSeriesReducer": "REDUCE_COUNT"}, "only REDUCE_SUM, REDUCE_MAX"),
    ],
)
def test_what_is_not_emulated_is_told(plane: Plane, change: dict[str, str], said: str) -> None:
    status, told = ask(plane, change.pop("filter", metric("response_count")), **{**COUNTED, **change})
    assert (status, told["error"]["status"], said in told["error"]["message"]) == (400, "INVALID_ARGUMENT", True), told


def test_another_metric_is_not_found(plane: Plane) -> None:
    told = f"Cannot find metric(s) that match type = '{ONLINE}/replicas'."
    assert ask(plane, metric("replicas"), **COUNTED) == error(404, "NOT_FOUND", told)
