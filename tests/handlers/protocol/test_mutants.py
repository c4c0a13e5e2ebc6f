"""The simulation can fail: each naive rule, put back one at a time, is caught by what must be true of a world.

The rules are those that a first version would have. Every case names the style of scene and a short range of seeds that
shows it; a case that is no longer caught means that the simulation, or what it asserts, has become blind.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.handlers.admit import Admission
from retrigger.handlers.carrying import Carrying
from retrigger.handlers.chaining import Chaining
from retrigger.handlers.claims import Claims, outcome, recorded
from retrigger.handlers.core import Core
from retrigger.handlers.following import Following
from retrigger.handlers.gate import Gate
from retrigger.handlers.gathering import Gathering
from retrigger.handlers.granting import Granting
from retrigger.handlers.joining import Joining
from retrigger.handlers.judging import Judging
from retrigger.handlers.launch import job_of
from retrigger.handlers.records import Claim
from retrigger.handlers.rollout import going
from retrigger.handlers.rollout.plan import Become, Probe, Shift, Stay
from retrigger.handlers.rollout.rollouts import Rollouts
from retrigger.handlers.slots import Slots, Standing
from retrigger.handlers.tick import Tick
from retrigger.handlers.windowed import Windowed
from retrigger.handlers.windows import Joined, WindowId, Windows, first_look
from retrigger.triggers.errors import RetriggerError
from tests.handlers.protocol.test_simulation import play
from tests.handlers.protocol.violation import Violation
from tests.handlers.protocol.world import AnyOrder, Parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from retrigger.handlers.arrivals import Arrival
    from retrigger.handlers.endpoints import Endpoint
    from retrigger.handlers.granting import Grant
    from retrigger.handlers.jobs import JobStatus, RolloutJob
    from retrigger.handlers.ledger import Gate as GateRecord
    from retrigger.handlers.ledger import Ledger, Stored
    from retrigger.handlers.outcome import Outcome
    from retrigger.handlers.ports import Records
    from retrigger.handlers.records import Cause, Head, Manifest, Note, NoteKind, Rollout, Run
    from retrigger.handlers.rollout.plan import Intent
    from retrigger.handlers.slots import Bid, GateRule
    from retrigger.triggers.spec import Trigger, WindowRule
    from tests.handlers.protocol.scenes import Style

_MEMBER = ("uri", "bucket", "name", "version", "sequencer", "size", "checksum")

# claims and members


class CheckThenAct(Claims):
    """Look for a claim, and write one if there is none: whoever wrote in between is written over."""

    def take(self, arrival: Arrival, name: str, **state: Any) -> tuple[Stored[Claim], bool]:
        found = self.ledger.claims.get(name)
        if found is not None:
            return found, False
        then = state.pop("then", None)
        mine = Claim(trigger=arrival.trigger.name, event=arrival.event.to_json(), **state)
        stored = self.ledger.claims.create(name, mine, then)
        while stored is None:
            stored = self.ledger.claims.swap(self.reread(name), mine)
        return stored, True


class MemberBeforeClaim(Claims):
    """Write the member first: a redelivery writes it into whatever window is open by then."""

    def take(self, arrival: Arrival, name: str, **state: Any) -> tuple[Stored[Claim], bool]:
        if state["state"] == "member":
            member = {field: arrival.event.to_json()["object"][field] for field in _MEMBER}  # type: ignore[index, call-overload]
            member |= {"rows": None, "bad": False}
            self.ledger.records.create(f"m/{state['window']}/e.{name.rsplit('/', 1)[1]}", member)
        return super().take(arrival, name, **state)


class ResumesOnlyOpenClaims(Core):
    """A claim that says `member` needs no tick: its settler will have written the member."""

    def resume(self, name: str) -> Outcome | None:
        stored = self.ledger.claims.get(name)
        return None if stored is None or stored.value.state in {"member", "marker"} else super().resume(name)


class LeavesRunsToTheirNote(Core):
    """A claim with a request needs no decision: the note of its run will bring it on."""

    def resume(self, name: str) -> Outcome | None:
        stored = self.ledger.claims.get(name)
        return None if stored is None or stored.value.job is not None else super().resume(name)


class LetsGoTooSoon(Claims):
    """What is settled needs its event no more."""

    def settle(self, name: str, stored: Stored[Claim], value: Claim) -> tuple[Stored[Claim], bool]:
        return super().settle(name, stored, value.settled())


class LetsGoAtOnce(Claims):
    """Who delivers an event brings it along: the ledger need not hold it."""

    def take(self, arrival: Arrival, name: str, **state: Any) -> tuple[Stored[Claim], bool]:
        mine = Claim(trigger=arrival.trigger.name, event=arrival.event.to_json(), archive="none", **state).archived()
        created = self.ledger.claims.create(name, mine)
        return (created, True) if created is not None else (self.reread(name), False)


class NeverLetsGo(Claims):
    """A claim that joined its window is done with."""

    def joined(self, name: str, stored: Stored[Claim]) -> None:
        pass


class LaunchesWhatIsNotJudged(Gate):
    """What cannot be judged now is no reason to wait."""

    def decide(self, name: str, stored: Stored[Claim], *args: Any, **rest: Any) -> tuple[Stored[Claim], bool]:
        try:
            return super().decide(name, stored, *args, **rest)
        except RetriggerError:
            stored = self.claims.reread(name)
            return self.claims.settle(name, stored, replace(stored.value, state="open"))


class AcknowledgesUnnoted(AnyOrder):
    """What is being launched needs no note: this handler will finish it."""

    def note(self, kind: NoteKind, subject: str, trigger: str, at_ms: int, since_ms: int | None = None) -> None:
        if kind != "run":
            super().note(kind, subject, trigger, at_ms, since_ms)


class LiveBeforeNote(Windows):
    """Say that the window has its note, then write the note."""

    def join(
        self, name: str, claim: Stored[Claim], member: Mapping[str, Any], rule: WindowRule, *, written: bool = False
    ) -> Joined:
        joined = super().join(name, claim, member, rule, written=written)
        if joined.opened:
            super()._note(WindowId.parse(joined.window), claim.value.trigger, first_look(rule, self.ledger.now_ms()))
        return joined

    def mark(self, name: str, claim: Stored[Claim], place: Mapping[str, str] | None = None) -> tuple[str, bool]:
        window, changed = super().mark(name, claim, place)
        if changed:
            super()._note(WindowId.parse(window), claim.value.trigger, self.ledger.now_ms())
        return window, changed

    def _note(self, window: WindowId, trigger: str, at_ms: int) -> None:
        """Not yet."""


# what a message names


class StrikesOffFirst(Joining):
    """The message's claim is settled, and then its objects join."""

    def go_on(self, arrival: Arrival, name: str, stored: Stored[Claim]) -> Outcome:
        del name
        joins: Any = stored.value.joins
        settled = replace(stored.value, state="joined", joins={**joins, "left": []})
        if self.ledger.claims.swap(stored, settled) is not None:
            for payload in joins["left"]:
                self._join(arrival, payload)
        return recorded(arrival, stored, "deferred")


