"""Claims: once per trigger and identity. Claim atomically first, look afterwards; and what is answered from them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from retrigger.handlers.ledger import Claim, Stored
from retrigger.handlers.outbox import STORED
from retrigger.handlers.outcome import Outcome, Verdict
from retrigger.triggers import keys

if TYPE_CHECKING:
    from retrigger.handlers.arrivals import Arrival
    from retrigger.handlers.ledger import Ledger
    from retrigger.handlers.outcome import Result


class Claims:
    """Claims of arrivals over one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def take(self, arrival: Arrival, name: str, **state: Any) -> tuple[Stored[Claim], bool]:
        """-> (the claim that counts, is it ours). `state`: the fields of a new claim."""
        first = Claim(trigger=arrival.trigger.name, event=arrival.event.to_json(), **state)
        created = self.ledger.claims.create(name, first)
        return (created, True) if created is not None else (self.reread(name), False)

    def name(self, arrival: Arrival) -> str:
        """Raises ExpressionError if the source's key gives no identity."""
        return self.ledger.claim_name(arrival.trigger.name, arrival.identity)

    def reread(self, name: str) -> Stored[Claim]:
        stored = self.ledger.claims.get(name)
        assert stored is not None  # claims are not deleted while their event may come again
        return stored

    def settle(self, name: str, stored: Stored[Claim], value: Claim) -> tuple[Stored[Claim], bool]:
        """The first verdict counts, whatever tries were counted meanwhile. -> (the claim, is it as we settled it)."""
        undecided = stored.value.state
        settled = self.ledger.claims.swap(stored, value)
        while settled is None:
            stored = self.reread(name)
            if stored.value.state != undecided:
                return stored, False
            settled = self.ledger.claims.swap(stored, replace(value, tries=stored.value.tries))
        return settled, True

    def conflict(self, arrival: Arrival, stored: Stored[Claim]) -> Outcome | None:
        """The same identity with other content is recorded, and not launched."""
        mine = arrival.event.to_json()
        if not keys.conflict(stored.value.event, mine):
            return None
        reason = "the same identity came before with other content: recorded, not launched"
        self.ledger.bury(f"conflict:{stored.record.key}:{arrival.event.id}", reason, {"event": mine})
        return recorded(arrival, stored, "rejected", Verdict("claim", "stop", "identity_conflict", reason))

    def reject(self, arrival: Arrival, verdict: Verdict, name: str | None = None) -> Outcome:
        """A check said no: the claim records it, so that the event has one verdict however often it comes.

        `name`: the claim's, where the source's key gave one; else it is the event's own.
        """
        name = name or self.ledger.claim_name(arrival.trigger.name, arrival.event.identity)
        stored, fresh = self.take(arrival, name, state="rejected", verdicts=[verdict.to_json()])
        return recorded(arrival, stored, "rejected" if fresh else "duplicate")

    def bury(self, arrival: Arrival, verdict: Verdict) -> Outcome:
        """What cannot be done yet becomes a dead letter, to be replayed; the letter comes before the claim."""
        name, event = self.name(arrival), arrival.event.to_json()
        if self.ledger.claims.get(name) is None:
            self.ledger.bury(f"claim:{name}", verdict.reason, {"event": event})
        stored, fresh = self.take(arrival, name, state="dead", verdicts=[verdict.to_json()])
        return recorded(arrival, stored, "dead" if fresh else "duplicate")


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
