"""Why an event that the ledger does not know was claimed by nobody: found by computing again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from retrigger.cli.dry_run import explain_event
from retrigger.triggers.event import Event, Object
from retrigger.triggers.formats import blob, blob_place, storage
from retrigger.triggers.spec import LifecycleSource, MessageSource, ObjectSource, ScheduleSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.cli.places import Stored, Target
    from retrigger.triggers.compiled import Compiled
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.spec import Source


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one trigger did not claim an event. `trigger` is None where it is a matter of no single one."""

    trigger: str | None
    code: str
    message: str


def object_event(place: Target, found: Stored) -> Event:
    """The event that would have announced an object; `found` is what the store says of it, if anything."""
    payload = Object(
        store="gcs" if place.account is None else "blob",
        account=place.account,
        bucket=place.bucket,
        name=place.name,
        version=found.version,
        size=found.size,
        content_type=found.content_type,
        checksum=found.checksum,
        complete=not place.name.endswith("/"),
        uri=place.uri,
    )
    if place.account is None:
        kind, source = storage.FINALIZED, storage.source(place.bucket)
        subject = f"objects/{place.name}"
    else:
        kind, source = blob.CREATED, blob_place.account_in(payload.uri)
        subject = blob_place.subject(place.bucket, place.name)
    return Event(id="", source=source, type=kind, time=datetime.now(UTC), subject=subject, payload=payload)


def reasons(compiled: Compiled, event: Event) -> Iterator[Reason]:
    """One for each trigger: what it listens to instead, or what turned the event away, or that nothing did."""
    met = {one.trigger: one for one in explain_event(compiled, event) if one.trigger is not None}
    for name in compiled.names:
        trigger = compiled.trigger(name)
        assert trigger is not None  # one of its own names
        found = met.get(name)
        if found is None:
            listens = [_listens(source, compiled.environment) for source in trigger.sources]
            yield Reason(name, "no_match", f"listens to {' or '.join(listens)}")
        elif found.result == "ignored":
            said = found.verdicts[-1]
            yield Reason(name, str(said["code"]), str(said["reason"]))
        else:
            told = f"would take it ({found.result}), but no event of it has reached the ledger"
            yield Reason(name, "not_delivered", told)


def _listens(source: Source, environment: Environment) -> str:
    match source:
        case ObjectSource():
            store = environment.stores[source.store]
            return f"{store.uri('')}{store.prefix}{source.match} ({', '.join(source.change)})"
        case MessageSource():
            return " and ".join(environment.channels[source.channel].addresses)
        case ScheduleSource():
            return f"the schedule `{source.cron}` in {source.timezone}"
        case LifecycleSource(of=str(of)):
            return f"runs of {of} that have {' or '.join(source.statuses)}"
        case LifecycleSource():
            return f"{' and '.join(source.types)} of {environment.platform(source.platform).resource}"