# markers


class MarkerDuplicateAcks(Gathering):
    """A marker whose claim exists is a duplicate."""

    def mark(self, arrival: Arrival) -> Outcome:
        if self.claims.ledger.claims.get(self.claims.name(arrival)) is not None:
            return outcome(arrival, "duplicate")
        return super().mark(arrival)


class MarkerOfSealedAcks(Windows):
    """A marker whose window is closed has nothing to do."""

    def mark(self, name: str, claim: Stored[Claim], place: Mapping[str, str] | None = None) -> tuple[str, bool]:
        window = WindowId.parse(str(claim.value.window))
        if self.head(window.head).value.n != window.n:
            return str(window), False
        return super().mark(name, claim, place)


class Vacuous(Judging):
    """Nothing is listed yet, so everything that is listed is here."""

    def judge(self, trigger: Trigger, window: WindowId, head: Head, **known: Any) -> Cause | None:
        if head.marked and not list(known["listed"]()):
            return "marker"
        return super().judge(trigger, window, head, **known)


class ClaimIsMember(Judging):
    """A claim that says `member` is as good as the member."""

    def _complete(self, window: WindowId, mine: set[str], listed: Iterable[str | None]) -> bool:
        del window, mine
        claims = [name and self.ledger.claims.get(name) for name in listed]
        return all(claim and claim.value.state != "open" for claim in claims)


