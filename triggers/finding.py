"""What a name finds among the globs that are filed: the part of matching that every object event pays for.

`filing` says where globs stand. What a name looks up is made ready once, when it is first asked for.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from sys import intern
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from retrigger.triggers import filing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping


class Files:
    """Globs as a name finds them: `filed` as it was written, and what of it names have asked for so far."""

    __slots__ = ("_any_depth", "_by_depth")

    def __init__(self, filed: filing.Filed) -> None:
        opened = {int(depth): _opened(tables) for depth, tables in filed.items()}
        self._any_depth = opened.pop(filing.ANY_DEPTH, ())
        self._by_depth = {depth: tables + self._any_depth for depth, tables in opened.items()}

    def candidates(self, name: str) -> list[filing.Entry]:
        """Every entry filed under what `name` offers: more than those that fit, never fewer, none twice."""
        segments = name.split("/")
        return _collected(self._by_depth.get(len(segments) - 1, self._any_depth), name, segments)


class _Table:
    """A table in use: `filing` tells what it holds. Rows that were asked for stay read; no name adds any."""

    __slots__ = ("_common", "_heads", "length", "offered", "read", "where")

    def __init__(
        self, heading: filing.Heading, at: int | None, length: int, heads: dict[str, str], common: str
    ) -> None:
        self.offered = _OFFERED[heading]
        self.where = slice(None) if at is None else slice(at, at + 1 or None)
        self.length = length
        self.read: dict[str, _Leaf] = {}
        self._heads = heads
        self._common = common

    def leaf(self, head: str) -> _Leaf | None:
        """What stands under one head. Who asks often looks into `read` first."""
        if head not in self._heads:
            return None
        rows = json.loads(self._heads[head])
        leaf = self.read[head] = tuple(row[0] for row in rows), tuple(_found(*row) for row in rows)
        return leaf

    def among(self, texts: Iterable[str]) -> set[str]:
        """Those texts that are heads."""
        return self._heads.keys() & texts

    def starts(self, text: str) -> list[int]:
        """Where in it heads begin."""
        heads, length, common = self._heads, self.length, self._common
        if not common:
            return [at for at in range(len(text) - length + 1) if text[at : at + length] in heads]
        found = []
        at = text.find(common)
        while at >= 0:
            if text[at : at + length] in heads:
                found.append(at)
            at = text.find(common, at + 1)
        return found


_Found: TypeAlias = "tuple[int, tuple[filing.Entry, ...], tuple[_Table, ...]]"
"""A row as it is read: its parent, its entries, and the tables below it."""
_Leaf: TypeAlias = "tuple[tuple[str, ...], tuple[_Found, ...]]"
"""The rests of texts, sorted, and their rows."""


def _opened(tables: Iterable[Any]) -> tuple[_Table, ...]:
    return tuple(_Table(*table) for table in tables)


def _found(_: str, parent: int, entries: Any, below: Iterable[Any]) -> _Found:
    """What many entries hold is held once: at thousands of triggers, an event costs what it must fetch from memory."""
    return (
        parent,
        tuple(
            (start, intern(core), intern(end), tuple((intern(trigger), source) for trigger, source in listeners))
            for start, core, end, listeners in entries
        ),
        _opened(below),
    )


def _collected(tables: tuple[_Table, ...], name: str, segments: list[str]) -> list[filing.Entry]:
    found: list[filing.Entry] = []
    for table in tables:
        for _, entries, below in table.offered(table, name, segments):
            found += _collected(below, name, segments) if below else entries
    return found


def _prefix(table: _Table, name: str, _: list[str]) -> Iterable[_Found]:
    return _beginnings(table, name)


def _suffix(table: _Table, name: str, _: list[str]) -> Iterable[_Found]:
    return _beginnings(table, name[::-1])


def _beginnings(table: _Table, text: str) -> Iterable[_Found]:
    """The rows whose text `text` begins with."""
    head = text[: table.length]
    leaf = table.read.get(head) or table.leaf(head)
    return _followed(leaf, text[table.length :]) if leaf else ()


def _followed(leaf: _Leaf, rest: str) -> list[_Found]:
    """The rows of a head that `rest` follows."""
    rests, rows = leaf
    at = bisect_right(rests, rest) - 1
    found = []
    while at >= 0:
        row = rows[at]
        if rest.startswith(rests[at]):
            found.append(row)
        at = row[0]
    return found


def _segment(table: _Table, _: str, segments: list[str]) -> Iterable[_Found]:
    texts: Collection[str] = segments[table.where]
    if len(texts) > 1:
        texts = table.among(texts)
    leaves = [table.read.get(text) or table.leaf(text) for text in texts]
    return [row for leaf in leaves if leaf for row in leaf[1]]


def _segment_prefix(table: _Table, _: str, segments: list[str]) -> Iterable[_Found]:
    found: list[_Found] = []
    for segment in segments[table.where]:
        found += _beginnings(table, segment)
    return _once(found)


def _segment_suffix(table: _Table, _: str, segments: list[str]) -> Iterable[_Found]:
    found: list[_Found] = []
    for segment in segments[table.where]:
        found += _beginnings(table, segment[::-1])
    return _once(found)


def _inside(table: _Table, _: str, segments: list[str]) -> Iterable[_Found]:
    found: list[_Found] = []
    for segment in segments[table.where]:
        for at in table.starts(segment):
            found += _beginnings(table, segment[at:])
    return _once(found)


def _any(table: _Table, _: str, __: list[str]) -> Iterable[_Found]:
    return _beginnings(table, "")


def _once(found: list[_Found]) -> Iterable[_Found]:
    """Each row once, though several texts of a name may begin with its text."""
    return {id(row): row for row in found}.values() if len(found) > 1 else found


_OFFERED: Final[Mapping[filing.Heading, Callable[[_Table, str, list[str]], Iterable[_Found]]]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "segment": _segment,
    "segment_prefix": _segment_prefix,
    "segment_suffix": _segment_suffix,
    "inside": _inside,
    "any": _any,
}
"""Heading -> the rows filed under it that a name, and its segments, offer."""
