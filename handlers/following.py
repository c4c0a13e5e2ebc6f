"""Following a launched run: what the platform says of it, and what that makes of its record. Anyone may ask."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from retrigger.handlers.launch import dead, is_rollout, is_sent_once, job_of, unsure
from retrigger.handlers.ledger import on_grid, to_ms
from retrigger.handlers.outcome import Verdict
from retrigger.triggers.frozen import replace

if TYPE_CHECKING:
    from retrigger.handlers.carrying import Carrying
    from retrigger.handlers.jobs import JobStatus
    from retrigger.handlers.ledger import Stored
    from retrigger.handlers.ports import Launcher
    from retrigger.handlers.records import Run
    from retrigger.handlers.slots import Slots

FIRST_POLL_MS: Final = 60_000
LONGEST_POLL_MS: Final = 600_000
SETTLE_MS: Final = 300_000
"""After so long nobody is sending any more what is `sending`, and the platform lists what it was sent."""
_SENT_WITHIN_MS: Final = 600_000  # no function lives longer: what it was sending has arrived by then, or never will

_LOG = logging.getLogger(__name__)


class Following:
    """Brings runs on by what one platform says of them, and frees the slots of those that have ended."""

    def __init__(self, launcher: Launcher, carrying: Carrying, slots: Slots) -> None:
        self.launcher = launcher
        self.carrying = carrying
        self.slots = slots
        self.ledger = slots.ledger

    def follow_up(self, name: str) -> int | Stored[Run]:
        """Bring a run on. -> when to look again in ms; or the run, that has ended."""
        run = self.ledger.runs.get(name)
        now = self.ledger.now_ms()
        if run is None or run.value.state == "ready":
            return on_grid(now, FIRST_POLL_MS)  # waits for a slot, or was changed a moment ago
        if run.value.state == "wait":
            return max(run.value.not_before_ms, now + 1)
        if run.value.state in {"sending", "unsure"}:
            return self._look_up(name, run)
        asked = self._ask(name, run)
        if asked is not None and asked.value.state == "ended":
            return asked
        if is_rollout(run.value):
            return on_grid(now, FIRST_POLL_MS)  # it goes on by being looked at
        age = now - (run.value.launched_ms or now)
        return on_grid(now, min(max(age, FIRST_POLL_MS), LONGEST_POLL_MS))

    def has_ended(self, name: str) -> bool:
        """Ask the platform whether a run that holds a slot has ended: the slot is free then.

        Of what was granted and not launched yet the platform knows nothing: it is on its way, or may be.
        """
        while True:
            run = self.ledger.runs.get(name)
            if run is None or run.value.state in {"ready", "wait", "sending", "unsure"}:
                return False
            asked = self._ask(name, run)
            if asked is not None:
                return asked.value.state == "ended"

    def stop(self, name: str, run: Stored[Run]) -> None:
        """Ask the platform to stop a run for something newer. It keeps its slot until it has ended."""
        verdict = Verdict("slot", "stop", "replaced", "something newer came, and `when_busy` is `replace`")
        verdicts = [*run.value.verdicts, verdict.to_json()]
        if self.ledger.runs.swap(run, replace(run.value, state="cancelling", replaced=True, verdicts=verdicts)):
            self.launcher.cancel(job_of(name, run.value))

    def _look_up(self, name: str, run: Stored[Run]) -> int:
        """Nobody sends again what may have been sent: the platform is asked for it. -> when to look again in ms.

        Whoever was sending it has an answer within the settle time, or is dead. One that is not there after that is
        `unsure`, and looked for as long as nobody settles it: its request may still be under way.
        """
        now = self.ledger.now_ms()
        settled_ms = to_ms(run.time) + SETTLE_MS
        if run.value.state == "sending" and now < settled_ms:
            return settled_ms
        if self.launcher.status(job_of(name, run.value)).state != "lost":
            self.ledger.runs.swap(run, replace(run.value, state="launched", launched_ms=now, error=None))
            return on_grid(now, FIRST_POLL_MS)
        if run.value.state == "sending" and self.ledger.runs.swap(run, unsure(self.ledger, name, run.value)):
            _LOG.error("run_unsure", extra={"fields": {"run": name, "trigger": run.value.trigger}})
        return on_grid(now, LONGEST_POLL_MS)

    def _ask(self, name: str, run: Stored[Run]) -> Stored[Run] | None:
        """What became of a run that was launched; None: another worker changed it. Frees the slots of what ended."""
        asked: Stored[Run] | None = run
        if run.value.state in {"launched", "cancelling"}:
            asked = self._apply(name, run, self.launcher.status(job_of(name, run.value)))
        elif run.value.state == "carrying":
            asked = self.carrying.carry(name, run)
        if asked is not None and asked.value.state == "ended":
            self.slots.free(asked.value.gates, name)
        return asked

    def _apply(self, name: str, run: Stored[Run], status: JobStatus) -> Stored[Run] | None:
        """The record after what the platform says; None: another worker changed it."""
        now = self.ledger.now_ms()
        seen = _seen(run.value, status)
        if status.state != "lost":  # also if whoever launched it died before it was recorded
            seen = replace(seen, launched_ms=run.value.launched_ms or now)
        match status.state:
            case "running":
                if run.value.state == "cancelling":  # whoever asked may have died before the platform heard of it
                    self.launcher.cancel(job_of(name, run.value))
                return run if seen == run.value else self.ledger.runs.swap(run, seen)
            case "cancelled" | "failed" if run.value.replaced and run.value.window is not None:
                return self._carried(name, run, seen)
            case "succeeded" | "cancelled":
                return self.ledger.runs.swap(run, replace(seen, state="ended", outcome=status.state, ended_ms=now))
            case "lost" if now < run.value.launched_ms + SETTLE_MS and is_sent_once(run.value):
                return run  # a list may be a little behind
            case "lost" if run.value.state == "cancelling":
                if now < to_ms(run.time) + _SENT_WITHIN_MS:
                    return run  # somebody may be sending it at this moment
                return self.ledger.runs.swap(run, replace(seen, state="ended", outcome="cancelled", ended_ms=now))
            case "lost":
                buried = dead(self.ledger, name, seen, "the platform does not know it any more", "lost")
                return self.ledger.runs.swap(run, replace(buried, outcome="lost"))
            case "failed" if run.value.state == "cancelling":  # nobody wants it tried again, or its members carried
                return self.ledger.runs.swap(run, replace(seen, state="ended", outcome="cancelled", ended_ms=now))
            case "failed":
                return self._failed(name, run, seen)

    def _carried(self, name: str, run: Stored[Run], seen: Run) -> Stored[Run] | None:
        known = self.ledger.runs.swap(run, seen)
        return None if known is None else self.carrying.carry(name, known)

    def _failed(self, name: str, run: Stored[Run], seen: Run) -> Stored[Run] | None:
        if run.value.epoch < run.value.retry:
            return self.ledger.runs.swap(run, replace(seen, state="ready", epoch=run.value.epoch + 1, tries=0))
        if run.value.window is not None:
            return self._carried(name, run, seen)
        reason = f"the run failed: {seen.error or 'the platform gave no reason'}"
        buried = dead(self.ledger, name, seen, reason, "run_failed")
        return self.ledger.runs.swap(run, replace(buried, outcome="failed"))


def _seen(run: Run, status: JobStatus) -> Run:
    """The record with what the platform tells beside the state; of tags those that it was not launched with."""
    labels = run.job.get("labels", {}) if run.job else {}
    own = {name: tag for name, tag in status.tags.items() if name not in labels}
    metrics, tasks, models = dict(status.metrics), dict(status.tasks), dict(status.models)
    return replace(run, error=status.error, metrics=metrics, tasks=tasks, tags=own, models=models)
