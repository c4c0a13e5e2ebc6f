"""The outbox: outcomes and the ends of runs leave as CloudEvents on one channel, at least once.

What is told is in the ledger first. An outcome that the channel did not take is left to the tick by a note, before the
event is acknowledged; a run's note stays until its end was told. An id is the same however often it is told. A channel
that did not answer is left alone for a minute: waiting for it, event after event, would hold up the launches.
https://github.com/googleapis/google-cloudevents and the CloudEvents binding for Pub/Sub give the attributes' names.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Final, Literal

from retrigger.handlers.ledger import from_ms
from retrigger.handlers.outcome import Outcome, Verdict
from retrigger.triggers import keys
from retrigger.triggers.errors import Refused, RetriggerError, Unavailable
from retrigger.triggers.event import rfc3339
from retrigger.triggers.frozen import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.ledger import Ledger, Stored
    from retrigger.handlers.outcome import Result
    from retrigger.handlers.ports import Publisher
    from retrigger.handlers.records import Claim, Run
    from retrigger.triggers.event import Json

OUTCOME: Final = "retrigger.outcome"
RUN_ENDED: Final = "retrigger.run.ended"
STORED: Final[Mapping[str, Result]] = {
    "gate": "deferred",
    "open": "deferred",
    "member": "deferred",
    "marker": "deferred",
    "skipped": "skipped",
    "joined": "deferred",
    "run": "launched",
    "rejected": "rejected",
    "dead": "dead",
}
"""A claim's state -> what the event's outcome was."""
_AGAIN_MS: Final = 60_000
_LOG = logging.getLogger(__name__)


class Outbox:
    """`publisher` None: the environment names no channel for it, and nothing leaves."""

    def __init__(self, ledger: Ledger, publisher: Publisher | None) -> None:
        self._ledger = ledger
        self._publisher = publisher
        self._rests_until_ms = 0

    def tell(self, outcome: Outcome) -> None:
        """Tell what became of an event that a trigger claimed. Raises Unavailable only if not even a note was written.

        A duplicate tells the stored result again: the delivery before it may have died before it told.
        """
        if self._publisher is None or outcome.claim is None:
            return
        try:
            self._publish_outcome(outcome)
        except RetriggerError as error:
            _LOG.warning("outbox_deferred", extra={"fields": {"claim": outcome.claim, "error": str(error)}})
            at_ms = self._ledger.now_ms() + _AGAIN_MS
            self._ledger.note("outcome", outcome.claim, str(outcome.trigger), at_ms)

    def tell_again(self, claim: str) -> None:
        """Tell what a claim says by now. Raises RetriggerError if the channel does not take it."""
        stored = self._ledger.claims.get(claim)
        if self._publisher is not None and stored is not None:
            self._publish_outcome(_outcome(claim, stored.value))

    def ended(self, name: str, run: Stored[Run]) -> Literal["told", "later", "refused"]:
        """Tell that a run has ended, once it is recorded so. `later`: it was not told, or not recorded; try again.

        `refused`: the channel takes nothing, or not this, until somebody mends it.
        """
        if self._publisher is None or run.value.told:
            return "told"
        try:
            self._publish(f"run:{name}", RUN_ENDED, run.value.trigger, run.value.ended_ms, _ending(name, run.value))
        except RetriggerError as error:
            _LOG.warning("outbox_deferred", extra={"fields": {"run": name, "error": str(error)}})
            return "refused" if isinstance(error, Refused) else "later"
        return "told" if self._ledger.runs.swap(run, replace(run.value, told=True)) is not None else "later"

    def _publish_outcome(self, outcome: Outcome) -> None:
        result = outcome.stored or outcome.result
        data: dict[str, Json] = {**outcome.to_json(), "result": result}
        del data["stored"]
        what = f"claim:{outcome.claim}:{result}"
        self._publish(what, OUTCOME, str(outcome.trigger), self._ledger.now_ms(), data)

    def _publish(self, what: str, kind: str, trigger: str, at_ms: int, data: Mapping[str, Json]) -> None:
        assert self._publisher is not None
        if self._ledger.now_ms() < self._rests_until_ms:
            raise Unavailable("the channel did not answer a moment ago; it is asked again soon", code="channel_rests")
        attributes = {
            "content-type": "application/json",
            "ce-specversion": "1.0",
            "ce-id": keys.digest(what),
            "ce-source": f"//retrigger/environments/{self._ledger.environment}",
            "ce-type": kind,
            "ce-subject": trigger,
            "ce-time": rfc3339(from_ms(at_ms)),
        }
        try:
            self._publisher.publish(json.dumps(data).encode(), attributes)
        except Unavailable:
            self._rests_until_ms = self._ledger.now_ms() + _AGAIN_MS
            raise


def _outcome(name: str, claim: Claim) -> Outcome:
    return Outcome(
        event=str(claim.event["id"]),
        trigger=claim.trigger,
        result=STORED[claim.state],
        run=claim.run,
        window=claim.window,
        verdicts=tuple(Verdict(**verdict) for verdict in claim.verdicts),
        claim=name,
    )


def _ending(name: str, run: Run) -> dict[str, Json]:
    job = run.job or {}
    return {
        "run": name,
        "trigger": run.trigger,
        "outcome": run.outcome,
        "error": run.error,
        "window": run.window,
        "epoch": run.epoch,
        "pipeline": job.get("pipeline"),
        "labels": job.get("labels", {}),
        "metrics": dict(run.metrics),
        "verdicts": list(run.verdicts),
        "created": rfc3339(from_ms(run.created_ms)),
        "ended": rfc3339(from_ms(run.ended_ms)),
    }
