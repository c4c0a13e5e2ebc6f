"""Claims: once per trigger and identity. Claim atomically first, look afterwards; and what is answered from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from retrigger.handlers.outbox import STORED
from retrigger.handlers.outcome import Outcome, Verdict
from retrigger.handlers.records import Claim
from retrigger.triggers import keys
from retrigger.triggers.archive import kept
from retrigger.triggers.event import ENDED, Lifecycle
from retrigger.triggers.frozen import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.arrivals import Arrival
    from retrigger.handlers.ledger import Ledger, Stored
    from retrigger.handlers.outcome import Result
    from retrigger.triggers.event import Event, Json


class Claims:
    """Claims of arrivals over one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def take(
        self, arrival: Arrival, name: str, *, then: Mapping[str, Mapping[str, Json]] | None = None, **state: Any
    ) -> tuple[Stored[Claim], bool]:
        """-> (the claim that counts, is it ours). `state`: the fields of a new claim; `then`: records after it."""
        trigger = arrival.trigger
        rule: dict[str, Any] = {"archive": trigger.archive, "redact": [*trigger.redact]}
        came: dict[str, Any] = {"parent": parent_of(arrival.event), "depth": depth_of(arrival.event)}
        first = Claim(trigger=trigger.name, event=arrival.event.to_json(), **rule, **came, **state)
        created = self.ledger.claims.create(name, first.settled(), then)
        return (created, True) if created is not None else (self.reread(name), False)

    def name(self, arrival: Arrival) -> str:
        """Raises ExpressionError if the source's key gives no identity."""
        return self.ledger.claim_name(arrival.trigger.name, arrival.identity)

    def reread(self, name: str) -> Stored[Claim]:
        stored = self.ledger.claims.get(name)
        assert stored is not None  # claims are not deleted while their event may come again
        return stored

    def settle(self, name: str, stored: Stored[Claim], value: Claim) -> tuple[Stored[Claim], bool]:
        """The first verdict counts, whatever tries were counted meanwhile. -> (the claim, is it as we settled it).

        What joins a window keeps its event until it has: a tick may have to go on from here.
        """
        undecided = stored.value.state
        value = value if value.state in {"member", "marker"} else value.settled()
        settled = self.ledger.claims.swap(stored, value)
        while settled is None:
            stored = self.reread(name)
            if stored.value.state != undecided:
                return stored, False
            settled = self.ledger.claims.swap(stored, replace(value, tries=stored.value.tries))
        return settled, True

    def joined(self, name: str, stored: Stored[Claim]) -> None:
        """What joined a window has a record of its own there: its claim lets go of what is not to be kept."""
        if stored.value.archived() is not stored.value:
            self.ledger.claims.update(name, lambda claim: None if claim.archived() is claim else claim.archived())

    def conflict(self, arrival: Arrival, stored: Stored[Claim]) -> Outcome | None:
        """The same identity with other content is recorded, and not launched."""
        mine, theirs = keys.content(arrival.event.to_json()), stored.value.content
        if theirs is None:
            theirs = keys.content(stored.value.event)
        else:
            mine = keys.hashed(mine)
        if not keys.conflict(theirs, mine):
            return None
        reason = "the same identity came before with other content: recorded, not launched"
        event = _kept(arrival)
        what = f"conflict:{stored.record.key}:{event['id']}"
        self.ledger.bury(what, reason, {"code": "identity_conflict", "event": event})
        return recorded(arrival, stored, "rejected", Verdict("claim", "stop", "identity_conflict", reason))

    def reject(self, arrival: Arrival, verdict: Verdict, name: str | None = None) -> Outcome:
        """A check said no: the claim records it, so that the event has one verdict however often it comes.

        `name`: the claim's, where the source's key gave one; else it is the event's own.
        """
        name = name or self.ledger.claim_name(arrival.trigger.name, arrival.event.identity)
        stored, fresh = self._end(arrival, name, "rejected", verdict)
        return recorded(arrival, stored, "rejected" if fresh else "duplicate")

    def bury(self, arrival: Arrival, verdict: Verdict) -> Outcome:
        """What cannot be done yet becomes a dead letter, to be replayed; the letter comes before the claim."""
        name = self.name(arrival)
        known = self.ledger.claims.get(name)
        if known is None or undecided(known.value):
            self.ledger.bury(f"claim:{name}", verdict.reason, {"code": verdict.code, "event": _kept(arrival)})
        stored, fresh = self._end(arrival, name, "dead", verdict)
        return recorded(arrival, stored, "dead" if fresh else "duplicate")

    def _end(
        self, arrival: Arrival, name: str, state: Literal["rejected", "dead"], verdict: Verdict
    ) -> tuple[Stored[Claim], bool]:
        """Claim with this verdict; a claim that was left open, or opened again by an operator, gets it too."""
        said = [verdict.to_json()]
        stored, fresh = self.take(arrival, name, state=state, verdicts=said)
        if undecided(stored.value):
            return self.settle(name, stored, replace(stored.value, state=state, verdicts=said))
        return stored, fresh


def _kept(arrival: Arrival) -> dict[str, Json]:
    """The event as a dead letter has it: no more of it than its claim keeps."""
    return kept(arrival.event.to_json(), arrival.trigger.archive, arrival.trigger.redact)


def undecided(claim: Claim) -> bool:
    """Whether the claim still waits for its verdict: nothing was asked of a platform, and nothing of it joins."""
    return claim.state == "open" and claim.job is None and claim.joins is None


def parent_of(event: Event) -> str | None:
    """The run whose end this is."""
    return event.payload.name if isinstance(event.payload, Lifecycle) and event.type == ENDED else None


def depth_of(event: Event) -> int:
    """How many runs of its chain went before: 1 for the end of a run that no other run brought about, 0 for no end."""
    if not isinstance(event.payload, Lifecycle) or event.type != ENDED:
        return 0
    depth = event.payload.properties.get("depth")
    return depth if isinstance(depth, int) else 1


def outcome(arrival: Arrival, result: Result, *verdicts: Verdict) -> Outcome:
    """An outcome that no claim stands behind."""
    return Outcome(event=arrival.event.id, trigger=arrival.trigger.name, result=result, verdicts=verdicts)


def recorded(
    arrival: Arrival,
    stored: Stored[Claim],
    result: Result,
    *verdicts: Verdict,
    window: str | None = None,
    run: str | None = None,
) -> Outcome:
    """An outcome with what its claim says; a duplicate carries the result that was stored."""
    said = tuple(Verdict(**verdict) for verdict in stored.value.verdicts)
    return Outcome(
        event=arrival.event.id,
        trigger=arrival.trigger.name,
        result=result,
        run=run,
        window=window or stored.value.window,
        stored=STORED[stored.value.state] if result == "duplicate" else None,
        verdicts=said + verdicts,
        claim=stored.record.key.removeprefix("c/"),
    )
