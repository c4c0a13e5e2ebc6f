"""Events that never came, or came before the trigger did: made from what a store holds, and from a schedule's times.

Each is the very event that announced the object, or that the schedule would have fired: what was claimed before is a
duplicate. So it may be broken off, and run again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote

from retrigger.handlers.arrivals import arrivals
from retrigger.handlers.ledger import to_ms
from retrigger.handlers.listing import object_event, object_sources
from retrigger.triggers import glob
from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.event import Object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.handlers.arrivals import Arrival
    from retrigger.handlers.core import Core
    from retrigger.handlers.outcome import Outcome
    from retrigger.triggers.environment import Store
    from retrigger.triggers.spec import ScheduleSource, Trigger


class Backfill:
    """Over one core: its ledger, its stores, its triggers."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def places(self, trigger: Trigger, under: str | None = None) -> list[tuple[Store, str]]:
        """Where objects of the trigger can lie: stores, and prefixes of names of which none holds another.

        `under`: only below this URI. Empty: the trigger listens to nothing there.
        """
        found: dict[tuple[str, str | None, str], tuple[Store, set[str]]] = {}
        for source in object_sources(trigger):
            store = self._core.catalog.environment.stores[source.store]
            _, prefixes = found.setdefault((store.kind, store.account, store.bucket), (store, set()))
            for pattern in (source.match, trigger.window.until):
                if pattern is not None:
                    prefix = _narrowed(store, store.prefix + glob.parse(pattern).prefix, under)
                    prefixes |= set() if prefix is None else {prefix}
        return [(store, prefix) for store, prefixes in found.values() for prefix in _outermost(prefixes)]

    def objects(self, trigger: Trigger, under: str | None = None) -> Iterator[Arrival]:
        """What lies there that the trigger takes, its filters passed: first all members, then the markers.

        Costs one listing, and one more where the trigger has markers; nothing is kept of it in memory.
        """
        for markers in (False, True) if trigger.window.until is not None else (False,):
            for store, prefix in self.places(trigger, under):
                for stat in self._core.admission.objects.list(store.bucket, prefix):
                    met = arrivals(object_event(store, stat), self._core.index, self._core.catalog)
                    for arrival in met:
                        mine = arrival.trigger.name == trigger.name and (arrival.source is None) == markers
                        if mine and _is_complete(arrival) and arrival.filtered() is None:
                            yield arrival

    def is_claimed(self, arrival: Arrival) -> bool:
        """Whether the event has come, in whatever way."""
        try:
            name = self._core.claims.name(arrival)
        except ExpressionError:  # it was, or will be, rejected under its own identity
            name = self._core.ledger.claim_name(arrival.trigger.name, arrival.event.identity)
        return self._core.ledger.claims.get(name) is not None

    def missing(self, trigger: Trigger, *, until: datetime) -> Iterator[Arrival]:
        """Objects whose event never came; of those that were written after `until` it may still come."""
        for arrival in self.objects(trigger):
            if arrival.event.time <= until and not self.is_claimed(arrival):
                yield arrival

    def take(self, arrival: Arrival) -> Outcome:
        """As if its event had come now. Errors: as Core.handle."""
        return self._core.decide(arrival)

    def times(self, source: ScheduleSource, since: datetime, until: datetime) -> Iterator[datetime]:
        """The schedule's times from `since` to `until`, both included, none of them in the future."""
        from retrigger.triggers.schedule import times

        until = min(until, self._core.ledger.records.now())
        return times(source.cron, source.timezone, since - timedelta(microseconds=1), until)

    def fire(self, trigger: Trigger, source: ScheduleSource, time: datetime) -> Outcome:
        """As if the schedule had struck at that time, and was late."""
        return self._core.schedules.strike(trigger, source, to_ms(time), self._core.ledger.now_ms())


def version_of(arrival: Arrival) -> tuple[str, str]:
    """URI and version of the object that an arrival is about."""
    payload = arrival.event.payload
    assert isinstance(payload, Object)
    return payload.uri, payload.version


def _is_complete(arrival: Arrival) -> bool:
    """Whether it is data, and no folder marker."""
    payload = arrival.event.payload
    return isinstance(payload, Object) and payload.complete


def _narrowed(store: Store, prefix: str, under: str | None) -> str | None:
    """What two prefixes have in common: the longer one, where it begins with the other."""
    if under is None:
        return prefix
    root = store.uri("")
    if not under.startswith(root):
        return prefix if root.startswith(under) else None
    name = under.removeprefix(root)
    name = name if store.kind == "gcs" else unquote(name)
    if prefix.startswith(name):
        return prefix
    return name if name.startswith(prefix) else None


def _outermost(prefixes: set[str]) -> list[str]:
    kept: list[str] = []
    for prefix in sorted(prefixes):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return kept
