from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.adapters.azureml.metrics import health, served, timespan, url
from retrigger.handlers.endpoints import Health
from retrigger.triggers.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

HOUR_MS = 3_600_000


def measured(metric: str, series: Mapping[str | None, Mapping[str, float | None]]) -> dict[str, Any]:
    """An answer of Azure Monitor: class of the status -> minute (`12:01`) -> average; None: there is no class."""
    return {
        "cost": 0,
        "timespan": "2026-11-22T12:00:00Z/2026-11-22T12:10:00Z",
        "interval": "PT1M",
        "value": [
            {
                "name": {"value": metric, "localizedValue": "…"},
                "unit": "Count",
                "errorCode": "Success",
                "timeseries": [
                    {
                        "metadatavalues": [{"name": {"value": "deployment"}, "value": "green"}]
                        + ([] if kind is None else [{"name": {"value": "statusCodeClass"}, "value": kind}]),
                        "data": [
                            {"timeStamp": f"2026-11-22T{minute}:00Z"} | ({} if it is None else {"average": it})
                            for minute, it in minutes.items()
                        ],
                    }
                    for kind, minutes in series.items()
                ],
            }
        ],
    }


REQUESTS = served(
    measured("RequestsPerMinute", {"2xx": {"12:01": 6, "12:02": 1, "12:03": None}, "4xx": {"12:01": 2, "12:04": 0}})
)


def test_requests_are_counted_by_minute_and_whatever_is_not_2xx_has_failed() -> None:
    assert REQUESTS == {"2026-11-22T12:01:00Z": (8.0, 2.0), "2026-11-22T12:02:00Z": (1.0, 0.0)}


def test_the_percentiles_of_the_minutes_are_averaged_by_their_requests() -> None:
    latency = measured("RequestLatency_P95", {None: {"12:01": 100, "12:02": 1000, "12:03": 9000}})
    assert health(REQUESTS, latency) == Health(error_rate=2 / 9, p95_ms=200)


@pytest.mark.parametrize("minutes", [{}, {"12:01": None}, {"12:09": 100.0}])
def test_as_long_as_no_latency_is_told_nothing_is(minutes: dict[str, float | None]) -> None:
    assert health(REQUESTS, measured("RequestLatency_P95", {None: minutes})) is None


@pytest.mark.parametrize(
    ("since_ms", "until_ms", "expected"),
    [
        (0, 60_000, "1970-01-01T00:00:00Z/1970-01-01T00:01:00Z"),
        (1, 120_001, "1970-01-01T00:01:00Z/1970-01-01T00:02:00Z"),
        (1, 119_999, None),
        (60_000, 60_000, None),
        (0, 30 * HOUR_MS, "1970-01-01T06:00:00Z/1970-01-02T06:00:00Z"),
    ],
)
def test_only_whole_minutes_of_the_last_day_are_asked_for(since_ms: int, until_ms: int, expected: str | None) -> None:
    assert timespan(since_ms, until_ms) == expected


def test_only_requests_are_told_by_class() -> None:
    asked = [url("https://arm/e", metric, "green", "a/b") for metric in ("RequestsPerMinute", "RequestLatency_P95")]
    assert ["statuscodeclass" in one for one in asked] == [True, False]


ODD: dict[str, Any] = {
    "no object": [],
    "nothing in it": {},
    "another metric": measured("CpuUtilization", {}),
    "no series": {"value": [{"name": {"value": "RequestsPerMinute"}}]},
    "no class": measured("RequestsPerMinute", {None: {"12:01": 1}}),
    "less than nothing": measured("RequestsPerMinute", {"2xx": {"12:01": -1}}),
    "no number": measured("RequestsPerMinute", {"2xx": {"12:01": float("nan")}}),
    "text": measured("RequestsPerMinute", {"2xx": {"12:01": "many"}}),  # type: ignore[dict-item]
}


@pytest.mark.parametrize("answer", ODD.values(), ids=ODD)
def test_an_answer_that_cannot_be_read_is_none(answer: object) -> None:
    with pytest.raises(Unavailable, match="cannot be read"):
        served(answer)
