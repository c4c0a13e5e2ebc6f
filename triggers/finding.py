"""What a name finds among the globs that are filed: the part of matching that every object event pays for.

`filing` says where globs stand. What a name looks up is made ready once, when it is first asked for.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from sys import intern, maxsize
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from retrigger.triggers import filing
from retrigger.triggers.matches import Match

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence


Entry: TypeAlias = tuple[str, str, str, tuple[Match, ...]]
"""An entry of `filing`, read: each listener is what it matches if its glob captures nothing.

Most globs do not, and then nothing is made for the event. A marker's number is negative, as it was filed.
"""


class Files:
    """Globs as a name finds them: `filed` as it was written, and what of it names have asked for so far."""

    __slots__ = ("_any_depth", "_by_depth")

    def __init__(self, filed: filing.Filed) -> None:
        opened = {int(depth): [_Table(*table) for table in tables] for depth, tables in filed.items()}
        self._any_depth = opened.pop(filing.ANY_DEPTH, [])
        self._by_depth = {depth: tables + self._any_depth for depth, tables in opened.items()}

    def candidates(self, name: str) -> list[Entry]:
        """Every entry filed under what `name` offers: more than those that fit, never fewer, none twice."""
        segments = name.split("/")
        return _collected(self._by_depth.get(len(segments) - 1, self._any_depth), name, segments)


class _Table:
    """A table in use: `filing` tells what it holds. Leaves that were asked for stay read; no name adds any."""

    __slots__ = ("_common", "_spelled", "leaves", "length", "offered", "where")

    def __init__(  # noqa: PLR0917  # as it is filed
        self, heading: filing.Heading, at: int | None, length: int, heads: dict[str, str], common: str, letters: str
    ) -> None:
        self.offered = _OFFERED[heading]
        self.where = slice(None) if at is None else slice(at, at + 1 or None)
        self.length = maxsize if heading in filing.WHOLE else length  # a text has no more letters
        self.leaves: dict[str, str | _Branch | tuple[_Stands, ...]] = {**heads}
        self._common = common
        self._spelled = re.compile(f"[{re.escape(letters)}]{{{length},}}") if letters else None

    def read(self, head: str, written: str) -> _Branch | tuple[_Stands, ...]:
        """What stands under a head, when it is first asked for: until then it is as it was written."""
        rows = json.loads(written)
        leaf = self.leaves[head] = _Branch(rows) if len(rows) > 1 else _leaf(*rows[0][2:])
        return leaf

    def starts(self, text: str) -> Iterable[int]:
        """Where in it heads may begin: nowhere else.

        All begin with what they have in common. If that is nothing: they stand where enough letters of theirs do.
        """
        leaves, length = self.leaves, self.length
        if self._common:
            return _places(self._common, text)
        if length == 1:
            return [at for at, letter in enumerate(text) if letter in leaves]
        runs = self._spelled.findall(text) if self._spelled else (text,)
        heads = {
            part for run in runs for at in range(len(run) - length + 1) if (part := run[at : at + length]) in leaves
        }
        return [at for head in heads for at in _places(head, text)] if heads else ()


def _places(part: str, text: str) -> list[int]:
    """Where a part of a text stands in it."""
    places = []
    at = text.find(part)
    while at >= 0:
        places.append(at)
        at = text.find(part, at + 1)
    return places


class _Branch:
    """What stands under a head that has several texts: their rests, sorted; beside each, its parent and its leaf."""

    __slots__ = ("leaves", "parents", "rests")

    def __init__(self, rows: Iterable[Any]) -> None:
        self.rests = tuple(intern(rest) for rest, _, _, _ in rows)  # heads share them: a search finds them in a cache
        self.parents = tuple(parent for _, parent, _, _ in rows)
        self.leaves = tuple(_leaf(entries, below) for _, _, entries, below in rows)

    def followed(self, rest: str) -> list[_Stands]:
        """What stands under the texts whose rest is what `rest` begins with."""
        at = bisect_right(self.rests, rest) - 1
        found: list[_Stands] = []
        while at >= 0:
            if rest.startswith(self.rests[at]):
                found += self.leaves[at]
            at = self.parents[at]
        return found


_Stands: TypeAlias = "Entry | list[_Table]"
"""What stands under a text: an entry; or, of so many that they are filed again, the tables below it."""


def _leaf(entries: Iterable[Any], below: Iterable[Any]) -> tuple[_Stands, ...]:
    """What many entries hold is held once: at thousands of triggers, an event costs what it must fetch from memory."""
    if below:
        return ([_Table(*table) for table in below],)
    return tuple(
        (start, intern(core), intern(end), tuple(Match(intern(trigger), "source", at, {}) for trigger, at in listeners))
        for start, core, end, listeners in entries
    )


def _collected(tables: Iterable[_Table], name: str, segments: list[str]) -> list[Entry]:
    found: list[Entry] = []
    for table in tables:
        for one in table.offered(table, name, segments):
            if isinstance(one, tuple):
                found.append(one)
            else:
                found += _collected(one, name, segments)
    return found


def _beginning(table: _Table, text: str, _: list[str]) -> Sequence[_Stands]:
    """What stands under the texts that `text` begins with. The one text of a head is not compared: `match` does."""
    length = table.length
    leaf = table.leaves.get(text[:length])
    if leaf is None:
        return ()
    if isinstance(leaf, str):
        leaf = table.read(text[:length], leaf)
    return leaf if isinstance(leaf, tuple) else leaf.followed(text[length:])


def _suffix(table: _Table, name: str, segments: list[str]) -> Sequence[_Stands]:
    return _beginning(table, name[::-1], segments)


def _segment(table: _Table, _: str, segments: list[str]) -> Sequence[_Stands]:
    texts = segments[table.where]
    if len(texts) == 1:
        return _beginning(table, texts[0], segments)
    found: list[_Stands] = []
    for text in table.leaves.keys() & texts:
        found += _beginning(table, text, segments)
    return found


def _segment_prefix(table: _Table, _: str, segments: list[str]) -> Collection[_Stands]:
    found: list[_Stands] = []
    for segment in segments[table.where]:
        found += _beginning(table, segment, segments)
    return _once(found)


def _segment_suffix(table: _Table, _: str, segments: list[str]) -> Collection[_Stands]:
    found: list[_Stands] = []
    for segment in segments[table.where]:
        found += _beginning(table, segment[::-1], segments)
    return _once(found)


def _inside(table: _Table, _: str, segments: list[str]) -> Collection[_Stands]:
    found: list[_Stands] = []
    for segment in segments[table.where]:
        for at in table.starts(segment):
            found += _beginning(table, segment[at:], segments)
    return _once(found)


def _any(table: _Table, _: str, segments: list[str]) -> Sequence[_Stands]:
    return _beginning(table, "", segments)


def _once(found: list[_Stands]) -> Collection[_Stands]:
    """Each once, though several texts of a name may begin with its text: what is below it is looked up once, too."""
    return {id(one): one for one in found}.values() if len(found) > 1 else found


_OFFERED: Final[Mapping[filing.Heading, Callable[[_Table, str, list[str]], Collection[_Stands]]]] = {
    "prefix": _beginning,
    "suffix": _suffix,
    "segment": _segment,
    "segment_prefix": _segment_prefix,
    "segment_suffix": _segment_suffix,
    "inside": _inside,
    "any": _any,
}
"""Heading -> what is filed under the texts of it that a name, and its segments, offer."""
