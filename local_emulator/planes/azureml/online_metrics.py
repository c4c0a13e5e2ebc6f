"""Azure Monitor's measurements of online endpoints: how many requests each deployment had, and how long they took.

A request counts in its whole minute, and is told of at once; the cloud's measurements are minutes late.

Sources: https://learn.microsoft.com/rest/api/monitor/metrics/list (how they are asked for), and, for the metrics, below
https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/
microsoft-machinelearningservices-workspaces-onlineendpoints-metrics
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from retrigger.local_emulator.planes.azureml.arm import Answer, key
from retrigger.local_emulator.planes.azureml.online_deployments import ENDPOINTS
from retrigger.local_emulator.planes.resources import Invalid, NotFound
from retrigger.triggers.event import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.local_emulator.planes.azureml.arm import Call
    from retrigger.local_emulator.planes.azureml.online_deployments import OnlineDeployments
    from retrigger.local_emulator.planes.resources import Body, Resources
    from retrigger.local_emulator.runners.routing import Tally, Traffic

_REQUESTS: Final = "RequestsPerMinute"
_LATENCIES: Final = {f"RequestLatency_P{percent}": percent / 100 for percent in (50, 90, 95, 99)}
_DEPLOYMENT: Final = "deployment"
_CLASS: Final = "statuscodeclass"
_CLAUSE = re.compile(r"(\w{1,40}) eq '([^']{1,80})'")
_MINUTE = timedelta(minutes=1)
_LONGEST = timedelta(days=1)
_EVERY = "*"


class OnlineMetrics:
    def __init__(self, resources: Resources, deployments: OnlineDeployments, traffic: Traffic) -> None:
        self._resources = resources
        self._deployments = deployments
        self._traffic = traffic

    def metrics(self, call: Call) -> Answer:
        """The metrics that are named, a point a minute, one without a value where nothing was asked.

        Errors: NotFound for no such endpoint; Invalid for what is not emulated, and for what Azure refuses too.
        """
        endpoint = key(call.workspace, ENDPOINTS, call.path[1])
        try:
            self._resources.get(endpoint)
        except NotFound as error:
            raise NotFound(f"The online endpoint {call.path[1][:80]!r} was not found.") from error
        if call.query.get("interval", "PT1M") != "PT1M" or call.query.get("aggregation", "Average") != "Average":
            raise Invalid("Only the aggregation Average at the interval PT1M is emulated.")
        since, until = _timespan(call.query.get("timespan", ""))
        filters = _filters(call.query.get("$filter", ""))
        names = dict.fromkeys(call.query.get("metricnames", "").split(","))  # each once: an answer has a line a minute
        value = [self._metric(call, endpoint, name, filters, (since, until)) for name in names]
        timespan = f"{rfc3339(since)}/{rfc3339(until)}"
        return Answer({"cost": 0, "timespan": timespan, "interval": "PT1M", "value": value})

    def _metric(
        self, call: Call, endpoint: str, name: str, filters: Mapping[str, str], span: tuple[datetime, datetime]
    ) -> Body:
        if name not in {_REQUESTS, *_LATENCIES}:
            raise Invalid(f"The metric {name[:80]!r} is not emulated: {', '.join((_REQUESTS, *_LATENCIES))} are.")
        if name != _REQUESTS and _CLASS in filters:
            raise Invalid(f"The metric {name} has no dimension {_CLASS}.")
        series = [
            one
            for deployment in self._named(endpoint, filters)
            for one in _series(
                name, deployment, self._traffic.minutes(endpoint, deployment.lower(), *span), filters, span
            )
        ]
        return {
            "id": f"{call.workspace.id}/{'/'.join(call.path)}/{name}",
            "type": "Microsoft.Insights/metrics",
            "name": {"value": name, "localizedValue": name},
            "unit": "Count" if name == _REQUESTS else "Milliseconds",
            "timeseries": series,
        }

    def _named(self, endpoint: str, filters: Mapping[str, str]) -> list[str]:
        wanted = filters.get(_DEPLOYMENT, _EVERY)
        return [name for name in sorted(self._deployments.names(endpoint)) if wanted in {_EVERY, name}]


def _series(
    metric: str,
    deployment: str,
    minutes: Mapping[datetime, Tally],
    filters: Mapping[str, str],
    span: tuple[datetime, datetime],
) -> Iterator[Body]:
    """One series, or one for each class of statuses where they are asked for."""
    labels = {_DEPLOYMENT: deployment}
    if metric != _REQUESTS:
        share = _LATENCIES[metric]
        yield _told(labels, {at: tally.quantile_ms(share) for at, tally in minutes.items()}, span)
        return
    wanted = filters.get(_CLASS)
    if wanted is None:
        yield _told(labels, {at: tally.requests for at, tally in minutes.items()}, span)
        return
    classes = {at: _classes(tally) for at, tally in minutes.items()}
    for name in sorted({name for counts in classes.values() for name in counts}):
        if wanted in {_EVERY, name}:
            yield _told({**labels, _CLASS: name}, {at: counts.get(name) for at, counts in classes.items()}, span)


def _classes(tally: Tally) -> Counter[str]:
    counts: Counter[str] = Counter()
    for status, count in tally.statuses.items():
        counts[f"{status // 100}xx"] += count
    return counts


def _told(labels: Mapping[str, str], values: Mapping[datetime, int | None], span: tuple[datetime, datetime]) -> Body:
    since, until = span
    points: list[Body] = []
    for number in range(-(-(until - since) // _MINUTE)):
        at = since + number * _MINUTE
        value = values.get(at)
        points.append({"timeStamp": rfc3339(at)} | ({} if value is None else {"average": float(value)}))
    told = [{"name": {"value": name, "localizedValue": name}, "value": value} for name, value in labels.items()]
    return {"metadatavalues": told, "data": points}


def _timespan(text: str) -> tuple[datetime, datetime]:
    """Whole minutes, as Azure Monitor rounds them."""
    try:
        since, until = (datetime.fromisoformat(part).astimezone(UTC) for part in text.split("/"))
    except (ValueError, OverflowError) as error:
        raise Invalid("`timespan` is two times: 2026-01-02T00:00:00Z/2026-01-02T01:00:00Z.") from error
    since = since.replace(second=0, microsecond=0)
    if not since < until or until - since > _LONGEST:
        raise Invalid("`timespan` begins before it ends, and is a day at the most here.")
    return since, until


def _filters(text: str) -> dict[str, str]:
    """`name eq 'value'`, joined by `and`; a value `*` has a series for each. Names are told in lower case."""
    found: dict[str, str] = {}
    for clause in text.split(" and ") if text.strip() else ():
        parts = _CLAUSE.fullmatch(clause.strip())
        if parts is None or parts[1].lower() not in {_DEPLOYMENT, _CLASS}:
            raise Invalid(f"$filter: clauses `{_DEPLOYMENT} eq 'NAME'` and `{_CLASS} eq '*'`, joined by `and`.")
        found[parts[1].lower()] = parts[2]
    return found