class CountsFirst(Windows):
    """How many there are is known before one more is written."""

    def _complete(self, window: WindowId, head: Stored[Head], rule: WindowRule) -> bool:
        fewer = None if rule.until_count is None else rule.until_count + 1
        return super()._complete(window, head, replace(rule, until_count=fewer))


# closing


class HostClock(AnyOrder):
    """Judge time by the host's clock: that of some hosts is five minutes fast."""

    def __init__(self, records: Records, environment: str, nonce: Callable[[], str]) -> None:
        super().__init__(records, environment, nonce)
        self._fast_ms = 300_000 * (int(nonce(), 16) % 2)

    def now_ms(self) -> int:
        return super().now_ms() + self._fast_ms


class SealsBeforeGrant(Windowed):
    """Close the window, then wait for a slot."""

    def _closed(self, window: WindowId, trigger: Trigger, *, timed: bool, first_ms: int) -> Manifest | None:
        head = self.windows.head(window.head)
        if head.value.n == window.n:
            cause = self._judge(window, trigger, head.value, timed=timed, first_ms=first_ms)
            if cause is not None:
                self.windows.seal(window, head, cause, max_members=trigger.window.max_members)
        return super()._closed(window, trigger, timed=timed, first_ms=first_ms)


class SealsBlind(Windows):
    """The head changed since it was judged: take the new one, the judgement stands."""

    def seal(self, window: WindowId, head: Stored[Head], cause: Cause, **known: Any) -> Stored[Head] | None:
        head = self.head(window.head)
        return None if head.value.n != window.n else super().seal(window, head, cause, **known)


class HelperGuesses(Windows):
    """Who helps to freeze does not know why the window was sealed: for its age, surely."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._mine: set[WindowId] = set()

    def seal(self, window: WindowId, head: Stored[Head], cause: Cause, **known: Any) -> Stored[Head] | None:
        self._mine.add(window)
        return super().seal(window, head, cause, **known)

    def _freeze(self, window: WindowId, head: Head) -> Manifest:
        assert head.prev is not None
        guessed = head if window in self._mine else replace(head, prev={**head.prev, "cause": "max_wait"})
        return super()._freeze(window, guessed)


class TakesUnjudgedLists(Windows):
    """A marker that came before the window was sealed is that window's."""

    def seal(self, window: WindowId, head: Stored[Head], cause: Cause, **known: Any) -> Stored[Head] | None:
        return super().seal(window, head, cause, **{**known, "lists": None})


# slots and launching


class Releases(Admission):
    """The platform did not answer: give the slot back, somebody else may use it."""

    def send(self, name: str, run: Stored[Run], trigger: Trigger, *, timed: bool) -> bool:
        launched = super().send(name, run, trigger, timed=timed)
        now = self.ledger.runs.get(name)
        if now is not None and now.value.state == "wait":
            self.slots.free(now.value.gates, name)
        return launched


class SkipsUnasked(Granting):
    """The ledger says that the slot is taken: it is."""

    def _one_has_ended(self, holders: Iterable[str]) -> bool:
        del holders
        return False


class Overtakes(Slots):
    """A free slot is for whoever finds it."""

    def _ahead(self, gate: GateRecord, bid: Bid) -> list[str]:
        del gate, bid
        return []


class RemembersOne(Slots):
    """The first in line is enough: when it has gone, the next one that looks is the first."""

    def _lined_up(self, gate: GateRecord, bid: Bid) -> GateRecord:
        lined_up = super()._lined_up(gate, bid)
        return replace(lined_up, waits=dict(list(lined_up.waits.items())[:1]))


class StartsAtOnce(Following):
    """It was asked to stop: its slot may be used."""

    def stop(self, name: str, run: Stored[Run]) -> None:
        super().stop(name, run)
        self.slots.free(run.value.gates, name)


