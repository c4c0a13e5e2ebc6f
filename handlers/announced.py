"""What a marker that lists its members announces: read from its content, checked against the trigger's sources."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from retrigger.handlers.manifests import listed
from retrigger.triggers.errors import Refused
from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.handlers.listing import Listing
    from retrigger.handlers.ports import Objects
    from retrigger.handlers.records import Head
    from retrigger.triggers.spec import Trigger

BYTES_AT_MOST: Final = 16 << 20
_KEPT_AT_MOST: Final = 200_000
_URI_AT_MOST: Final = 4096  # a name has at most 1,024 bytes, each of which may be quoted; matching is quadratic in it


@dataclass(frozen=True, slots=True)
class Place:
    """Where such a marker lies."""

    bucket: str
    name: str
    version: str


class Announced:
    """Reads the markers of one store. What they name is kept for a while: each member that joins asks for it again."""

    def __init__(self, objects: Objects, listing: Listing) -> None:
        self._objects = objects
        self._listing = listing
        self._known: dict[tuple[str, str, Place], frozenset[str]] = {}

    def uris(self, trigger: Trigger, captures: Mapping[str, str], place: Place) -> frozenset[str]:
        """The objects that it names, as events write them. Raises Refused `bad_manifest` or `object_gone`."""
        key = (trigger.name, json.dumps(captures, sort_keys=True), place)
        if key not in self._known:
            found = self._taken(trigger, captures, place)
            if sum(map(len, self._known.values())) + len(found) > _KEPT_AT_MOST:
                self._known.clear()
            self._known[key] = found
        return self._known[key]

    def claimed(self, trigger: Trigger, head: Head) -> Iterator[str | None]:
        """The claim names of what the window's markers name; None if some have not landed.

        Of several versions of a marker the last one counts. None also if one cannot be read any more: it was replaced,
        and the news of that is on its way, or the trigger was changed.
        """
        newest = {(it["bucket"], it["name"]): it for it in sorted(head.lists, key=lambda it: int(it["at_ms"]))}
        wanted: set[str] = set()
        try:
            for it in newest.values():
                wanted |= self.uris(trigger, head.captures, Place(it["bucket"], it["name"], it["version"]))
        except Refused:
            yield None
            return
        yield from self._listing.announced(trigger, head.captures, wanted)

    def _taken(self, trigger: Trigger, captures: Mapping[str, str], place: Place) -> frozenset[str]:
        data = bytearray()
        for chunk in self._objects.read(place.bucket, place.name, version=place.version, limit=BYTES_AT_MOST + 1):
            data += chunk
        if len(data) > BYTES_AT_MOST:
            raise Refused(f"it is larger than {BYTES_AT_MOST >> 20} MiB", code="bad_manifest")
        found = set()
        for where, text in listed(bytes(data)):
            uri = self._listing.taken_as(trigger, captures, text) if len(text) <= _URI_AT_MOST else None
            if uri is None:
                message = f"{where} is no object that the trigger's sources take in this window"
                raise Refused(message, code="bad_manifest")
            found.add(uri)
        return frozenset(found)
