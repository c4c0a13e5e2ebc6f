"""What an event would launch: the real core, over an empty ledger in memory and a platform that runs nothing.

Windows close at once, objects that a message names are taken to be there, and checks that need the data or the whole
window are left out; an Explanation says which.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from retrigger.cli.seen import values_seen
from retrigger.handlers.adapters.memory import MemoryObjects, MemoryRecords
from retrigger.handlers.admit import Admission
from retrigger.handlers.arrivals import arrivals
from retrigger.handlers.core import Core
from retrigger.handlers.jobs import JobStatus, PipelineJob, RolloutJob
from retrigger.handlers.launch import asked_for, is_rollout, job_of
from retrigger.handlers.ledger import Ledger
from retrigger.handlers.outcome import Verdict
from retrigger.handlers.ports import ObjectStat
from retrigger.handlers.rollout.rollouts import ByKind, Rollouts
from retrigger.handlers.rollout.telling import in_words
from retrigger.handlers.validate.checks import check_object
from retrigger.handlers.windows import WindowId
from retrigger.handlers.wiring import cloud_of, endpoints_of
from retrigger.triggers import glob, keys
from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.event import Schedule
from retrigger.triggers.expressions import load_expression
from retrigger.triggers.match import Index
from retrigger.triggers.spec import ScheduleSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.handlers.arrivals import Arrival
    from retrigger.handlers.jobs import Job, Request
    from retrigger.handlers.ledger import Stored
    from retrigger.handlers.outcome import Outcome, Result
    from retrigger.handlers.ports import Launcher, Record
    from retrigger.handlers.records import Run
    from retrigger.triggers.compiled import Compiled
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.event import Event, Json, Object
    from retrigger.triggers.match import Match
    from retrigger.triggers.spec import Trigger

_NONCE: Final = "0" * 8
_TAKEN_SIZE: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """What would become of one object that a message names. `window_key`: what it would wait with."""

    uri: str
    result: Result
    window_key: str | None
    verdicts: list[dict[str, Json]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What would become of one event for one trigger (None: it meets none).

    `identity` is what makes a second delivery a duplicate. `run` and `window` are ids over an empty ledger: those of a
    window end in another hash in a real one; `window_key` is what waits together. `saw`: what the filters looked at,
    shortened. `parameters` are what a job would be given, `job` everything that would be asked for. `request` is the
    first that is sent; `steps` say in words what a rollout does.
    `members` are the objects that a message names. `not_checked` needs the data; `waits` is what the window would wait
    for.
    """

    event: str
    trigger: str | None
    result: Result
    identity: str | None
    run: str | None
    window: str | None
    window_key: str | None
    saw: Mapping[str, str]
    verdicts: list[dict[str, Json]]
    parameters: Mapping[str, Json] | None
    job: Mapping[str, Json] | None
    request: Request | None
    steps: list[str]
    members: list[Member]
    not_checked: list[str]
    waits: str | None


def explain_event(compiled: Compiled, event: Event) -> list[Explanation]:
    """One for each trigger that the event meets, or a single one without a trigger. The same event, the same answer."""
    at = max(event.time, event.payload.scheduled_for) if isinstance(event.payload, Schedule) else event.time
    environment = compiled.environment
    ledger = Ledger(_SameNonce(lambda: at), environment.name)
    launcher, endpoints = cloud_of(environment, {})[0], endpoints_of(environment, {})
    platform = _TakesAll(launcher if endpoints is None else ByKind(launcher, Rollouts(ledger, endpoints)))
    admission = Admission(ledger, _AtOnce(compiled, event), platform, _AllThere())
    core = Core(admission, Index.from_json(compiled.index), wait=lambda _: None)
    return [_Explainer(compiled, event, core, platform).explain(outcome) for outcome in core.handle(event)]


class _SameNonce(MemoryRecords):
    """The nonce of a window tells ledgers apart; here is none, and the same event shall get the same ids."""

    def create(self, key: str, body: Mapping[str, Json]) -> Record | None:
        return super().create(key, {**body, "nonce": _NONCE} if key.startswith("w/") else body)