class AnyoneReplaces(Granting):
    """Whoever finds a run at work replaces it, also who came before it."""

    def _replace(self, holders: Iterable[str], bid: Bid) -> Grant:
        return super()._replace(holders, replace(bid, since_ms=self.ledger.now_ms()))


class OldestOfReplaced(Slots):
    """Who came first is next, whatever came after."""

    def _ahead(self, gate: GateRecord, bid: Bid) -> list[str]:
        return super()._ahead(gate, replace(bid, first="oldest"))


class ForgetsReplaced(Following):
    """A run that was stopped is over."""

    def _apply(self, name: str, run: Stored[Run], status: JobStatus) -> Stored[Run] | None:
        return super()._apply(name, replace(run, value=replace(run.value, replaced=False)), status)


class CountsReplaced(Windows):
    """Carried is carried, for whatever reason."""

    def _carried(self, name: str) -> dict[str, dict[str, Any]]:
        return {member: {**entry, "carries": entry["carries"] + 1} for member, entry in super()._carried(name).items()}


# carrying over


class FreesFirst(Following):
    """End the failed run and free its slot, then carry its members over."""

    def _failed(self, name: str, run: Stored[Run], seen: Run) -> Stored[Run] | None:
        if run.value.window is None or run.value.epoch < run.value.retry:
            return super()._failed(name, run, seen)
        ended = self.ledger.runs.swap(run, replace(seen, state="ended", outcome="failed"))
        if ended is None:
            return None
        self.slots.free(ended.value.gates, name)
        return self.carrying.carry(name, ended)


class ReferenceFirst(Carrying):
    """Write the reference into the window that is open, and let the run name it afterwards."""

    def carry(self, name: str, run: Stored[Run]) -> Stored[Run] | None:
        if run.value.then == "dead" or any(
            entry["carries"] >= 3 for entry in self.windows.members_of(run.value).values()
        ):
            return super().carry(name, run)
        assert run.value.window is not None
        window = WindowId.parse(run.value.window)
        target = window.numbered(self.windows.head(window.head).value.n)
        self._refer(target, name)
        self.ledger.note("carry", name, run.value.trigger, self.ledger.now_ms())
        return self.ledger.runs.swap(run, replace(run.value, state="ended", outcome="failed", carried=target.n))


class NoCarryNote(AnyOrder):
    """The reference is written: nobody needs to follow it."""

    def note(self, kind: NoteKind, subject: str, trigger: str, at_ms: int, since_ms: int | None = None) -> None:
        if kind != "carry":
            super().note(kind, subject, trigger, at_ms, since_ms)


class CarryTrustsHead(Carrying):
    """The window that the reference went into is closed, so the reference is in it."""

    def follow(self, note: Note, rule: WindowRule) -> Any:
        run = self.ledger.runs.get(note.id)
        assert run is not None
        assert run.value.window is not None
        window = WindowId.parse(run.value.window)
        if run.value.state == "ended" and run.value.carried is not None:
            target = window.numbered(run.value.carried)
            if self.windows.head(window.head).value.n > target.n and note.id not in self.windows.manifest(target).refs:
                return "done"
        return super().follow(note, rule)


class _Expired(Exception):  # it is no error
    pass


class _NeverExpires(Windows):
    def seal(self, window: WindowId, head: Stored[Head], cause: Cause, **known: Any) -> Stored[Head] | None:
        if cause == "expired":
            raise _Expired
        return super().seal(window, head, cause, **known)


class ExpiresUnsealed(Carrying):
    """Dead letters for the members that waited too long, without closing the window that they wait in."""

    def __init__(self, windows: Windows) -> None:
        super().__init__(_NeverExpires(windows.ledger))

    def follow(self, note: Note, rule: WindowRule) -> Any:
        with suppress(_Expired):
            return super().follow(note, rule)
        run = self.ledger.runs.get(note.id)
        assert run is not None
        self._bury_carried(note.id, run.value, "expired")
        return "done"


