"""What the ledger can tell people: runs, events, and the whole chain of verdicts behind either."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from retrigger.handlers.launch import asked_for, job_id, job_of
from retrigger.handlers.ledger import from_ms
from retrigger.handlers.records import ALL_TRIGGERS
from retrigger.handlers.runs_by_member import RunsByMember
from retrigger.triggers.errors import RetriggerError
from retrigger.triggers.event import rfc3339
from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from retrigger.handlers.jobs import Job
    from retrigger.handlers.ledger import Ledger, Stored
    from retrigger.handlers.records import Claim, Manifest, Pause, Run
    from retrigger.triggers.event import Json

RunStateName = Literal["running", "succeeded", "failed", "cancelled", "lost"]
_NEVER_RAN = {"rejected": "rejected", "empty": "ignored", "observed": "skipped", "skipped": "skipped"}
_STATES: Mapping[str | None, RunStateName] = {
    **dict.fromkeys(_NEVER_RAN, "cancelled"),  # `phase` says more
    "succeeded": "succeeded",
    "failed": "failed",
    "dead": "failed",
    "cancelled": "cancelled",
    "lost": "lost",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run as people and programs see it. `job` is the platform's id; times are RFC 3339 or None.

    `chained`: what the triggers said that listen to its end: {trigger, result, verdicts}.
    """

    id: str
    state: RunStateName
    phase: str
    trigger: str
    job: str
    window: str | None
    event: str | None
    replay_of: str | None
    members: int
    parameters: Mapping[str, Json]
    labels: Mapping[str, str]
    metrics: Mapping[str, float]
    tasks: Mapping[str, str]
    chained: list[dict[str, Json]]
    error: str | None
    verdicts: list[dict[str, Json]]
    created: str | None
    launched: str | None
    ended: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """One event for one trigger. `result` is what became of it by now, `subject` its URI, channel or schedule.

    `replayed`: its runs before the present one, oldest first. `parent`: the run whose end it is.
    """

    id: str
    kind: str
    subject: str
    trigger: str
    result: str
    seen: str
    window: str | None
    run: str | None
    replayed: list[str]
    parent: str | None
    verdicts: list[dict[str, Json]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseView:
    """A pause that holds. `trigger` is None where it holds every trigger; `since` is RFC 3339."""

    trigger: str | None
    since: str
    by: str
    reason: str


class Journal:
    """Reads; writes nothing. Walks the ledger: for people, not for the hot path."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def runs(self) -> list[RunView]:
        """Every run that was launched or is about to be, oldest first."""
        runs = [run for run in self._ledger.runs.list() if run.value.outcome not in _NEVER_RAN]
        return [self._run(run) for run in sorted(runs, key=lambda run: run.value.created_ms)]

    def run(self, name: str) -> RunView | None:
        stored = self._ledger.runs.get(name)
        return None if stored is None else self._run(stored)

    def job(self, name: str) -> Job:
        """What this run asked of the platform. Raises RetriggerError `no_job`: it never asked for anything."""
        stored = self._ledger.runs.get(name)
        if stored is None or stored.value.job is None:
            raise RetriggerError(f"run {name} asked nothing of the platform", code="no_job")
        return job_of(name, stored.value)

    def events(self) -> list[EventView]:
        """Every event that a trigger claimed, oldest first."""
        runs = RunsByMember(self._ledger)
        claims = sorted(self._ledger.claims.list(), key=lambda claim: claim.time)
        return [self._event(claim, runs) for claim in claims]

    def why(self, target: str) -> dict[str, Any] | None:
        """Events, windows and runs that belong to a URI, event id, window id or run id; None: nothing is known of it.

        With the chain that it stands in: the runs that led to it, and those that followed on its end.
        """
        every = self.events()
        events, windows, runs = self._belonging(every, target)
        if not (events or runs or windows):
            return None
        found = {name: self.window(name) for name in sorted(windows)}
        runs.update(*(window["runs"] for window in found.values()))
        if not events:
            events = [event for event in every if event.window in windows or event.run in runs]
        (before, earlier), (after, later) = _led_to(every, events), _followed(every, runs)
        found |= {name: self.window(name) for name in sorted(self._windows_of(earlier))}
        chosen = {id(event) for event in (*events, *before, *after)}
        events = [event for event in every if id(event) in chosen]
        known = (view for name in sorted(runs | earlier | later) if (view := self.run(name)) is not None)
        views = sorted(known, key=lambda view: view.created or "")
        triggers = {event.trigger for event in events} | {view.trigger for view in views}
        return {
            "target": target,
            "events": events,
            "windows": found,
            "runs": views,
            "pauses": [pause for pause in self.pauses() if pause.trigger is None or pause.trigger in triggers],
        }

    def _belonging(self, every: Iterable[EventView], target: str) -> tuple[list[EventView], set[str], set[str]]:
        """The events that are called so, and the windows and runs that are, or that these went into."""
        events = [event for event in every if target in _names_of(event)]
        runs = {run for event in events for run in (event.run, *event.replayed) if run}
        runs |= {target} if self._ledger.runs.get(target) else set()
        windows = {event.window for event in events if event.window} | self._windows_of(runs)
        if self._ledger.manifests.get(target) is not None:
            windows.add(target)
        return events, windows, runs

    def _windows_of(self, runs: Iterable[str]) -> set[str]:
        return {it.value.window for name in runs if (it := self._ledger.runs.get(name)) and it.value.window}

    def window(self, name: str) -> dict[str, Any]:
        """What is known of a window: open, or frozen with its cause, members and runs."""
        manifest = self._ledger.manifests.get(name)
        if manifest is None:
            members = list(self._ledger.records.list(f"m/{name}/"))
            return {"state": "open", "members": len(members), "runs": []}
        runs = [stored for stored in self._ledger.runs.list() if stored.value.window == name]
        ended = [verdict for stored in runs for verdict in stored.value.verdicts]
        return {
            "state": manifest.value.state,
            "cause": manifest.value.cause,
            "members": len(manifest.value.entries),
            "rows": _rows(manifest.value),
            "uris": sorted(str(entry["uri"]) for entry in manifest.value.entries.values()),
            "verdicts": ended,
            "runs": [self._ledger.runs.name(stored) for stored in runs],
        }

    def pauses(self) -> list[PauseView]:
        """The pauses that hold now; that of all triggers first."""
        return [_pause(self._ledger.pauses.name(it), it.value) for it in self._ledger.pauses.list() if it.value.paused]

    def dead_letters(self) -> Iterator[dict[str, Json]]:
        records = self._ledger.records
        for record in records.get_many(entry.key for entry in records.list("d/")):
            yield {"key": record.key, **record.body}

    def _run(self, stored: Stored[Run]) -> RunView:
        name, run = self._ledger.runs.name(stored), stored.value
        job = run.job or {}
        claim = self._ledger.claims.get(run.claim) if run.claim else None
        manifest = self._ledger.manifests.get(run.window) if run.window else None
        return RunView(
            id=name,
            state="lost" if run.state == "unsure" else _STATES.get(run.outcome, "running"),
            phase=run.outcome or run.state,
            trigger=run.trigger,
            job=job_id(name, run),
            window=run.window,
            event=claim.value.event["id"] if claim else None,
            replay_of=run.replay_of,
            members=len(manifest.value.of(run)) if manifest else 0,
            parameters=asked_for(job),
            labels=job.get("labels", {}),
            metrics=run.metrics,
            tasks=run.tasks,
            chained=run.chained or [],
            error=run.error,
            verdicts=run.verdicts,
            created=_time(run.created_ms),
            launched=_time(run.launched_ms),
            ended=_time(run.ended_ms),
        )

    def _event(self, stored: Stored[Claim], runs: RunsByMember) -> EventView:
        claim = stored.value
        run = claim.run or runs.of(stored)
        return EventView(
            id=claim.event["id"],
            kind=claim.event["kind"],
            subject=subject_of(claim.event),
            trigger=claim.trigger,
            result=self._result(claim, run),
            seen=rfc3339(stored.time),
            window=claim.window,
            run=run,
            replayed=[before["run"] for before in claim.replays if before["run"]],
            parent=claim.parent,
            verdicts=claim.verdicts,
        )

    def _result(self, claim: Claim, run: str | None) -> str:
        if claim.state in {"rejected", "dead", "skipped"}:
            return claim.state
        stored = self._ledger.runs.get(run) if run else None
        if stored is None:
            return "deferred"
        if stored.value.outcome in _NEVER_RAN:
            return _NEVER_RAN[stored.value.outcome]
        if stored.value.outcome == "cancelled" and not stored.value.launched_ms:
            return "skipped"
        return "launched" if stored.value.launched_ms else "dead" if stored.value.state == "ended" else "deferred"


def _names_of(event: EventView) -> set[str | None]:
    """What people may call an event by; that of the end of a run is the run's, which is another thing."""
    names = {event.id, event.window, event.run, *event.replayed}
    return names if event.parent else names | {event.subject}


def _led_to(every: Iterable[EventView], events: Iterable[EventView]) -> tuple[list[EventView], set[str]]:
    """The runs whose ends these events are, and so on back to what began the chain. Of windows no events."""
    found: list[EventView] = []
    runs: set[str] = set()
    new = {event.parent for event in events if event.parent}
    while new:
        runs |= new
        came = [event for event in every if event.window is None and not new.isdisjoint({event.run, *event.replayed})]
        found += came
        new = {event.parent for event in came if event.parent} - runs
    return found, runs


def _followed(every: Iterable[EventView], runs: set[str]) -> tuple[list[EventView], set[str]]:
    """The ends of these runs as events, the runs that they launched, and so on."""
    found: list[EventView] = []
    later: set[str] = set()
    new = runs
    while new:
        came = [event for event in every if event.parent in new]
        found += came
        new = {run for event in came for run in (event.run, *event.replayed) if run} - later - runs
        later |= new
    return found, later


def _pause(name: str, pause: Pause) -> PauseView:
    since = rfc3339(from_ms(pause.at_ms))
    return PauseView(trigger=None if name == ALL_TRIGGERS else name, since=since, by=pause.by, reason=pause.reason)


def subject_of(event: Mapping[str, Any]) -> str:
    """What people call an event by: its object's URI, its channel, or its schedule's name."""
    match event["kind"]:
        case "object":
            return str(event["object"]["uri"])
        case "message":
            return str(event["message"]["channel"])
        case kind:
            return str(event[kind]["name"])


def _rows(manifest: Manifest) -> int | None:
    counts = [entry["rows"] for entry in manifest.entries.values()]
    return None if None in counts else sum(counts)


def _time(value_ms: int) -> str | None:
    return rfc3339(from_ms(value_ms)) if value_ms else None
