"""`replay --env`: what one environment did or turned away, done in another one too. Reads there, writes here.

What is written here is one claim and its note, as for an event of this environment: the next tick takes it through
slots, throttles, pauses and limits to this environment's platform. So it may be broken off, and asked for twice.

- A run is resolved again: its parameters and artifacts keep their values; the pipeline of that name, its root, identity
  and labels, the trigger's rules and the run's id are those of here. Values that are URIs lead where they led: this
  environment's pipelines must be allowed to read there.
- A message, or a time of a schedule, that launched nothing is decided on anew by the trigger of here; a message as if
  it had come on the channel that has its channel's name. What an object's or a platform's event is about is not here.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from retrigger.handlers.arrivals import arrivals
from retrigger.handlers.forget import is_forgotten
from retrigger.handlers.journal import subject_of
from retrigger.handlers.letters import letters
from retrigger.handlers.records import Claim
from retrigger.handlers.replay import Plan, names_of
from retrigger.handlers.requests import resolved_again
from retrigger.handlers.runs_by_member import RunsByMember
from retrigger.handlers.slots import own_gate
from retrigger.triggers import keys
from retrigger.triggers.archive import is_whole
from retrigger.triggers.errors import ExpressionError, Refused
from retrigger.triggers.event import Event, Message, Schedule, folded, rfc3339
from retrigger.triggers.frozen import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from retrigger.handlers.arrivals import Arrival
    from retrigger.handlers.ledger import Ledger, Stored
    from retrigger.handlers.ports import Catalog
    from retrigger.handlers.records import NoteKind, Run
    from retrigger.triggers.match import Index
    from retrigger.triggers.spec import Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """What would be done about one thing, and the claim that asks for it; none where it is left."""

    plan: Plan
    claim: Claim | None = None


class Shadowing:
    """From the ledger `source` to the ledger `here`, whose project is `catalog` and `index`.

    `channels`: addresses of channels of other environments -> that of the channel of the same name here.
    """

    def __init__(
        self, source: Ledger, here: Ledger, catalog: Catalog, index: Index, channels: Mapping[str, str]
    ) -> None:
        self._source = source
        self._here = here
        self._catalog = catalog
        self._index = index
        self._channels = {folded(address): own for address, own in channels.items()}

    def of(self, target: str) -> list[Shadow]:
        """For a run, a dead letter, an event's id or a URI of the source. Empty: it knows nothing of that name."""
        run = self._source.runs.get(target)
        if run is not None:
            return [self._of_run(target, run.value)]
        letter = next((letter for letter in letters(self._source) if letter.id == target), None)
        if letter is not None and letter.run is not None:
            return self.of(letter.run)
        if letter is not None:
            claim = self._source.claims.get(letter.claim or "")
            if letter.kind == "event" and claim is not None:
                return [self._of_claim(claim)]
            return [Shadow(plan=_left(letter.subject, letter.trigger or "", "nothing came of it that could be done"))]
        claims = [it for it in self._source.claims.list() if target in names_of(it.value)]
        found = [self._of_claim(it) for it in claims]
        return list({(it.plan.claim, it.plan.subject): it for it in found}.values())

    def ask(self, shadow: Shadow) -> None:
        """Write what a tick of here needs to do it."""
        claim, name = shadow.claim, shadow.plan.claim
        if claim is None or name is None:
            return
        self._here.claims.create(name, claim)
        kept = self._here.claims.get(name)
        if kept is not None and kept.value.state in {"gate", "open"}:  # also where another was broken off before this
            kind: NoteKind = "claim" if kept.value.job is None else "run"
            self._here.note(kind, name, claim.trigger, self._here.now_ms())

    # what was launched, or is about to be

    def _of_run(self, name: str, run: Run) -> Shadow:
        if run.claim is not None:
            claim = self._source.claims.get(run.claim)
            if claim is not None and is_forgotten(claim.value.event):
                return Shadow(plan=_left(f"run {name}", run.trigger, "it was forgotten: its parameters are gone"))
        if run.job is None:
            return Shadow(plan=_left(f"run {name}", run.trigger, "no request was made of it, so there is none to make"))
        return self._of_job(name, run.trigger, run.job, run.gates[:1])

    def _of_job(self, name: str, called: str, job: Mapping[str, Any], gates: list[str]) -> Shadow:
        environment = self._catalog.environment.name
        left = _left(f"run {name}", called, "")
        trigger = self._catalog.trigger(called)
        if trigger is None:
            return self._without_trigger(left)
        run = keys.run_id(environment, called, "shadow", name)
        left = replace(left, run=run, claim=self._here.claim_name(called, f"shadow:{name}"))
        if (done := self._done(left)) is not None:
            return done
        try:
            again = resolved_again(self._catalog, trigger, run, job)
        except Refused as error:
            return Shadow(plan=replace(left, reason=str(error), code=error.code))
        came = job["labels"].get("retrigger-environment", "another environment")
        claim = Claim(
            state="open",
            trigger=called,
            event=_stand_in(name, came, rfc3339(self._here.records.now())),
            run=run,
            job=again,
            own_gate=gates[0] if gates else own_gate(called, ""),
            shadow=True,
        )
        return Shadow(plan=replace(left, action="launch", reason=f"as {came} did"), claim=claim)

    # what was claimed

    def _of_claim(self, stored: Stored[Claim]) -> Shadow:
        claim = stored.value
        left = _left(subject_of(claim.event), claim.trigger, "")
        if is_forgotten(claim.event):
            return Shadow(plan=replace(left, reason="it was forgotten: nothing of it is left to be done"))
        if claim.run is not None and claim.job is not None and claim.state != "gate":
            return self._of_job(claim.run, claim.trigger, claim.job, [claim.own_gate] if claim.own_gate else [])
        name = claim.run or self._runs.of(stored)
        run = self._source.runs.get(name) if name is not None else None
        if name is not None and run is not None:
            return self._of_run(name, run.value)
        if claim.state not in {"rejected", "dead"}:
            return Shadow(plan=replace(left, reason="it is being decided on, or waits in a window: it has no run yet"))
        if not is_whole(claim.event):
            told = "its trigger did not let all of it be kept: nothing can decide on it anew"
            return Shadow(plan=replace(left, reason=told, code="event_not_kept"))
        return self._of_event(left, Event.from_json(claim.event))

    def _of_event(self, left: Plan, event: Event) -> Shadow:
        trigger = self._catalog.trigger(left.trigger)
        if trigger is None:
            return self._without_trigger(left)
        match event.payload:
            case Message(channel=channel) as message:
                own = self._channels.get(folded(channel), channel)
                event = replace(event, payload=replace(message, channel=own))
            case Schedule():
                pass
            case _:
                told = f"what it is about is not in {self._catalog.environment.name}: put it there, and it has an event"
                return Shadow(plan=replace(left, reason=told))
        met = next((it for it in arrivals(event, self._index, self._catalog) if it.trigger.name == trigger.name), None)
        if met is None:
            told = f"{trigger.name} does not listen to this in {self._catalog.environment.name}"
            return Shadow(plan=replace(left, reason=told))
        return self._decided(left, trigger, met)

    def _decided(self, left: Plan, trigger: Trigger, arrival: Arrival) -> Shadow:
        try:
            identity = arrival.identity
        except ExpressionError:  # it will be turned away under its own
            identity = arrival.event.identity
        left = replace(left, claim=self._here.claim_name(trigger.name, identity))
        if (done := self._done(left)) is not None:
            return done
        rule: dict[str, Any] = {"archive": trigger.archive, "redact": [*trigger.redact]}
        claim = Claim(state="open", trigger=trigger.name, event=arrival.event.to_json(), shadow=True, **rule)
        return Shadow(plan=replace(left, action="decide", reason="it launched nothing where it came"), claim=claim)

    def _done(self, left: Plan) -> Shadow | None:
        """What is left to do where it was asked for before."""
        known = self._here.claims.get(left.claim or "")
        if known is None or known.value.state in {"gate", "open"}:
            return None
        where = self._catalog.environment.name
        ran = f", as run {known.value.run}" if known.value.run else ""
        return Shadow(plan=replace(left, reason=f"it came to {where} before{ran}: replay it there"))

    def _without_trigger(self, left: Plan) -> Shadow:
        return Shadow(plan=replace(left, reason=f"{self._catalog.environment.name} has no trigger `{left.trigger}`"))

    @cached_property
    def _runs(self) -> RunsByMember:
        return RunsByMember(self._source)


def _left(subject: str, trigger: str, reason: str) -> Plan:
    return Plan(action="leave", subject=subject, trigger=trigger, reason=reason)


def _stand_in(run: str, environment: str, time: str) -> dict[str, Any]:
    """In the place of an event: what asks for the run. The event itself stays where it came."""
    what = {"name": f"run {run} of {environment}"}
    return {"id": run, "kind": "replay", "time": time, "replay": what, "archived": "none"}