class _AtOnce:
    """The catalog, with triggers that wait for nothing and read nothing."""

    def __init__(self, compiled: Compiled, event: Event) -> None:
        self._compiled = compiled
        self._event = event

    @property
    def environment(self) -> Environment:
        return self._compiled.environment

    def trigger(self, name: str) -> Trigger | None:
        trigger = self._compiled.trigger(name)
        if trigger is None:
            return None
        # A file that is refused for what its event says is refused before it is read: that check can stay.
        refused = check_object(self._event, trigger.object_check) is not None
        return replace(
            trigger,
            window=replace(trigger.window, quiet=timedelta(), until=None, until_count=None, until_lists=False),
            object_check=trigger.object_check if refused else None,
            window_check=None,
            validators=(),
        )

    def template(self, sha256: str) -> Mapping[str, Json]:
        return self._compiled.template(sha256)


class _AllThere(MemoryObjects):
    """A store that has whatever it is asked for, and lists nothing."""

    def stat(self, bucket: str, name: str) -> ObjectStat | None:
        del bucket
        return ObjectStat(name=name, version="0", size=0 if name.endswith("/") else _TAKEN_SIZE)


class _TakesAll:
    """A platform that takes every job that the real one would not certainly refuse, and runs none."""

    def __init__(self, real: Launcher) -> None:
        self._real = real

    def request(self, job: Job, template: Mapping[str, Json] | None) -> Request:
        return self._real.request(job, template)

    def submit(self, job: Job, template: Mapping[str, Json] | None) -> Literal["created", "adopted", "conflict"]:
        self.request(job, template)
        return "created"

    def status(self, job: Job) -> JobStatus:
        del job
        return JobStatus(state="running")

    def cancel(self, job: Job) -> None:
        del job


