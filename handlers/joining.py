"""The objects that a message names join their windows, as if their own events had arrived.

check -> look up -> claim -> note -> each object -> joined. Why it is safe to acknowledge (R1), whoever dies where:

- Nothing is written before every object was found. A message that is turned away leaves one claim, `rejected`; a store
  that does not answer leaves nothing at all, and the message comes again.
- The claim comes before the first object, and holds all of them as they were found. Whoever goes on joins these very
  versions (R3), even if one was replaced or deleted meanwhile: no message joins by halves and is then turned away. And
  other content under the same identity is a conflict before any of it joins.
- The note comes before the first object too: what no redelivery completes, a tick does. It is due at once, and so
  before any window that the objects open: a tick lets the rest join before it closes these.
- An object is decided on like its own event. Its own claim lets it count once, whoever names or announces it, and once
  decided it is terminal or has a note of its own. Only then is it struck off the message's claim, some at a time: work
  that is done twice changes nothing, and a thousand objects go on where the last function ran out of time.
- The last is struck off by the swap to `joined` (or `rejected`, where none joins), and only then is the message
  acknowledged: all that is left to do rests on the objects' claims and on the notes of their windows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from retrigger.handlers.claims import Claims, outcome, recorded, undecided
from retrigger.handlers.ledger import to_ms
from retrigger.handlers.outcome import Outcome, Verdict
from retrigger.handlers.validate.checks import check_message
from retrigger.handlers.windows import WindowId
from retrigger.triggers.errors import ExpressionError, Refused
from retrigger.triggers.event import Object
from retrigger.triggers.frozen import replace
from retrigger.triggers.spec import MessageSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrigger.handlers.arrivals import Arrival
    from retrigger.handlers.gathering import Gathering
    from retrigger.handlers.ledger import Stored
    from retrigger.handlers.named import Named
    from retrigger.handlers.records import Claim

_STEP: Final = 50
_ADVANCED_AT_ONCE: Final = 10
_NO_MATCH: Final = Verdict("match", "stop", "no_longer_matches", "the trigger was changed meanwhile")
_BECAME: Final = {"launched": "joined", "deferred": "joined", "ignored": "ignored"}
_TOLD: Final = {"joined": "taken", "ignored": "filtered out", "rejected": "rejected"}


class Joining:
    """Takes messages that name objects. `decide` is what becomes of an object's own event."""

    def __init__(
        self, gathering: Gathering, claims: Claims, named: Named, decide: Callable[[Arrival], Outcome]
    ) -> None:
        self.gathering = gathering
        self.claims = claims
        self.ledger = claims.ledger
        self.named = named
        self._decide = decide

    def take(self, arrival: Arrival) -> Outcome:
        """Let every object join that the message names, or turn the whole message away."""
        assert isinstance(arrival.source, MessageSource)
        stop = check_message(arrival.source.schema, arrival.event)
        if stop is not None:
            return self.claims.reject(arrival, stop)
        try:
            name = self.claims.name(arrival)
            stored = self.ledger.claims.get(name)  # of a redelivery nothing is looked up again
            unknown = stored is None or undecided(stored.value)
            found = self.named.look_up(arrival) if unknown else []
        except ExpressionError as error:
            return self.claims.reject(arrival, Verdict("check", "stop", error.code, str(error)))
        except Refused as error:  # not the sender's fault: to be replayed when it is mended
            return self.claims.bury(arrival, Verdict("check", "stop", error.code, str(error)))
        if isinstance(found, Verdict):
            return self.claims.reject(arrival, found, name)
        joins = {"left": [asdict(payload) for payload in found], "windows": [], "became": {}}
        began_ms = self.ledger.now_ms()
        if stored is None:
            stored, _ = self.claims.take(arrival, name, state="open", joins=joins)
        elif undecided(stored.value):  # turned away before, and decided anew
            stored = self.ledger.claims.swap(stored, replace(stored.value, joins=joins)) or self.claims.reread(name)
        if (conflict := self.claims.conflict(arrival, stored)) is not None:
            return conflict
        if stored.value.state != "open" or stored.value.joins is None:
            return recorded(arrival, stored, "duplicate")
        since_ms = began_ms if stored.record.time is None else to_ms(stored.record.time)
        self.ledger.note("claim", name, arrival.trigger.name, since_ms - 1)  # a window's is later
        return self.go_on(arrival, name, stored)

    def go_on(self, arrival: Arrival, name: str, stored: Stored[Claim]) -> Outcome:
        """Let those join that are left, then close the windows that are due: together they are one run."""
        while stored.value.state == "open":
            assert stored.value.joins is not None
            outcomes = [self._join(arrival, payload) for payload in stored.value.joins["left"][:_STEP]]
            struck_off = self.ledger.claims.swap(stored, _struck_off(stored.value, outcomes))
            stored = struck_off or self.claims.reread(name)  # another worker was faster: on from where it is
        if stored.value.state != "joined":
            return recorded(arrival, stored, "dead" if stored.value.state == "dead" else "rejected")
        assert stored.value.joins is not None
        # Only the tick knows when it has been quiet (R5); and it does what is left, since each window has its note.
        windows = [] if arrival.trigger.window.quiet else stored.value.joins["windows"][:_ADVANCED_AT_ONCE]
        launched = [
            (window, run)
            for window in windows
            for run in self.gathering.advance(WindowId.parse(window), arrival.trigger)
        ]
        if not launched:
            return recorded(arrival, stored, "deferred")
        window, run = launched[0]
        return recorded(arrival, stored, "launched", window=window, run=run)

    def _join(self, arrival: Arrival, payload: dict[str, Any]) -> Outcome:
        own = self.named.arrival(arrival, Object(**payload))
        return outcome(arrival, "ignored", _NO_MATCH) if own is None else self._decide(own)


def _struck_off(claim: Claim, outcomes: list[Outcome]) -> Claim:
    """The claim without the objects that were decided on; settled if they were the last."""
    assert claim.joins is not None
    left = claim.joins["left"][len(outcomes) :]
    windows = list(dict.fromkeys([*claim.joins["windows"], *(it.window for it in outcomes if it.window)]))
    became = Counter(claim.joins["became"])
    became.update(_BECAME.get(it.stored or it.result, "rejected") for it in outcomes)
    joins = {"left": left, "windows": windows, "became": dict(became)}
    if left:
        return replace(claim, joins=joins)
    told = "of its objects: " + ", ".join(f"{became[key]:,} {said}" for key, said in _TOLD.items() if became[key])
    joined = became["joined"] > 0
    verdict = Verdict("window", "pass", "joined", told) if joined else Verdict("window", "stop", "none_joined", told)
    settled = replace(
        claim,
        state="joined" if joined else "rejected",
        window=windows[0] if len(windows) == 1 else None,
        joins=joins,
        verdicts=[verdict.to_json()],
    )
    return settled.settled()
