"""What lies in a store under the filled-in `match` of a trigger, as the events that announced it would name it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from retrigger.triggers import glob, keys
from retrigger.triggers.event import Event, Object
from retrigger.triggers.expressions import load_expression
from retrigger.triggers.formats import storage
from retrigger.triggers.spec import ObjectSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from retrigger.handlers.ledger import Ledger
    from retrigger.handlers.ports import Catalog, Objects, ObjectStat
    from retrigger.triggers.environment import Store
    from retrigger.triggers.spec import Trigger

_UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class Listing:
    """Compares what a store holds with what a ledger has claimed."""

    def __init__(self, ledger: Ledger, catalog: Catalog, objects: Objects) -> None:
        self._ledger = ledger
        self._catalog = catalog
        self._objects = objects

    def claimed(self, trigger: Trigger, captures: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """(object name, claim name) of each object that the trigger would take: after match, filter, pure checks."""
        for stat, _, claim in self._matching(trigger, captures):
            if claim is not None:
                yield stat.name, claim

    def announced(self, trigger: Trigger, captures: Mapping[str, str], uris: AbstractSet[str]) -> Iterator[str | None]:
        """The claim names of these objects; None if some have not landed. What a filter lets go is not waited for."""
        landed = set()
        for _, uri, claim in self._matching(trigger, captures):
            if uri in uris:
                landed.add(uri)
                if claim is not None:
                    yield claim
        if not uris <= landed:
            yield None

    def taken_as(self, trigger: Trigger, captures: Mapping[str, str], uri: str) -> str | None:
        """How events write the URI of an object that a source of the trigger listens to; None: none of them does."""
        for source in object_sources(trigger):
            store = self._catalog.environment.stores[source.store]
            name = store.name_of(uri)
            if name is None or not name.startswith(store.prefix) or _is_folder(name):
                continue
            inner = name.removeprefix(store.prefix)
            if glob.parse(source.match).bind(captures).match(inner) is not None and not _is_marker(trigger, inner):
                return store.uri(name)
        return None

    def _matching(self, trigger: Trigger, captures: Mapping[str, str]) -> Iterator[tuple[ObjectStat, str, str | None]]:
        """(object, URI, claim name) of each object that a source matches; no claim where a filter lets it go."""
        environment = self._catalog.environment
        for source in object_sources(trigger):
            store = environment.stores[source.store]
            bound = glob.parse(source.match).bind(captures)
            for stat in self._objects.list(store.place, store.prefix + bound.prefix):
                name = stat.name.removeprefix(store.prefix)
                found = bound.match(name)
                if found is None or _is_folder(stat.name) or _is_marker(trigger, name):
                    continue
                event = object_event(store, stat)
                scope = {"event": event.scope(), "match": {**captures, **found}, "vars": environment.vars}
                rules = [rule for rule in (trigger.filter, source.filter) if rule is not None]
                claim = None
                if all(load_expression(rule).evaluate(scope) is True for rule in rules):
                    override = load_expression(source.key).evaluate(scope) if source.key else None
                    claim = self._ledger.claim_name(trigger.name, keys.identity(event, override))
                yield stat, store.uri(stat.name), claim

    def others(self, trigger: Trigger, bucket: str, folder: str, members: set[str]) -> list[str]:
        """Names in a folder (a prefix ending in `/`) that are neither members nor markers nor folder markers."""
        prefixes = {self._catalog.environment.stores[source.store].prefix for source in object_sources(trigger)}
        names = [stat.name for stat in self._objects.list(bucket, folder)]
        return [
            name
            for name in names
            if name not in members
            and not _is_folder(name)
            and not any(_is_marker(trigger, name.removeprefix(prefix)) for prefix in prefixes)
        ]

    def rejected(self, trigger: Trigger, captures: Mapping[str, str], names: list[str]) -> list[str]:
        """Those of `names` that a check has turned away."""
        wanted = set(names)
        found = []
        for name, claim_name in self.claimed(trigger, captures) if wanted else ():
            if name in wanted:
                claim = self._ledger.claims.get(claim_name)
                if claim is not None and claim.value.state == "rejected":
                    found.append(name)
        return found


def object_event(store: Store, stat: ObjectStat) -> Event:
    """The event that announced an object, as far as a listing can tell: its identity is the same."""
    match store.kind:
        case "gcs":
            kind, source = storage.FINALIZED, storage.source(store.bucket)
            subject = storage.subject(stat.name)
        case "blob":
            from retrigger.triggers.formats import blob, blob_place  # functions on Google Cloud do without them

            kind, source = blob.CREATED, blob_place.endpoint(str(store.account), store.suffix)
            subject = blob_place.subject(store.bucket, stat.name)
    payload = Object(
        store=store.kind,
        account=store.account,
        bucket=store.bucket,
        name=stat.name,
        version=stat.version,
        sequencer=stat.version if store.kind == "gcs" else None,
        size=stat.size,
        content_type=stat.content_type,
        checksum=stat.checksum,
        complete=not (_is_folder(stat.name) and not stat.size),
        uri=store.uri(stat.name),
    )
    time, id_ = stat.written or _UNKNOWN_TIME, f"{payload.uri}#{stat.version}"
    return Event(id=id_, source=source, type=kind, time=time, subject=subject, payload=payload)


def object_sources(trigger: Trigger) -> Iterator[ObjectSource]:
    return (source for source in trigger.sources if isinstance(source, ObjectSource))


def _is_folder(name: str) -> bool:
    return name.endswith("/")


def _is_marker(trigger: Trigger, name: str) -> bool:
    return trigger.window.until is not None and glob.parse(trigger.window.until).match(name) is not None