@dataclass(frozen=True, slots=True)
class _Explainer:
    """Reads what the core left in the ledger and on the platform."""

    compiled: Compiled
    event: Event
    core: Core
    platform: _TakesAll

    @property
    def ledger(self) -> Ledger:
        return self.core.ledger

    def explain(self, outcome: Outcome) -> Explanation:
        trigger = self.compiled.trigger(outcome.trigger) if outcome.trigger else None
        run = next((run for run in self.ledger.runs.list() if run.value.trigger == outcome.trigger), None)
        name = self.ledger.runs.name(run) if run else None
        said = [verdict.to_json() for verdict in outcome.verdicts]
        members = list(self._members(outcome.trigger)) if outcome.trigger else []
        return Explanation(
            event=outcome.event,
            trigger=outcome.trigger,
            result=_result(outcome, run),
            identity=self._identity(trigger) if trigger else None,
            run=name,
            window=outcome.window,
            window_key=self._window_key(outcome.window) if outcome.window else None,
            saw=self._saw(trigger) if trigger else {},
            verdicts=said + (run.value.verdicts if run else []),
            parameters=asked_for(run.value.job) if run and run.value.job else None,
            job=run.value.job if run else None,
            request=self._request(run) if run else None,
            steps=self._steps(run) if run else [],
            members=members,
            not_checked=list(_not_checked(trigger, outcome, members)) if trigger else [],
            waits=self._waits(trigger, outcome.window) if trigger and outcome.window else None,
        )

    def _request(self, run: Stored[Run]) -> Request | None:
        """What is sent, or would be if the trigger did more than observe."""
        if run.value.state == "ended" and run.value.outcome != "observed":
            return None
        job = job_of(self.ledger.runs.name(run), run.value)
        template = self.compiled.template(job.template) if isinstance(job, PipelineJob) else None
        return self.platform.request(job, template)

    def _steps(self, run: Stored[Run]) -> list[str]:
        """What a rollout will do, in words; of other kinds the request says it all."""
        if not is_rollout(run.value) or run.value.outcome == "dead":
            return []
        job = job_of(self.ledger.runs.name(run), run.value)
        return list(in_words(job)) if isinstance(job, RolloutJob) else []

    def _members(self, trigger: str) -> Iterator[Member]:
        """The objects that the event names, if it is a message that was not turned away."""
        for arrival in arrivals(self.event, self.core.index, self.core.catalog):
            if arrival.trigger.name == trigger and arrival.names_objects:
                claim = self.ledger.claims.get(self.ledger.claim_name(trigger, arrival.identity))
                found = self.core.joining.named.look_up(arrival) if claim and claim.value.joins else []
                for payload in [] if isinstance(found, Verdict) else found:
                    yield self._member(arrival, payload)

    def _member(self, message: Arrival, payload: Object) -> Member:
        """It was decided on already: the same again changes nothing, and says what was decided."""
        own = self.core.joining.named.arrival(message, payload)
        assert own is not None  # or else the message had been turned away
        again = self.core.decide(own)
        return Member(
            uri=payload.uri,
            result=again.stored or again.result,
            window_key=self._window_key(again.window) if again.window else None,
            verdicts=[verdict.to_json() for verdict in again.verdicts],
        )

    def _window_key(self, window: str) -> str | None:
        head = self.ledger.heads.get(WindowId.parse(window).head)
        return head.value.key if head else None

    def _saw(self, trigger: Trigger) -> dict[str, str]:
        """The values of the names in the filters that the event came to, also where a filter let it pass."""
        found: dict[str, str] = {}
        for match in self._matches(trigger):
            if match.role == "source":
                for rule in filter(None, (trigger.filter, trigger.sources[match.source].filter)):
                    found.update(values_seen(rule, self._scope(match)))
        return found

    def _scope(self, match: Match) -> dict[str, object]:
        return {"event": self.event.scope(), "match": match.captures, "vars": self.compiled.environment.vars}

    def _identity(self, trigger: Trigger) -> str | None:
        """That of the claim; None where the event was ignored before it was claimed."""
        candidates = [self.event.identity]
        for match in self._matches(trigger):
            source = trigger.sources[match.source] if match.role == "source" else None
            if source is None or isinstance(source, ScheduleSource) or not source.key:
                continue
            with suppress(ExpressionError):  # then the event was claimed, and rejected, under its own identity
                key = load_expression(source.key).evaluate(self._scope(match))
                candidates.insert(0, keys.identity(self.event, key))
        claimed = (one for one in candidates if self.ledger.claims.get(self.ledger.claim_name(trigger.name, one)))
        return next(claimed, None)

    def _matches(self, trigger: Trigger) -> list[Match]:
        found = Index.from_json(self.compiled.index).match(self.event)
        return [match for match in found if match.trigger == trigger.name]

    def _waits(self, trigger: Trigger, window: str) -> str | None:
        rule = trigger.window
        if any(match.role == "marker" for match in self._matches(trigger)):
            what = "lists" if rule.until_lists else "announces"
            return f"this is the marker: the window closes when the objects that it {what} are members"
        end = "is rejected" if rule.at_max_wait == "reject" else "launches"
        if rule.until_count is not None:
            return f"the window waits for {rule.until_count} members; with fewer, it {end} after {rule.max_wait}"
        if rule.until is not None:
            head = self.ledger.heads.get(WindowId.parse(window).head)
            marker = glob.parse(rule.until).bind(head.value.captures if head else {}).text
            return f"the window waits for {marker}; without it, it {end} after {rule.max_wait}"
        if rule.quiet:
            return f"the window waits until nothing has come for {rule.quiet}, at most {rule.max_wait}"
        return None


def _result(outcome: Outcome, run: Stored[Run] | None) -> Result:
    """What a run ended as before it was launched counts: to the sender its event is only `deferred`."""
    match run.value.outcome if run else None:
        case None:
            return outcome.result
        case "dead":
            return "dead"
        case "observed" | "skipped":
            return "skipped"
        case _:
            return "rejected"


def _not_checked(trigger: Trigger, outcome: Outcome, members: list[Member]) -> Iterator[str]:
    """What would be asked on the way that the event has gone."""
    if members:
        yield "whether the objects that it names are there (each is taken to be, with 1 MiB)"
    gathers = outcome.window is not None or bool(members)
    if not gathers and outcome.run is None:
        return
    if trigger.object_check is not None and gathers:
        yield f"the data of the object ({trigger.object_check.format})"
    yield from (f"what the validator {it.name} ({it.package}) would say" for it in trigger.validators)
    if trigger.window_check is not None and gathers:
        yield f"the whole window (at least {trigger.window_check.min_rows:,} rows)"
