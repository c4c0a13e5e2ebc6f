"""An event that met a trigger: through which source, with which captures, and what its keys are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.handlers.outcome import Verdict
from retrigger.triggers import keys
from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.event import FIRED, Object, Schedule
from retrigger.triggers.expressions import load_expression
from retrigger.triggers.frozen import dataclass, replace
from retrigger.triggers.spec import MessageSource, ObjectSource, ScheduleSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.ports import Catalog
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.event import Event
    from retrigger.triggers.match import Index, Match
    from retrigger.triggers.spec import Source, Trigger


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event at a trigger. `source` is None where it is the marker of the trigger's window.

    `patient`: another delivery of it may be at work at this moment. `alone`: nothing comes with it, so that its window
    may close at once; the objects that one message names all join first.
    """

    event: Event
    trigger: Trigger
    source: Source | None
    captures: Mapping[str, str]
    scope: Mapping[str, object]
    patient: bool = True
    alone: bool = True

    @property
    def identity(self) -> str:
        """What makes two deliveries the same occurrence here. Raises ExpressionError if the source's key gives none."""
        override = None
        if self.source is not None and not isinstance(self.source, ScheduleSource) and self.source.key is not None:
            override = load_expression(self.source.key).evaluate(self.scope)
        return keys.identity(self.event, override)

    @property
    def window_key(self) -> tuple[str, dict[str, str]]:
        """What waits together, and the captures that this fixes. Raises ExpressionError if the key gives none."""
        rule = self.trigger.window.key
        if rule is None:
            return "", {}
        key = load_expression(rule).evaluate(self.scope)
        return key if isinstance(key, str) else repr(key), keys.captures_in(rule, self.captures)

    @property
    def names_objects(self) -> bool:
        """Whether it is a message that launches nothing: the objects that it names join their windows."""
        return isinstance(self.source, MessageSource) and self.source.members is not None

    def filtered(self) -> Verdict | None:
        """The verdict that lets it go; markers are seen before filters."""
        if self.source is None:
            return None
        for rule in (self.trigger.filter, self.source.filter):
            if rule is None:
                continue
            try:
                if load_expression(rule).evaluate(self.scope) is not True:
                    return Verdict("filter", "stop", "filter_false", f"{rule} is not true")
            except ExpressionError as error:
                return Verdict("filter", "stop", error.code, str(error))
        return None


def arrivals(event: Event, index: Index, catalog: Catalog) -> list[Arrival]:
    """One a trigger: as its marker, or through the first of its sources whose filter passes.

    A clock's wake-up is for every schedule of the trigger: each has its own cursor, and only that knows what is due.
    """
    found: dict[tuple[str, int], Arrival] = {}
    wakes = isinstance(event.payload, Schedule) and event.type != FIRED
    for match in index.match(event):
        trigger = catalog.trigger(match.trigger)
        if trigger is None:
            continue
        arrival = _arrival(event, trigger, match, catalog)
        at = (match.trigger, match.source if wakes else 0)
        if at not in found or arrival.source is None or found[at].filtered():
            found[at] = arrival
    return list(found.values())


def _arrival(event: Event, trigger: Trigger, match: Match, catalog: Catalog) -> Arrival:
    source = None if match.role == "marker" else trigger.sources[match.source]
    if isinstance(event.payload, Object) and event.payload.store == "blob":
        event = _where_it_lies(event, event.payload, trigger, catalog.environment)
    scope = {"event": event.scope(), "match": dict(match.captures), "vars": catalog.environment.vars}
    return Arrival(event, trigger, source, match.captures, scope)


def _where_it_lies(event: Event, blob: Object, trigger: Trigger, environment: Environment) -> Event:
    """A blob's address is that of the store which it met: in which cloud an account is, no event is believed."""
    for source in trigger.sources:
        store = environment.stores[source.store] if isinstance(source, ObjectSource) else None
        if store is not None and (store.account, store.bucket) == (blob.account, blob.bucket):
            uri = store.uri(blob.name)
            return event if uri == blob.uri else replace(event, payload=replace(blob, uri=uri))
    return event
