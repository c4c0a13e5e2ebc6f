"""`replay`: what would be done once more, and why the rest is left alone; then the asking. The tick does the work."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal, assert_never

from retrigger.handlers.forget import is_forgotten
from retrigger.handlers.journal import subject_of
from retrigger.handlers.launch import given_up
from retrigger.handlers.ledger import to_ms
from retrigger.handlers.letters import is_replayed, letters
from retrigger.handlers.reopening import ask_to_reopen
from retrigger.handlers.runs_by_member import RunsByMember
from retrigger.triggers import keys
from retrigger.triggers.archive import is_whole
from retrigger.triggers.errors import RetriggerError
from retrigger.triggers.frozen import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.handlers.ledger import Ledger, Stored
    from retrigger.handlers.letters import Letter
    from retrigger.handlers.records import Claim, Manifest, Run, RunOutcome

_DONE: frozenset[RunOutcome | None] = frozenset({"succeeded", "observed"})
_FAILED: frozenset[RunOutcome | None] = frozenset({"failed", "dead", "lost"})

_ENDED: Mapping[RunOutcome | None, str] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "dead": "could not be launched",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a replay would do about one thing.

    `decide`: an event that was turned away is decided on anew, by the trigger of now. `launch`: the run `run` does once
    more what was done, with `members` objects where it is a window's. `leave`: nothing, because of `reason`.
    `claim` and its `epoch`, or `after`, a run of a window: what the judgement was made on. `code`: `event_not_kept`
    where no more is left of an event than its trigger's `archive` and `redact` let stay. `gives_up`: an unsure run that
    is settled as lost before.
    """

    action: Literal["decide", "launch", "leave"]
    subject: str
    trigger: str
    reason: str
    run: str | None = None
    members: int = 0
    claim: str | None = None
    epoch: int = 0
    after: str | None = None
    code: str | None = None
    gives_up: str | None = None


