"""What Azure Monitor measures of a deployment: what it is asked, and how its answers are read. Pure.

How they are asked for: https://learn.microsoft.com/rest/api/monitor/metrics/list. The metrics and their dimensions:
https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/microsoft-machinelearningservices-workspaces-onlineendpoints-metrics
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from retrigger.handlers.endpoints import Health
from retrigger.triggers.errors import Unavailable
from retrigger.triggers.event import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator

Document = dict[str, Any]

REQUESTS: Final = "RequestsPerMinute"
LATENCY: Final = "RequestLatency_P95"
_VERSION: Final = "2023-10-01"
_MINUTE_MS: Final = 60_000
_LONGEST_MS: Final = 24 * 60 * _MINUTE_MS
"""Of a step that is watched for days its last day is judged: an answer has a line a minute."""
_CLASS: Final = "statuscodeclass"


def timespan(since_ms: int, until_ms: int) -> str | None:
    """The whole minutes in between, at most a day of them; None: there is none yet."""
    first, end = -(-since_ms // _MINUTE_MS) * _MINUTE_MS, until_ms // _MINUTE_MS * _MINUTE_MS
    if first >= end:
        return None
    return "/".join(rfc3339(datetime.fromtimestamp(ms / 1000, UTC)) for ms in (max(first, end - _LONGEST_MS), end))


def url(endpoint: str, metric: str, deployment: str, between: str) -> str:
    """`endpoint`: its address at Resource Manager; the requests are told by the class of their status."""
    by_class = f" and {_CLASS} eq '*'" if metric == REQUESTS else ""
    asked = {
        "api-version": _VERSION,
        "metricnames": metric,
        "timespan": between,
        "interval": "PT1M",
        "aggregation": "Average",
        "$filter": f"deployment eq '{deployment}'{by_class}",
    }
    return f"{endpoint}/providers/microsoft.insights/metrics?{urlencode(asked, quote_via=quote)}"


def served(answer: object) -> dict[str, tuple[float, float]]:
    """Of the answer about requests: minute -> how many there were, how many of them failed; of minutes with any.

    Failed is whatever was not answered with 2xx. Raises Unavailable for what cannot be read.
    """
    every, failed = defaultdict[str, float](float), defaultdict[str, float](float)
    for minute, value, status in _points(answer, REQUESTS):
        every[minute] += value
        failed[minute] += value if status != "2xx" else 0.0
    return {minute: (count, failed[minute]) for minute, count in every.items() if count}


def health(requests: dict[str, tuple[float, float]], latency: object) -> Health | None:
    """Of what was served and the answer about the latency; None where that is not there yet.

    Azure Monitor has a percentile a minute: they are averaged, each by the number of its requests.
    """
    told = [(value, requests[minute][0]) for minute, value, _ in _points(latency, LATENCY) if minute in requests]
    if not told:
        return None
    every, failed = (sum(counts) for counts in zip(*requests.values(), strict=True))
    p95 = sum(value * count for value, count in told) / sum(count for _, count in told)
    return Health(error_rate=failed / every, p95_ms=round(p95))


def _points(answer: object, metric: str) -> Iterator[tuple[str, float, str]]:
    """Minute, value, and class of the status where there is one. A minute without a value is left out."""
    try:
        yield from _read(answer, metric)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        told = f"Azure Monitor's answer about {metric} cannot be read; a newer retrigger may know it"
        raise Unavailable(told, code="odd_metrics") from error


def _read(answer: Any, metric: str) -> Iterator[tuple[str, float, str]]:
    [measured] = [one for one in answer["value"] if one["name"]["value"] == metric]
    for series in measured["timeseries"]:
        dimensions = {it["name"]["value"].lower(): it["value"] for it in series["metadatavalues"]}
        for point in series["data"]:
            if point.get("average") is not None:
                value = float(point["average"])
                if not 0 <= value < inf:
                    raise ValueError(value)
                yield point["timeStamp"], value, dimensions[_CLASS].lower() if metric == REQUESTS else ""