class NoCap(Windows):
    """Carry over for as long as it takes."""

    def members_of(self, run: Run) -> dict[str, dict[str, Any]]:
        return {name: {**entry, "carries": 0} for name, entry in super().members_of(run).items()}


class NotesBreed(AnyOrder):
    """Look again a minute after *this* tick looked: two ticks leave two notes, and those four."""

    def reschedule(self, note: Note, at_ms: int) -> None:
        delay_ms = at_ms - self.now_ms()
        super().reschedule(note, max(note.at_ms + 1, self.now_ms() + delay_ms + self._spread()))

    def _spread(self) -> int:
        return int(self.nonce(), 16) % 20_000


# what is sent at most once


class SendsAgain(Admission):
    """Where the answer was lost, try again later: what is right for a platform that knows our ids."""

    def send(self, name: str, run: Stored[Run], trigger: Trigger, *, timed: bool) -> bool:
        launched = super().send(name, run, trigger, timed=timed)
        now = self.ledger.runs.get(name)
        if now is not None and now.value.state == "sending":
            self.ledger.runs.swap(now, replace(now.value, state="wait"))
        return launched


class TakesOver(Following):
    """Who is sending must be dead by now, or a tick would not come across it: the tick does it."""

    def _look_up(self, name: str, run: Stored[Run]) -> int:
        if run.value.state == "sending":
            self.launcher.submit(job_of(name, run.value), None)
            self.ledger.runs.swap(run, replace(run.value, state="launched", launched_ms=self.ledger.now_ms()))
            return self.ledger.now_ms() + 1
        return super()._look_up(name, run)


class WaitsNoMore(Following):
    """What the platform does not have was never sent."""

    def _look_up(self, name: str, run: Stored[Run]) -> int:
        if run.value.state == "sending" and self.launcher.status(job_of(name, run.value)).state == "lost":
            self.ledger.runs.swap(run, replace(run.value, state="wait"))
            return self.ledger.now_ms() + 1
        return super()._look_up(name, run)


class FreesUnsure(Following):
    """Whoever waits behind a run that nobody can find has waited long enough."""

    def _look_up(self, name: str, run: Stored[Run]) -> int:
        at_ms = super()._look_up(name, run)
        now = self.ledger.runs.get(name)
        if now is not None and now.value.state == "unsure":
            self.slots.free(now.value.gates, name)
        return at_ms


# rollouts


class NeverLooksAfter(Rollouts):
    """What was asked for is taken for done."""

    def _act(self, job: RolloutJob, it: Rollout, seen: Endpoint, intent: Intent) -> Rollout | None:
        done = super()._act(job, it, seen, intent)
        if isinstance(intent, Shift) and it.phase == "shift":
            return going.baked(it, job, self.ledger.now_ms())
        return done


class WritesOverAnySplit(Rollouts):
    """Somebody else's split is as good as one of its own."""

    def _next(self, job: RolloutJob, it: Rollout, seen: Endpoint, now_ms: int) -> Intent:
        known = replace(it, past=[*it.past, dict(seen.split)])
        intent = super()._next(job, known, seen, now_ms)
        return Become(replace(intent.rollout, past=it.past)) if isinstance(intent, Become) else intent


class WritesWhatItSawLast(Rollouts):
    """The endpoint is looked at once: what is written is compared with what was there then."""

    def _act(self, job: RolloutJob, it: Rollout, seen: Endpoint, intent: Intent) -> Rollout | None:
        self.first = getattr(self, "first", seen)
        return super()._act(job, it, self.first, intent)


class RemovesAtOnce(Rollouts):
    """The old deployment goes as soon as it gets no traffic."""

    def _next(self, job: RolloutJob, it: Rollout, seen: Endpoint, now_ms: int) -> Intent:
        intent = super()._next(job, it, seen, now_ms)
        if isinstance(intent, Stay) and it.phase == "settle":
            return Become(going.into(it, "retire", now_ms))
        return intent


class GoesBackUnrecorded(Rollouts):
    """Acts first, and writes down that it goes back when that is done."""

    def _act(self, job: RolloutJob, it: Rollout, seen: Endpoint, intent: Intent) -> Rollout | None:
        if isinstance(intent, Become) and intent.rollout.phase == "restore":
            self.endpoints.shift(it.endpoint, it.before, seen)
        return super()._act(job, it, seen, intent)


