"""Azure Monitor's face of online endpoints."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.local_emulator.state import State
from tests.local_emulator.planes.azureml.azureml_plane import WORKSPACE, Plane
from tests.local_emulator.planes.azureml.served_models import deploy, put_endpoint, put_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SPAN = "2026-01-02T12:00:00Z/2026-01-02T12:03:00Z"
PATH = "/onlineEndpoints/churn/providers/microsoft.insights/metrics"
PLACE = f"{WORKSPACE}/onlineEndpoints/churn".lower().lstrip("/")


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    """An endpoint whose deployment `blue` had three requests in its first minute and one in its third."""
    plane = Plane(State.at(tmp_path / "state"))
    put_endpoint(plane)
    model = put_model(plane, 2)
    for name in ("blue", "green"):
        deploy(plane, name, model)
    for status, latency, minute in ((200, 9.0, 0), (200, 14.0, 0), (424, 400.0, 0), (200, 9.0, 2)):
        plane.traffic.count(PLACE, "blue", status, latency, NOON + timedelta(minutes=minute, seconds=30))
    yield plane
    plane.stop()


def asked(plane: Plane, metric: str, filters: str = "", **query: str) -> tuple[int, Any]:
    return plane("GET", PATH, **{"metricnames": metric, "timespan": SPAN, "$filter": filters, **query})


def values(answer: tuple[int, Any]) -> dict[tuple[str, ...], list[float | None]]:
    """The dimensions of each series -> its points."""
    assert answer[0] == 200, answer
    ((metric,)) = answer[1]["value"]
    return {
        tuple(one["value"] for one in series["metadatavalues"]): [point.get("average") for point in series["data"]]
        for series in metric["timeseries"]
    }


def test_requests_are_told_by_deployment_minute_and_class_of_status(plane: Plane) -> None:
    both = {("blue",): [3.0, None, 1.0], ("green",): [None, None, None]}
    assert values(asked(plane, "RequestsPerMinute")) == both
    classes = {("blue", "2xx"): [2.0, None, 1.0], ("blue", "4xx"): [1.0, None, None]}
    assert values(asked(plane, "RequestsPerMinute", "deployment eq 'blue' and statusCodeClass eq '*'")) == classes
    failed = values(asked(plane, "RequestsPerMinute", "statuscodeclass eq '4xx'"))
    assert failed == {("blue", "4xx"): [1.0, None, None]}


def test_latencies_are_told_by_deployment_and_minute(plane: Plane) -> None:
    only = "deployment eq 'blue'"
    assert values(asked(plane, "RequestLatency_P50", only)) == {("blue",): [15.0, None, 10.0]}
    assert values(asked(plane, "RequestLatency_P95", only)) == {("blue",): [500.0, None, 10.0]}
    both = asked(plane, "RequestLatency_P95,RequestsPerMinute", only)[1]["value"]
    assert [one["name"]["value"] for one in both] == ["RequestLatency_P95", "RequestsPerMinute"]


def test_a_metric_that_is_named_a_thousand_times_is_told_once_and_a_time_may_be_the_last_there_is(plane: Plane) -> None:
    last = "9999-12-31T22:58:00Z/9999-12-31T23:00:00Z"
    assert values(asked(plane, ",".join(["RequestsPerMinute"] * 1000), "deployment eq 'blue'", timespan=last)) == {
        ("blue",): [None, None]
    }


NOT_EMULATED: list[dict[str, str]] = [
    {"metricnames": "CpuUtilization"},
    {"metricnames": "RequestLatency_P95", "$filter": "statuscodeclass eq '*'"},
    {"$filter": "colour eq 'blue'"},
    {"$filter": "deployment ne 'blue'"},
    {"interval": "PT5M"},
    {"aggregation": "Total"},
    {"timespan": ""},
    {"timespan": "2026-01-02T12:00:00Z"},
    {"timespan": "2026-01-02T12:00:00Z/2026-01-02T12:00:00Z"},
    {"timespan": "2026-01-02T12:00:00Z/2026-01-05T12:00:00Z"},
    {"timespan": "0001-01-01T00:00:00+23:00/2026-01-05T12:00:00Z"},
]


def test_what_is_not_emulated_is_told_so(plane: Plane) -> None:
    usual = {"metricnames": "RequestsPerMinute", "timespan": SPAN}
    answers = [plane("GET", PATH, **{**usual, **query}) for query in NOT_EMULATED]
    assert [(status, body["error"]["code"]) for status, body in answers] == [(400, "UserError")] * len(NOT_EMULATED)


def test_an_endpoint_that_is_not_there_has_none(plane: Plane) -> None:
    plane("DELETE", "/onlineEndpoints/churn")
    assert asked(plane, "RequestsPerMinute")[0] == 404
