"""One page of a listing: prefix, delimiter, offsets and page tokens over names in the order of their UTF-8 bytes.

Semantics: https://cloud.google.com/storage/docs/json_api/v1/objects/list. A token is the place of the first thing not
yet returned, so a page is right even if that thing is deleted meanwhile.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from retrigger.local_emulator.stores.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.local_emulator.stores.resource import StoredObject

Place: TypeAlias = tuple[bytes, int]  # a name in UTF-8, and a generation
MOST = 1000


class Scan(Protocol):
    """Objects in order from a place (inclusive) to a name (exclusive), read as they are asked for."""

    def __call__(self, start: Place, end: bytes | None) -> Iterator[StoredObject]: ...


@dataclass(frozen=True, slots=True)
class Query:
    """What to list. `start` is inclusive, `end` exclusive; empty means unbounded."""

    prefix: str = ""
    delimiter: str = ""
    start: str = ""
    end: str = ""
    versions: bool = False
    include_trailing_delimiter: bool = False
    limit: int = MOST
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    objects: tuple[StoredObject, ...]
    prefixes: tuple[str, ...]
    token: str | None


def page_of(scan: Scan, query: Query) -> Page:
    """Errors: Invalid for a token that no listing gave."""
    prefix = query.prefix.encode()
    place = max((prefix, 0), (query.start.encode(), 0), _place(query.token))
    end = min((bound for bound in (_after(prefix), query.end.encode()) if bound), default=None)
    objects: list[StoredObject] = []
    prefixes: list[str] = []
    while True:
        for stored in scan(place, end):
            if len(objects) + len(prefixes) >= query.limit:
                return Page(tuple(objects), tuple(prefixes), _token(stored))
            folder = _folder(stored.name, query)
            if folder is None:
                objects.append(stored)
                continue
            prefixes.append(folder)
            if query.include_trailing_delimiter and stored.name == folder:
                objects.append(stored)
            # One jump past the whole folder, however many objects it has.
            place = (_after(folder.encode()), 0)
            break
        else:
            return Page(tuple(objects), tuple(prefixes), None)


def _folder(name: str, query: Query) -> str | None:
    """The name up to the first delimiter after the prefix, if it has one."""
    if not query.delimiter:
        return None
    at = name.find(query.delimiter, len(query.prefix))
    return None if at < 0 else name[: at + len(query.delimiter)]


def _after(prefix: bytes) -> bytes:
    """The least bytes above all that begin with `prefix`: UTF-8 has no byte 0xff, so the last can always grow."""
    return prefix[:-1] + bytes([prefix[-1] + 1]) if prefix else b""


def _token(stored: StoredObject) -> str:
    return base64.urlsafe_b64encode(b"%d/%s" % (stored.generation, stored.name.encode())).decode()


def _place(token: str | None) -> Place:
    if token is None:
        return (b"", 0)
    try:
        generation, _, name = base64.b64decode(token, altchars=b"-_", validate=True).partition(b"/")
    except ValueError:
        generation, name = b"", b""
    if not generation.isdigit() or len(generation) > 18:
        raise Invalid("The page token is not one that a listing gave; list again without it.")
    return (name, int(generation))