class Replay:
    """Plans and asks for replays over one ledger. `again`: also of what succeeded, and with all of its members."""

    def __init__(self, ledger: Ledger, *, again: bool = False) -> None:
        self._ledger = ledger
        self._again = again

    def of(self, target: str) -> list[Plan]:
        """Plans for a run, a dead letter, an event's id or a URI. Empty: the ledger knows nothing of that name."""
        run = self._ledger.runs.get(target)
        if run is not None:
            return [self._of_run(target, run)]
        letter = next((letter for letter in letters(self._ledger) if letter.id == target), None)
        if letter is not None:
            return [self._of_letter(letter)]
        claims = [it for it in self._ledger.claims.list() if target in names_of(it.value)]
        return list(dict.fromkeys(self._of_claim(it) for it in claims))

    def every(self, *, trigger: str | None, since_ms: int) -> Iterator[Plan]:
        """Plans for every dead letter and failed run since then; what was cancelled or rejected is not asked for."""
        for claim in self._ledger.claims.list():
            late = to_ms(claim.time) >= since_ms
            if claim.value.state == "dead" and late and trigger in {None, claim.value.trigger}:
                yield self._of_claim(claim)
        for run in self._ledger.runs.list():
            it, name = run.value, self._ledger.runs.name(run)
            meant = it.outcome in _FAILED and it.ended_ms >= since_ms and trigger in {None, it.trigger}
            if meant and not is_replayed(self._ledger, name, it):
                yield self._of_run(name, run)

    def ask(self, plan: Plan) -> None:
        """Write what a tick needs to do it. Twice, by two operators, or with a crash in between: one run.

        Raises RetriggerError `changed` where an unsure run that is to be given up was found, or settled, meanwhile.
        """
        if plan.gives_up is not None:
            self._give_up(plan.gives_up)
        match plan.action:
            case "leave":
                return
            case "decide" | "launch" if plan.claim is not None:
                ask_to_reopen(self._ledger, plan.claim, plan.epoch, plan.trigger)
            case "decide" | "launch":
                assert plan.after is not None
                kind: Literal["replay", "rerun"] = "rerun" if self._again else "replay"
                self._ledger.note(kind, plan.after, plan.trigger, self._ledger.now_ms())
            case _:
                assert_never(plan.action)

    def _give_up(self, name: str) -> None:
        """Before anything is noted: should this be all that is done, the run is one that was lost."""
        run = self._ledger.runs.get(name)
        assert run is not None  # runs are not deleted
        settled = run.value.state == "unsure" and self._ledger.runs.swap(
            run, given_up(run.value, self._ledger.now_ms())
        )
        if not settled:
            raise RetriggerError(f"run {name} changed at this moment: look at it and ask again", code="changed")

    # judging

    def _of_letter(self, letter: Letter) -> Plan:
        left = Plan(action="leave", subject=letter.subject, trigger=letter.trigger or "", reason="")
        match letter.kind:
            case "malformed":
                return replace(left, reason="it is no event: `retrigger decode` says what is wrong with what was sent")
            case "conflict":
                return replace(left, reason="its identity was claimed with other content: send it under one of its own")
            case "event" | "run" | "member":
                if letter.run is None:
                    claim = self._ledger.claims.get(letter.claim or "")
                    assert claim is not None  # the letter is about it
                    return self._of_claim(claim)
                run = self._ledger.runs.get(letter.run)
                return replace(left, reason="it is being written") if run is None else self._of_run(letter.run, run)

    def _of_claim(self, stored: Stored[Claim]) -> Plan:
        claim, name = stored.value, self._ledger.claims.name(stored)
        plan = Plan(
            action="leave",
            subject=subject_of(claim.event),
            trigger=claim.trigger,
            reason="",
            claim=name,
            epoch=len(claim.replays),
        )
        if is_forgotten(claim.event):
            return replace(plan, reason="it was forgotten: nothing of it is left to do once more")
        if claim.state in {"rejected", "dead"}:
            reason = f"it was {claim.state}: {claim.verdicts[-1]['reason'] if claim.verdicts else 'no reason was kept'}"
            if not is_whole(claim.event):
                left = (
                    f"{reason}. Its trigger did not let all of it be kept: send it again, under an identity of its own"
                )
                return replace(plan, reason=left, code="event_not_kept")
            return replace(plan, action="decide", reason=reason)
        if claim.state == "gate":
            return replace(plan, reason="it is being decided on")
        if claim.run is not None:
            return self._of_direct(plan, claim.run)
        if claim.state == "open":
            return replace(plan, reason="it is being decided on")
        if claim.state == "joined":
            return replace(plan, reason="the objects that it names joined their windows: replay those, or their runs")
        run = self._runs.of(stored)
        stored_run = self._ledger.runs.get(run) if run else None
        if run is not None and stored_run is not None:
            return self._of_run(run, stored_run)
        waits = claim.window is None or self._ledger.manifests.get(claim.window) is None
        newer = "a newer version of the object was taken instead"
        return replace(plan, reason=f"it waits in window {claim.window}" if waits else newer)

    def _of_direct(self, plan: Plan, run: str) -> Plan:
        stored = self._ledger.runs.get(run)
        if stored is None:
            return replace(plan, run=run, reason=f"it waits for a slot, as run {run}")
        reason = self._why_not(run, stored.value)
        if reason is not None:
            return replace(plan, run=run, reason=reason)
        plan = _settling(plan, run, stored.value)
        return replace(plan, action="launch", run=keys.successor(run), reason=_ended(run, stored.value))

    def _of_run(self, name: str, run: Stored[Run]) -> Plan:
        """Of the last run that did the same work."""
        if run.value.claim is not None:
            claim = self._ledger.claims.get(run.value.claim)
            assert claim is not None  # claims are not deleted
            return self._of_claim(claim)
        successor = keys.successor(name)
        later = self._ledger.runs.get(successor)
        if later is not None:
            return self._of_run(successor, later)
        plan = Plan(
            action="leave", subject=f"run {name}", trigger=run.value.trigger, reason="", run=successor, after=name
        )
        if successor in self._asked:
            return replace(plan, reason=f"a replay of it is asked for already, as run {successor}")
        reason = self._why_not(name, run.value)
        if reason is not None:
            return replace(plan, run=name, reason=reason)
        assert run.value.window is not None
        manifest = self._ledger.manifests.get(run.value.window)
        assert manifest is not None  # a window's run is made of it
        return self._of_window(_settling(plan, name, run.value), name, run.value, manifest.value)

    def _of_window(self, plan: Plan, name: str, run: Run, manifest: Manifest) -> Plan:
        if manifest.state != "frozen" and len(manifest.parts()) > 1:
            return replace(plan, reason=f"its window never ran and holds more than {manifest.max_members} members")
        rest = run.rest or (run.carried is not None and not self._again)
        members = manifest.of(replace(run, replay_of=run.replay_of or name, rest=rest))
        if not members:
            left = (
                "its members were carried over into a later window" if run.carried is not None else "it has no members"
            )
            return replace(plan, run=name, reason=left)
        if any(entry["bad"] for entry in members.values()):
            return replace(
                plan, run=name, reason="one of its members was rejected: put a good version of it in its place"
            )
        return replace(plan, action="launch", members=len(members), reason=_ended(name, run))

    def _why_not(self, name: str, run: Run) -> str | None:
        if run.state == "unsure":
            told = f"run {name} may have been sent: look at the platform; --new-run gives it up and does it once more"
            return None if self._again else told
        if run.state != "ended":
            return f"it runs, as {name}" if run.state != "wait" else f"it waits for the platform, as run {name}"
        if run.outcome in _DONE and not self._again:
            return f"{_ended(name, run)}: --new-run does it once more"
        return None

    @cached_property
    def _runs(self) -> RunsByMember:
        return RunsByMember(self._ledger)

    @cached_property
    def _asked(self) -> set[str]:
        return {keys.successor(run) for run in self._ledger.noted({"replay", "rerun"})}


def names_of(claim: Claim) -> set[str]:
    """What people call its event by."""
    return {str(claim.event["id"]), subject_of(claim.event)}


def _settling(plan: Plan, name: str, run: Run) -> Plan:
    return replace(plan, gives_up=name) if run.state == "unsure" else plan


def _ended(name: str, run: Run) -> str:
    if run.state == "unsure":
        return f"run {name} may have been sent, and is given up"
    return f"run {name} {_ENDED.get(run.outcome, f'was {run.outcome}')}"
