"""What Cloud Monitoring is asked, and how its answers are read."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from retrigger.handlers.adapters.vertex.metrics import health_in, queries
from retrigger.handlers.adapters.vertex.serving import Place
from retrigger.handlers.endpoints import Health
from retrigger.triggers.errors import Unavailable

PLACE = Place("p", "l", "123")
OF = 'resource.labels.endpoint_id = "123" AND metric.labels.deployed_model_id = "55"'


def series(*points: dict[str, Any], code: str = "200") -> dict[str, Any]:
    return {"metric": {"labels": {"response_code": code}}, "points": [{"value": value} for value in points]}


def counted(**counts: int) -> dict[str, Any]:
    """`counted(_200=9)`: so many responses of a status."""
    listed = [series({"int64Value": str(count)}, code=code.lstrip("_")) for code, count in counts.items()]
    return {"timeSeries": listed, "unit": "1"}


def slow(value: float) -> dict[str, Any]:
    return {"timeSeries": [series({"doubleValue": value})]}


def test_whole_minutes_up_to_now_are_asked_for_as_one_point() -> None:
    asked = queries(PLACE, "55", 1_000, 1_000 + 185_000)
    assert asked is not None
    urls = [urlsplit(url) for url in asked]
    assert [url._replace(query="").geturl() for url in urls] == [
        "https://monitoring.googleapis.com/v3/projects/p/timeSeries"
    ] * 2
    latencies = 'metric.type = "aiplatform.googleapis.com/prediction/online/prediction_latencies"'
    whole = {
        "interval.startTime": ["1970-01-01T00:00:06Z"],
        "interval.endTime": ["1970-01-01T00:03:06Z"],
        "aggregation.alignmentPeriod": ["180s"],
    }
    assert [parse_qs(url.query) for url in urls] == [
        {
            "filter": [f'metric.type = "aiplatform.googleapis.com/prediction/online/response_count" AND {OF}'],
            **whole,
            "aggregation.perSeriesAligner": ["ALIGN_DELTA"],
            "aggregation.crossSeriesReducer": ["REDUCE_SUM"],
            "aggregation.groupByFields": ["metric.labels.response_code"],
        },
        {
            "filter": [f'{latencies} AND {OF} AND metric.labels.latency_type = "total"'],
            **whole,
            "aggregation.perSeriesAligner": ["ALIGN_PERCENTILE_95"],
            "aggregation.crossSeriesReducer": ["REDUCE_MAX"],
        },
    ]


def test_less_than_a_minute_is_not_asked_about() -> None:
    assert queries(PLACE, "55", 1_000, 60_999) is None


def test_another_address_may_stand_in() -> None:
    asked = queries(PLACE, "55", 0, 60_000, "http://127.0.0.1:1/")
    assert asked is not None
    assert asked[0].startswith("http://127.0.0.1:1/v3/projects/p/timeSeries?")


def test_a_name_cannot_add_to_the_filter() -> None:
    asked = queries(Place("p", "l", '1" OR x = "'), "55", 0, 60_000)
    assert asked is not None
    assert r'endpoint_id = "1\" OR x = \""' in parse_qs(urlsplit(asked[0]).query)["filter"][0]


@pytest.mark.parametrize(
    ("responses", "latency", "health"),
    [
        (counted(_200=97, _400=1, _500=2), slow(120.4), Health(error_rate=0.03, p95_ms=120)),
        (counted(**{"2xx": 3, "5xx": 1}), slow(7), Health(error_rate=0.25, p95_ms=7)),
        (counted(_200=3), slow(7), Health(error_rate=0.0, p95_ms=7)),
        (counted(_500=3), {}, Health(error_rate=1.0, p95_ms=0)),
        (counted(_200=1, _500=3), {}, None),
        (counted(_200=0), slow(7), None),
        ({}, {}, None),
        ({"timeSeries": []}, slow(7), None),
        ({"timeSeries": [series()]}, slow(7), None),
    ],
    ids=[
        "some failed",
        "classes",
        "none failed",
        "all failed",
        "not yet how long",
        "none",
        "empty",
        "list",
        "no point",
    ],
)
def test_what_was_measured(responses: dict[str, Any], latency: dict[str, Any], health: Health | None) -> None:
    assert health_in(responses, latency) == health


@pytest.mark.parametrize(
    "odd",
    [
        {"timeSeries": {}},
        {"timeSeries": ["a"]},
        {"timeSeries": [{"points": 7}]},
        {"timeSeries": [{"points": ["a"]}]},
        {"timeSeries": [series({"int64Value": "many"})]},
        {"timeSeries": [series({"int64Value": "-1"})]},
        {"timeSeries": [series({"doubleValue": float("nan")})]},
        {"timeSeries": [series({"int64Value": 10**400})]},
        {"timeSeries": [series({"boolValue": True})]},
        {"timeSeries": [], "nextPageToken": "more"},
    ],
)
def test_of_an_odd_answer_nothing_is_said(odd: dict[str, Any]) -> None:
    with pytest.raises(Unavailable) as raised:
        health_in(odd, {})
    assert raised.value.code == "odd_answer"
