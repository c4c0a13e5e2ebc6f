"""The objects that a message names: looked up in their stores, or why they cannot be.

A message is anybody's: a URI in it never chooses a place. It counts only where an object source of the same trigger
listens, and is looked up only then. Reasons name objects by position, the first is 1, and never show what was sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrigger.handlers.arrivals import Arrival, arrivals
from retrigger.handlers.outcome import Verdict
from retrigger.triggers.errors import Malformed
from retrigger.triggers.event import Event, Object
from retrigger.triggers.expressions import load_expression
from retrigger.triggers.formats import storage
from retrigger.triggers.frozen import replace
from retrigger.triggers.spec import MessageSource, ObjectSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from retrigger.handlers.ports import Catalog, Objects, ObjectStat
    from retrigger.triggers.environment import Store
    from retrigger.triggers.event import Json
    from retrigger.triggers.match import Index
    from retrigger.triggers.spec import Trigger

MOST_MEMBERS: Final = 1000
_MOST_REASONS: Final = 10
_AT_ONCE: Final = 8
_GCS: Final = "gs://"
_FORM: Final = "is no URI of an object: write gs://BUCKET/NAME or https://ACCOUNT.blob.core.windows.net/CONTAINER/NAME"


class Named:
    """Looks up what messages name, in the stores of one environment."""

    def __init__(self, index: Index, catalog: Catalog, objects: Objects) -> None:
        self._index = index
        self._catalog = catalog
        self._objects = objects

    def look_up(self, arrival: Arrival) -> list[Object] | Verdict:
        """Each object once, as it is now; or the verdict that turns the whole message away.

        Raises ExpressionError if `members` gives nothing, Refused or Unavailable where a store does not say.
        """
        uris = self._uris(arrival)
        if isinstance(uris, Verdict):
            return uris
        places: dict[Object, int] = {}
        wrong: list[str] = []
        for position, uri in enumerate(uris, 1):
            place = self._place(uri, arrival)
            if isinstance(place, Object):
                places.setdefault(place, position)
            else:
                wrong.append(f"object {position} {place}")
        if wrong:
            return _stop("bad_members", wrong)
        stats = self._stats(places)
        missing = [f"object {places[place]} is not there" for place, stat in stats.items() if stat is None]
        if missing:
            return _stop("members_missing", missing)
        return [_as_it_is(place, stat) for place, stat in stats.items() if stat is not None]

    def arrival(self, arrival: Arrival, payload: Object) -> Arrival | None:
        """The object's own event at the trigger of the message; None if the trigger does not listen there any more."""
        found = arrivals(_announced(arrival.event, payload), self._index, self._catalog)
        own = next((one for one in found if one.trigger.name == arrival.trigger.name), None)
        return own and replace(own, patient=arrival.patient, alone=False)

    def _uris(self, arrival: Arrival) -> list[Json] | Verdict:
        source = arrival.source
        assert isinstance(source, MessageSource)
        assert source.members is not None  # only what names objects is looked up
        match load_expression(source.members).evaluate(arrival.scope):
            case str() as uri:
                return [uri]
            case list() as uris if len(uris) > MOST_MEMBERS:
                told = f"the message names {len(uris):,} objects; at most {MOST_MEMBERS:,} are allowed: send several"
                return Verdict("check", "stop", "too_many_members", told)
            case list() as uris if uris:
                return uris
            case list():
                return Verdict("check", "stop", "no_members", f"{source.members} names no object")
            case _:
                told = f"{source.members} gives neither a URI nor a list of URIs"
                return Verdict("check", "stop", "bad_members", told)

    def _place(self, uri: Json, arrival: Arrival) -> Object | str:
        """The object that the URI means, of a version not yet known; or what is wrong with it."""
        try:
            place = _meant(uri)
        except Malformed:
            return _FORM
        if not any(_holds(store, place) for store in self._stores(arrival.trigger)):
            return "lies in no store of this trigger's object sources"
        met = self._index.match(_announced(arrival.event, place))
        if not any(match.trigger == arrival.trigger.name for match in met):
            return "has a name that no object source of this trigger matches"
        return place

    def _stores(self, trigger: Trigger) -> Iterator[Store]:
        return (self._catalog.environment.stores[it.store] for it in trigger.sources if isinstance(it, ObjectSource))

    def _stats(self, places: Iterable[Object]) -> Mapping[Object, ObjectStat | None]:
        """Several at once: a thousand after one another would take a function's whole time."""
        from concurrent.futures import ThreadPoolExecutor  # only messages that name objects pay for it

        every = list(places)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = pool.map(lambda each: self._objects.stat(each.place, each.name), every)
            return dict(zip(every, found, strict=True))


def _meant(uri: Json) -> Object:
    """The object that a URI means, in the form that its own events have; Malformed for anything else."""
    if not isinstance(uri, str):
        raise Malformed("It is no text.", code="bad_uri")
    if not uri.startswith(_GCS):
        from retrigger.triggers.formats import blob, blob_place  # functions on Google Cloud do without them

        place, _ = blob_place.read("", None, uri)
        return blob.stored(place, version="")
    bucket, _, name = uri.removeprefix(_GCS).partition("/")
    if not bucket or not name or len(name.encode()) > storage.MAX_NAME:
        raise Malformed("It names no object.", code="bad_uri")
    return Object(store="gcs", account=None, bucket=bucket, name=name, version="", uri=uri)


def _holds(store: Store, place: Object) -> bool:
    same = (store.kind, store.account, store.bucket) == (place.store, place.account, place.bucket)
    return same and place.name.startswith(store.prefix)


def _as_it_is(place: Object, stat: ObjectStat) -> Object:
    """What the object's own event says of it: in particular its identity is the same."""
    return replace(
        place,
        version=stat.version,
        sequencer=stat.version if place.store == "gcs" else None,
        size=stat.size,
        content_type=stat.content_type,
        checksum=stat.checksum,
        complete=not (place.name.endswith("/") and not stat.size),
    )


def _announced(message: Event, payload: Object) -> Event:
    """The event of an object that a message names: the store's in kind, with the id and the time of the message."""
    if payload.store == "gcs":
        told = (storage.FINALIZED, storage.source(payload.bucket), storage.subject(payload.name))
    else:
        from retrigger.triggers.formats import blob, blob_place

        told = (
            blob.CREATED,
            blob_place.account_in(payload.uri),
            blob_place.subject(payload.bucket, payload.name),
        )
    type_, source, subject = told
    return replace(message, type=type_, source=source, subject=subject, payload=payload, notes=())


def _stop(code: str, reasons: list[str]) -> Verdict:
    left = len(reasons) - _MOST_REASONS
    told = [*reasons[:_MOST_REASONS], *([f"and {left:,} more"] if left > 0 else [])]
    return Verdict("check", "stop", code, "; ".join(told))