class BakesUntested(Rollouts):
    """What could not be tested without traffic is as good as tested."""

    def _next(self, job: RolloutJob, it: Rollout, seen: Endpoint, now_ms: int) -> Intent:
        return super()._next(job, replace(it, tested=True), seen, now_ms)


class BakesWhileItTests(Rollouts):
    """The time of the first step begins with its traffic, whether it was tested by then or not."""

    def _next(self, job: RolloutJob, it: Rollout, seen: Endpoint, now_ms: int) -> Intent:
        intent = super()._next(job, it, seen, now_ms)
        if isinstance(intent, Become) and (it.phase, intent.rollout.phase) == ("smoke", "bake"):
            return Become(replace(intent.rollout, since_ms=it.since_ms))
        return intent


class NothingKnownIsWell(Rollouts):
    """A step of which nothing is known when its time is over was a good one."""

    def _next(self, job: RolloutJob, it: Rollout, seen: Endpoint, now_ms: int) -> Intent:
        intent = super()._next(job, it, seen, now_ms)
        if it.phase == "bake" and isinstance(intent, Probe | Stay) and now_ms >= going.due_ms(it, job):
            return Become(going.baked(it, job, now_ms))
        return intent


class StepsFromTheMirror(Rollouts):
    """A copy of the traffic that was seen once has been watched."""

    def _next(self, job: RolloutJob, it: Rollout, seen: Endpoint, now_ms: int) -> Intent:
        intent = super()._next(job, it, seen, now_ms)
        if isinstance(intent, Become) and intent.rollout.phase == "mirrored":
            return Become(going.to_step(it, job, 0, now_ms))
        return intent


class LeavesTheMirror(Rollouts):
    """Whoever goes on, or back, needs no copy of the traffic any more: somebody will clear it."""

    def _next(self, job: RolloutJob, it: Rollout, seen: Endpoint, now_ms: int) -> Intent:
        blind = seen if it.phase in {"mirror", "mirrored"} else replace(seen, mirror={})
        return super()._next(job, it, blind, now_ms)


class NoTurns(Slots):
    """Nobody asks whether another rollout is under way at the endpoint."""

    def grant(self, gate: GateRule, bid: Bid) -> Standing:
        return super().grant(gate, bid) if gate.lined else Standing("granted")


def approves_late(ledger: Ledger, name: str, *, by: str) -> str:
    """Whether a tick has seen that the time has passed decides, and not the time."""
    given = lambda it: replace(it, approved_ms=it.until_ms, by=by) if it.phase == "approve" else None  # noqa: E731
    return "unchanged" if ledger.rollouts.update(name, given) is None else "done"


# chains


class LetsGoOfItsNoteFirst(Tick):
    """Finish the note of a run that has ended, then tell who listens to its end."""

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self._ended: list[tuple[str, Stored[Run]]] = []

    def _follow_up(self, name: str) -> int | None:
        look = self.admission.following.follow_up(name)
        if isinstance(look, int):
            return look
        self._ended.append((name, look))
        return None

    def _work(self, note: Note) -> None:
        super()._work(note)
        while self._ended:
            self._chaining.ended(*self._ended.pop())


class SaysSoFirst(Chaining):
    """Record that it was told, then tell it: whoever finds the record takes it for done."""

    def ended(self, name: str, run: Stored[Run]) -> Stored[Run] | None:
        if run.value.chained is not None:
            return run
        said = self._ledger.runs.swap(run, replace(run.value, chained=[]))
        return said and super().ended(name, replace(said, value=replace(said.value, chained=None)))


class SaysSo(Tick):
    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self._chaining = SaysSoFirst(core)


@dataclass(frozen=True)
class Naive:
    """A rule put back, the violation that gives it away, and the seeds among which the simulation meets it."""

    parts: Parts
    violation: str
    style: Style
    seeds: range


