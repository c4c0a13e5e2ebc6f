"""Launching: the request that is frozen before it is sent, the sending, and what each kind of failure means."""

from __future__ import annotations

import json
import os.path
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, TypeAlias

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

    from retrigger.handlers.ledger import Manifest, RunOutcome
    from retrigger.handlers.listing import Listing
    from retrigger.handlers.ports import Catalog, Launcher, Objects
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Environment, Trigger

Members: TypeAlias = "Mapping[str, Mapping[str, Any]]"
_TRIES_AT_MOST = 150  # with these pauses: 24 hours
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
    fired, over the launch's own. Raises Refused with code `bad_parameters` when a value cannot be computed or does not
    fit the pipeline's signature: it never will.
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


class Freezing:
    """Makes the run record of a frozen window's chunk: ready to be sent, or ended because it must not run."""

    def __init__(self, ledger: Ledger, catalog: Catalog, objects: Objects, listing: Listing) -> None:
        self._ledger = ledger
        self._catalog = catalog
        self._objects = objects
        self._listing = listing

    def window_run(self, name: str, run: Run, trigger: Trigger, manifest: Manifest) -> Run:
        """`run` with its frozen request, or ended as `rejected` (a check of the window) or `dead` (bad parameters)."""
        assert run.window is not None
        members = {member: manifest.entries[member] for member in manifest.chunks()[run.chunk]}
        verdicts = [Verdict("window", "pass", manifest.cause, f"{len(members)} members")]
        try:
            verdicts += self._checked(trigger, manifest, members)
            scope = _window_scope(manifest, members, self._manifest_uri(trigger, name, members))
            event = keys.digest(run.window)
            job = frozen_job(self._catalog, trigger, name, event=event, source={}, scope=scope)
        except Refused as error:
            said = [verdict.to_json() for verdict in (*verdicts, Verdict("window", "stop", error.code, str(error)))]
            outcome: RunOutcome = "dead" if error.code == "bad_parameters" else "rejected"
            if outcome == "dead":
                self._ledger.bury(f"run:{name}", str(error), {"window": run.window, "chunk": run.chunk})
            now = self._ledger.now_ms()
            return replace(run, state="ended", outcome=outcome, error=str(error), ended_ms=now, verdicts=said)
        return replace(run, job=job, verdicts=[verdict.to_json() for verdict in verdicts])

    def _checked(self, trigger: Trigger, manifest: Manifest, members: Members) -> list[Verdict]:
        """Checks of the whole window. Raises Refused where it must not run."""
        said = []
        wanted = trigger.window_check.min_rows if trigger.window_check else None
        counts = [entry["rows"] for entry in manifest.entries.values()]
        if wanted is not None and None in counts:
            said.append(Verdict("window", "pass", "rows_not_counted", "not every member was read to its end"))
        elif wanted is not None and sum(counts) < wanted:
            raise Refused(f"{sum(counts)} rows in the window, at least {wanted} are wanted", code="too_few_rows")
        if _mentions(trigger.launch.parameters, "window.folder"):
            said += self._folder(trigger, manifest, members)
        return said

    def _folder(self, trigger: Trigger, manifest: Manifest, members: Members) -> list[Verdict]:
        """A run that reads a folder reads all of it: say what else lies there, and refuse what was turned away."""
        bucket = str(next(iter(members.values()))["bucket"])
        folder = folder_of(sorted(str(entry["uri"]) for entry in members.values()))
        mine = {str(entry["name"]) for entry in members.values()}
        extra = self._listing.others(trigger, bucket, folder.removeprefix(f"gs://{bucket}/"), mine)
        rejected = self._listing.rejected(trigger, manifest.captures, extra)
        if rejected:
            raise Refused(
                f"{folder} also holds {_some(rejected)}, which the data gate rejected: the run would read it. "
                "Replace or remove it, or pass window.manifest or window.uris instead of window.folder",
                code="folder_holds_rejected",
            )
        if extra:
            return [Verdict("window", "pass", "folder_holds_more", f"{folder} also holds {_some(extra)}")]
        return []

    def _manifest_uri(self, trigger: Trigger, name: str, members: Members) -> str:
        """Where the run finds its members as a JSON file; written only for a pipeline that asks for it."""
        root = self._catalog.environment.pipelines[trigger.launch.pipeline].root.rstrip("/")
        uri = f"{root}/retrigger/{name}/manifest.json"
        if _mentions(trigger.launch.parameters, "window.manifest"):
            fields = ("uri", "version", "size", "checksum", "rows")
            listed = sorted(({key: entry[key] for key in fields} for entry in members.values()), key=_by_uri)
            bucket, _, path = uri.removeprefix("gs://").partition("/")
            self._objects.write(bucket, path, json.dumps({"members": listed}, indent=1).encode())
        return uri


def _window_scope(manifest: Manifest, members: Members, manifest_uri: str) -> dict[str, object]:
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
    """The common prefix up to the last `/`, of URIs in order: the first and the last say it all."""
    return os.path.commonprefix([uris[0], uris[-1]]).rpartition("/")[0] + "/"  # noqa: RUF071  # of URIs, not of paths


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
    if run.tries >= _TRIES_AT_MOST:
        return dead(ledger, name, run, f"the platform did not take it in {run.tries} tries: {error}")
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


def _mentions(parameters: Mapping[str, Json], name: str) -> bool:
    return name in json.dumps(dict(parameters))


def _some(names: list[str]) -> str:
    return ", ".join(sorted(names)[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _by_uri(entry: Mapping[str, Any]) -> str:
    return str(entry["uri"])
