"""Chains: the end of a run is an event for the triggers that listen to it (`lifecycle: {of: TRIGGER}`).

A tick sees every end, on every platform; so no platform has to send it. The run's note is let go of only after the
event was decided on: whoever dies in between is followed by the next tick, and a claim makes it once.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final, cast

from retrigger.handlers.launch import asked_for, is_rollout, job_id
from retrigger.handlers.ledger import from_ms
from retrigger.triggers.errors import RetriggerError
from retrigger.triggers.event import ENDED, Event, Lifecycle, rfc3339
from retrigger.triggers.frozen import replace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from retrigger.handlers.core import Core
    from retrigger.handlers.ledger import Stored
    from retrigger.handlers.outcome import Outcome
    from retrigger.handlers.records import Run, RunOutcome
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import RunEnd

_STATUSES: Final[Mapping[RunOutcome | None, RunEnd]] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "dead": "failed",
    "lost": "failed",
    "cancelled": "cancelled",
}
"""How a run ended -> the status of the event. What never was to run has no end that anybody could wait for."""
_LONGEST_VALUE: Final = 4096
_LOG = logging.getLogger(__name__)


class Chaining:
    """Tells triggers of the ends of other triggers' runs."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._ledger = core.ledger

    def ended(self, name: str, run: Stored[Run]) -> Stored[Run] | None:
        """Decide on the end of a run for whoever listens to it. -> the run's record; None: it is not done, try again.

        Nobody listens: nothing is read or written.
        """
        status = _STATUSES.get(run.value.outcome)
        heard = status is not None and self._core.index.hears_end(run.value.trigger, status)
        if status is None or not heard or run.value.chained is not None:
            return run
        try:
            claim = self._ledger.claims.get(run.value.claim) if run.value.claim is not None else None
            if claim is not None and claim.value.shadow:
                return run
            depth = 1 + (claim.value.depth if claim is not None else 0)
            event = end_of(name, run.value, status, self._core.catalog.environment, depth)
            said = [_said(outcome) for outcome in self._core.handle(event)]
        except RetriggerError as error:
            _LOG.warning("chain_deferred", extra={"fields": {"run": name, "error": str(error)}})
            return None
        return self._ledger.runs.swap(run, replace(run.value, chained=said))


def end_of(name: str, run: Run, status: RunEnd, environment: Environment, depth: int) -> Event:
    """The event, the same whoever makes it. docs/chains.md says what its properties are."""
    job = run.job or {}
    known = {
        "trigger": run.trigger,
        "outcome": run.outcome,
        "launched": job.get("kind", "pipeline") if job else None,
        "pipeline": job.get("pipeline"),
        "window": run.window,
        "error": run.error,
        "ended": rfc3339(from_ms(run.ended_ms)),
    }
    properties: dict[str, Json] = {
        **{field: value for field, value in known.items() if value is not None},
        "metrics": {metric: float(value) for metric, value in run.metrics.items()},
        "models": dict(run.models),
        "parameters": _short(asked_for(job)),
        "depth": depth,
    }
    payload = Lifecycle(
        platform=cast("Literal['azureml', 'vertex']", environment.platform(None).kind),
        resource=job_id(name, run),
        name=name,
        status=status,
        version=_version(run),
        tags={**run.tags, **job.get("labels", {})},
        properties=properties,
    )
    return Event(
        id=f"{name}@{status}",
        source=f"//retrigger/environments/{environment.name}",
        type=ENDED,
        time=from_ms(run.ended_ms),
        subject=run.trigger,
        payload=payload,
    )


def _version(run: Run) -> str | None:
    """Of the model that it rolled out, or of the only one that it registered."""
    if is_rollout(run) and run.job is not None:
        return str(run.job["version"])
    return next(iter(run.models.values())) if len(run.models) == 1 else None


def _short(values: Mapping[str, Json]) -> dict[str, Json]:
    """Without long ones, such as a window's list of URIs: an event is kept once for every trigger that hears it."""
    return {name: value for name, value in values.items() if len(json.dumps(value)) <= _LONGEST_VALUE}


def _said(outcome: Outcome) -> dict[str, Any]:
    """For people, beside the claim; what a filter lets go has none."""
    verdicts = [verdict.to_json() for verdict in outcome.verdicts]
    return {"trigger": outcome.trigger, "result": outcome.stored or outcome.result, "verdicts": verdicts}
