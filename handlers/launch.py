"""Launching: the request that is frozen before it is sent, the sending, and what each kind of failure means."""

from __future__ import annotations

import os.path
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from retrigger.handlers.ledger import Ledger, Run, Stored, from_ms
from retrigger.handlers.outcome import Verdict
from retrigger.handlers.ports import Job
from retrigger.triggers import keys
from retrigger.triggers.errors import ExpressionError, Refused, Unavailable
from retrigger.triggers.event import rfc3339
from retrigger.triggers.expressions import render_value
from retrigger.triggers.signature import fit, read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrigger.handlers.ledger import Manifest
    from retrigger.handlers.ports import Catalog, Launcher
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Environment, Trigger

_GIVE_UP_MS = 24 * 3_600_000
_FIRST_PAUSE_MS = 60_000
_LONGEST_PAUSE_MS = 600_000
_URIS_AT_MOST = 10_000


def frozen_job(
    catalog: Catalog,
    trigger: Trigger,
    run: str,
    *,
    event: str,
    source: Mapping[str, Json],
    scope: Mapping[str, object],
) -> dict[str, Any]:
    """What this run will ask of the platform, with every expression evaluated: names, values and hashes.

    `event`: the hash of the identity, or the window, that it answers. `source`: the parameters of the source that
    fired, over the launch's own. Raises Refused with code `bad_parameters`
    when a value cannot be computed or does not fit the pipeline's signature: it never will.
    """
    environment = catalog.environment
    pipeline = environment.pipelines[trigger.launch.pipeline]
    full = {**scope, "vars": environment.vars}
    try:
        wanted = {**trigger.launch.parameters, **source}
        given = {name: render_value(value, full) for name, value in wanted.items()}
        parameters = fit(read(catalog.template(pipeline.template)), given)
    except (ExpressionError, ValueError) as error:
        raise Refused(f"the parameters of {trigger.launch.pipeline}: {error}", code="bad_parameters") from error
    job: dict[str, Any] = {
        "display_name": trigger.name,
        "pipeline": trigger.launch.pipeline,
        "template": pipeline.template,
        "root": pipeline.root,
        "service_account": pipeline.service_account,
        "caching": pipeline.caching,
        "parameters": parameters,
        "labels": {**pipeline.labels, **_labels(environment, trigger, run, event)},
    }
    return job | {"fingerprint": keys.fingerprint(job)}


def window_scope(manifest: Manifest, members: Mapping[str, Mapping[str, Any]], manifest_uri: str) -> dict[str, object]:
    """The variables `window` and `match` of a window's run."""
    uris = sorted(str(entry["uri"]) for entry in members.values())
    rows = [entry["rows"] for entry in members.values()]
    counted = [count for count in rows if count is not None]
    window: dict[str, object] = {
        "folder": folder_of(uris),
        "manifest": manifest_uri,
        "since": rfc3339(from_ms(manifest.first_ms)),
        "until": rfc3339(from_ms(manifest.last_ms)),
        "rows": sum(counted) if len(counted) == len(rows) else None,
        "count": len(uris),
    }
    if len(uris) == 1:
        window["uri"] = uris[0]
    if len(uris) <= _URIS_AT_MOST:
        window["uris"] = uris
    return {"match": manifest.captures, "window": window}


def folder_of(uris: Sequence[str]) -> str:
    """The members' common prefix up to the last `/`."""
    return os.path.commonprefix(list(uris)).rpartition("/")[0] + "/"


def job_of(name: str, run: Run) -> Job:
    """The job that a run record holds. The platform's id includes the epoch: a retry is a job of its own."""
    assert run.job is not None
    return Job(id=f"{name}-{run.epoch}" if run.epoch else name, **run.job)


def send(ledger: Ledger, launcher: Launcher, name: str, run: Stored[Run]) -> Stored[Run] | None:
    """Submit what the run record holds, and record what came of it. -> the new record; None: another worker's won.

    The record is `launched`, `wait` (the platform did not answer: try again later), or `ended` as `dead`.
    """
    job = job_of(name, run.value)
    template = ledger.template(job.template)
    if template is None:
        return ledger.runs.swap(run, dead(ledger, name, run.value, f"the ledger has no template {job.template}"))
    try:
        result = launcher.submit(job, template)
    except Refused as error:
        return ledger.runs.swap(run, dead(ledger, name, run.value, str(error)))
    except Unavailable as error:
        return ledger.runs.swap(run, _waiting(ledger, name, run.value, error))
    if result == "conflict":
        reason = f"the platform has another job under the id {job.id} (run_id_conflict)"
        return ledger.runs.swap(run, dead(ledger, name, run.value, reason))
    launched = replace(run.value, state="launched", launched_ms=ledger.now_ms(), error=None)
    return ledger.runs.swap(run, launched)


def dead(ledger: Ledger, name: str, run: Run, reason: str) -> Run:
    """Bury the run and say how its record must end. The dead letter is written first: nothing is lost in between."""
    ledger.bury(f"run:{name}", reason, asdict(run))
    verdict = Verdict("launch", "stop", "refused", reason).to_json()
    return replace(
        run,
        state="ended",
        outcome="dead",
        error=reason,
        ended_ms=ledger.now_ms(),
        verdicts=[*run.verdicts, verdict],
    )


def _waiting(ledger: Ledger, name: str, run: Run, error: Unavailable) -> Run:
    now = ledger.now_ms()
    if run.tries and now - run.created_ms > _GIVE_UP_MS:
        return dead(ledger, name, run, f"the platform did not take it for 24 hours: {error}")
    pause_ms = min(_FIRST_PAUSE_MS * 2**run.tries, _LONGEST_PAUSE_MS)
    if error.retry_after is not None:
        pause_ms = min(max(pause_ms, int(error.retry_after * 1000)), _LONGEST_PAUSE_MS)
    return replace(run, state="wait", tries=run.tries + 1, not_before_ms=now + pause_ms, error=str(error))


def _labels(environment: Environment, trigger: Trigger, run: str, event: str) -> dict[str, str]:
    return {
        "retrigger-environment": _label(environment.name),
        "retrigger-event": event,
        "retrigger-trigger": _label(trigger.name),
        "retrigger-run": run,
    }


def _label(text: str) -> str:
    """A name as a label value: `[a-z0-9_-]{0,63}`."""
    return "".join(char if char.isascii() and (char.isalnum() or char in "_-") else "-" for char in text.lower())[:63]
