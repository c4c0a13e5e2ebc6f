"""Launching: the sending of a frozen request, and what each kind of failure means."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from retrigger.handlers.jobs import BatchJob, Dataset, PipelineJob, RolloutJob
from retrigger.handlers.outcome import Verdict
from retrigger.triggers.errors import Refused, RetriggerError, Unavailable, Unknown
from retrigger.triggers.frozen import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.jobs import Job
    from retrigger.handlers.ledger import Ledger, Stored
    from retrigger.handlers.ports import Launcher
    from retrigger.handlers.records import Run
    from retrigger.triggers.event import Json

Submitted: TypeAlias = Literal["created", "adopted", "conflict"]
_LOG = logging.getLogger(__name__)
_TRIES_AT_MOST = 150  # with these pauses: 24 hours
_FIRST_PAUSE_MS = 60_000
_LONGEST_PAUSE_MS = 600_000
_KINDS: Final[Mapping[str, type[Job]]] = {"pipeline": PipelineJob, "batch": BatchJob, "rollout": RolloutJob}
"""By the `kind` of a frozen request; one without it was frozen before there were kinds."""
_GIVEN: Final[Mapping[str, tuple[str, ...]]] = {
    "batch": ("input", "output"),
    "rollout": ("endpoint", "model", "version"),
}


def job_of(name: str, run: Run) -> Job:
    """The job that a run record holds. Raises RetriggerError `unknown_kind`: a newer version froze it."""
    assert run.job is not None
    kind = run.job.get("kind", "pipeline")
    if kind not in _KINDS:
        message = f"run {name} is to launch a {kind}, which this version does not know: use a newer retrigger"
        raise RetriggerError(message, code="unknown_kind")
    frozen: dict[str, Any] = {field: it for field, it in run.job.items() if field != "kind"}
    if "dataset" in frozen:
        frozen["dataset"] = Dataset(**frozen["dataset"])
    return _KINDS[kind](id=job_id(name, run), **frozen)


def asked_for(job: Mapping[str, Json]) -> Mapping[str, Json]:
    """What a frozen request gives the platform to work on, by name: parameters, input and output, or a model."""
    given = job.get("parameters")
    return given if isinstance(given, dict) else {name: job[name] for name in _GIVEN.get(str(job.get("kind")), ())}


def is_sent_once(run: Run) -> bool:
    """Whether the platform does not know its job by our id."""
    return run.job is not None and run.job.get("kind") == "batch"


def is_rollout(run: Run) -> bool:
    """Whether its job is kept in our own ledger, and brought on by being looked at."""
    return run.job is not None and run.job.get("kind") == "rollout"


def job_id(name: str, run: Run) -> str:
    """The job's id on the platform. It includes the epoch: a retry is a job of its own."""
    return f"{name}-{run.epoch}" if run.epoch else name


def send(ledger: Ledger, launcher: Launcher, name: str, run: Stored[Run]) -> Stored[Run] | None:
    """Submit what the run record holds, and record what came of it. -> the new record; None: another worker's won.

    The record is `launched`, `wait` (the platform did not answer: try again later), or `ended` as `dead`. What is sent
    at most once is `sending` from before it is sent: whoever finds it so does not send it. It stays so where the answer
    was lost, or the launcher broke, and `Following` finds out.
    """
    job = job_of(name, run.value)
    template = None
    if isinstance(job, PipelineJob):
        template = ledger.template(job.template)
        if template is None:
            return ledger.runs.swap(run, dead(ledger, name, run.value, f"the ledger has no template {job.template}"))
    elif isinstance(job, BatchJob):
        entered = ledger.runs.swap(run, replace(run.value, state="sending"))
        if entered is None:
            return None
        run = entered
    try:
        result = _submitted(launcher, job, template)
    except Refused as error:
        return ledger.runs.swap(run, dead(ledger, name, run.value, str(error), error.code))
    except Unavailable as error:
        if isinstance(error, Unknown) and isinstance(job, BatchJob):
            return run
        return ledger.runs.swap(run, _waiting(ledger, name, run.value, error))
    if result == "conflict":
        reason = f"the platform has another job under the id {job.id} (run_id_conflict)"
        return ledger.runs.swap(run, dead(ledger, name, run.value, reason))
    launched = replace(run.value, state="launched", launched_ms=ledger.now_ms(), error=None)
    return ledger.runs.swap(run, launched)


def _submitted(launcher: Launcher, job: Job, template: Mapping[str, Json] | None) -> Submitted:
    """A fault of ours is told as a lost answer: it is tried as often as one, and then a dead letter says so."""
    try:
        return launcher.submit(job, template)
    except RetriggerError:
        raise
    except Exception as error:
        _LOG.exception("launch_broken", extra={"fields": {"job": job.id}})
        told = f"retrigger itself broke on the way to the platform ({type(error).__name__}): its log says where"
        raise Unknown(told, code="launch_broken") from error


def dead(ledger: Ledger, name: str, run: Run, reason: str, code: str = "refused") -> Run:
    """Bury the run and say how its record must end. The dead letter is written first: nothing is lost in between."""
    ledger.bury(f"run:{name}", reason, {**asdict(run), "code": code})
    verdict = Verdict("launch", "stop", code, reason).to_json()
    return replace(
        run,
        state="ended",
        outcome="dead",
        error=reason,
        ended_ms=ledger.now_ms(),
        verdicts=[*run.verdicts, verdict],
    )


def unsure(ledger: Ledger, name: str, run: Run) -> Run:
    """The record of a run that may have been sent, and that the platform does not have. The dead letter comes first.

    It keeps its slots: its job may still appear. An operator settles it.
    """
    reason = "it may have been sent, and the platform has no such job: it is not sent again by itself"
    ledger.bury(f"run:{name}", reason, {**asdict(run), "code": "unsure"})
    verdict = Verdict("launch", "stop", "unsure", reason).to_json()
    return replace(run, state="unsure", error=reason, verdicts=[*run.verdicts, verdict])


def given_up(run: Run, now_ms: int) -> Run:
    """An unsure run that an operator has settled: it ends as lost, and its slots become free."""
    verdict = Verdict("launch", "stop", "given_up", "an operator gave it up").to_json()
    return replace(run, state="ended", outcome="lost", ended_ms=now_ms, verdicts=[*run.verdicts, verdict])


def _waiting(ledger: Ledger, name: str, run: Run, error: Unavailable) -> Run:
    now = ledger.now_ms()
    if run.tries >= _TRIES_AT_MOST:
        return dead(ledger, name, run, f"the platform did not take it in {run.tries} tries: {error}")
    pause_ms = min(_FIRST_PAUSE_MS * 2**run.tries, _LONGEST_PAUSE_MS)
    if error.retry_after is not None:
        pause_ms = min(max(pause_ms, int(error.retry_after * 1000)), _LONGEST_PAUSE_MS)
    return replace(run, state="wait", tries=run.tries + 1, not_before_ms=now + pause_ms, error=str(error))