NAIVE = {
    "check, then act on a claim": Naive(Parts(claims=CheckThenAct), "A CLAIM WENT BACK", "stormy", range(100)),
    "the member before its claim": Naive(Parts(claims=MemberBeforeClaim), "DOUBLED", "mixed", range(60)),
    "resume only open claims": Naive(Parts(core=ResumesOnlyOpenClaims), "LOST", "stormy", range(30, 120)),
    "leave runs to their note": Naive(Parts(core=LeavesRunsToTheirNote), "LOST", "judged", range(30)),
    "let go of an event when it is settled": Naive(Parts(claims=LetsGoTooSoon), "LOST", "archived", range(50, 60)),
    "let go of an event when it is claimed": Naive(Parts(claims=LetsGoAtOnce), "LOST", "archived", range(20)),
    "never let go of what joined": Naive(Parts(claims=NeverLetsGo), "KEPT TOO LONG", "archived", range(20)),
    "launch what is not judged": Naive(Parts(gate=LaunchesWhatIsNotJudged), "BAD MEMBER RAN", "judged", range(30)),
    "acknowledge without a note": Naive(Parts(ledger=AcknowledgesUnnoted), "LOST|NOT ENDED|STUCK", "stormy", range(20)),
    "live before its note": Naive(Parts(windows=LiveBeforeNote), "LOST|NOT ENDED|STUCK", "late", range(60)),
    "strike off before joining": Naive(Parts(joining=StrikesOffFirst), "LOST", "named", range(60)),
    "a marker's duplicate is acknowledged": Naive(
        Parts(gathering=MarkerDuplicateAcks), "MARKER LOST", "late", range(80)
    ),
    "a sealed window's marker is acknowledged": Naive(
        Parts(windows=MarkerOfSealedAcks), "MARKER LOST", "late", range(80)
    ),
    "nothing listed is complete": Naive(Parts(judging=Vacuous), "A MARKER SPENT ON NOTHING", "late", range(20)),
    "a claim is as good as a member": Naive(Parts(judging=ClaimIsMember), "TURNED AWAY", "honest", range(100)),
    "count, then join": Naive(Parts(windows=CountsFirst), "COUNTED BY TIME ALONE", "count", range(40)),
    "time by the host's clock": Naive(Parts(ledger=HostClock), "SEALED BEFORE ITS TIME", "mixed", range(60)),
    "seal what was not judged": Naive(
        Parts(windows=TakesUnjudgedLists), "LAUNCHED WITHOUT WHAT WAS LISTED", "listed", range(160, 180)
    ),
    "seal before the grant": Naive(Parts(windowed=SealsBeforeGrant), "SEALED WITHOUT A SLOT", "mixed", range(20)),
    "seal a head that was not judged": Naive(Parts(windows=SealsBlind), "REJECTED WITH ITS MARKER", "late", range(100)),
    "helpers guess the cause": Naive(Parts(windows=HelperGuesses), "LAUNCHED AGAINST at_max_wait", "late", range(120)),
    "release what was granted": Naive(Parts(admission=Releases), "MORE RUNS THAN SLOTS", "late", range(50, 200)),
    "skip without asking": Naive(Parts(granting=SkipsUnasked), "SKIPPED FOR A RUN THAT HAD ENDED", "skip", range(40)),
    "a newcomer takes what is free": Naive(Parts(slots=Overtakes), "OUT OF ORDER", "queue", range(20)),
    "a line of one": Naive(Parts(slots=RemembersOne), "OUT OF ORDER", "queue", range(100)),
    "start before the old run has ended": Naive(
        Parts(following=StartsAtOnce), "MORE RUNS THAN SLOTS|SLOT LEAKED", "replace", range(20)
    ),
    "older ones replace too": Naive(
        Parts(granting=AnyoneReplaces), "STOPPED FOR SOMETHING OLDER", "replace", range(40)
    ),
    "the oldest is next": Naive(Parts(slots=OldestOfReplaced), "REPLACED BY NOTHING NEWER", "replace", range(40)),
    "forget what was replaced": Naive(Parts(following=ForgetsReplaced), "LOST", "replace", range(40)),
    "count what was replaced": Naive(Parts(windows=CountsReplaced), "BURIED TOO SOON", "replace", range(330, 400)),
    "free the slot first": Naive(Parts(following=FreesFirst), "LOST", "tight", range(60)),
    "the reference before the run names it": Naive(
        Parts(carrying=ReferenceFirst), "SUCCEEDED AND DEAD|ENDLESS", "tight", range(440, 480)
    ),
    "the head says where a reference went": Naive(Parts(carrying=CarryTrustsHead), "LOST", "tight", range(500, 530)),
    "no note for what is carried": Naive(Parts(ledger=NoCarryNote), "LOST", "tight", range(40)),
    "expire without sealing": Naive(Parts(carrying=ExpiresUnsealed), "SUCCEEDED AND DEAD", "tight", range(210, 290)),
    "carry without end": Naive(Parts(windows=NoCap), "ENDLESS CARRY", "tight", range(110, 200)),
    "send again where the answer was lost": Naive(Parts(admission=SendsAgain), "JOBS THAT NO RUN", "once", range(20)),
    "take over what is being sent": Naive(Parts(following=TakesOver), "JOBS THAT NO RUN KNOWS", "once", range(20)),
    "what is not there was not sent": Naive(Parts(following=WaitsNoMore), "JOBS THAT NO RUN KNOWS", "once", range(20)),
    "free the slot of an unsure run": Naive(Parts(following=FreesUnsure), "MORE RUNS THAN SLOTS", "once", range(40)),
    "what was asked for is done": Naive(
        Parts(rollouts=NeverLooksAfter), "NOT WATCHED|SKIPPED|TOO SOON", "rollout", range(20)
    ),
    "any split is ours": Naive(Parts(rollouts=WritesOverAnySplit), "WRITTEN OVER", "rollout", range(20, 60, 2)),
    "look once": Naive(Parts(rollouts=WritesWhatItSawLast), "STUCK", "rollout", range(4)),
    "remove at once": Naive(Parts(rollouts=RemovesAtOnce), "REMOVED TOO SOON", "rollout", range(20)),
    "go back, then say so": Naive(Parts(rollouts=GoesBackUnrecorded), "ROSE AGAIN", "rollout", range(1984, 2084, 8)),
    "what cannot be tested is tested": Naive(
        Parts(rollouts=BakesUntested), "WITHOUT A SMOKE TEST|NOT WATCHED", "rollout", range(20)
    ),
    "watched from its traffic on": Naive(
        Parts(rollouts=BakesWhileItTests), "NOT WATCHED LONG ENOUGH", "rollout", range(2, 152, 4)
    ),
    "what nothing is known of is well": Naive(
        Parts(rollouts=NothingKnownIsWell), "NOT WATCHED AT ALL", "rollout", range(20)
    ),
    "a copy that was seen was watched": Naive(
        Parts(rollouts=StepsFromTheMirror), "BEFORE ITS COPY WAS WATCHED", "rollout", range(8, 40)
    ),
    "the copy is left": Naive(Parts(rollouts=LeavesTheMirror), "LEFT|STUCK", "rollout", range(8, 40)),
    "several at once": Naive(Parts(slots=NoTurns), "TWO ROLLOUTS AT ONCE", "rollout", range(20)),
    "consent after its time": Naive(Parts(approve=approves_late), "APPROVED TOO LATE", "rollout", range(20)),
    "let go of the note, then chain": Naive(
        Parts(tick=LetsGoOfItsNoteFirst), "NOT FOLLOWED ON", "chained", range(40, 60)
    ),
    "say so, then chain": Naive(Parts(tick=SaysSo), "NOT FOLLOWED ON", "chained", range(10, 30)),
    "notes off the grid": Naive(Parts(ledger=NotesBreed), "NOTES BREED", "mixed", range(60)),
}


def meets_a_violation(naive: Naive) -> None:
    for seed in naive.seeds:
        play(naive.style, seed, naive.parts)


@pytest.mark.parametrize("rule", NAIVE)
def test_the_simulation_catches(rule: str) -> None:
    with pytest.raises(Violation, match=NAIVE[rule].violation):
        meets_a_violation(NAIVE[rule])
