"""Where globs are filed, so that a name finds the few that it may fit. Plain JSON: it is loaded, not built.

Globs stand by how deep their names are; there, each is filed once, under the literal text of it that the fewest others
share. Where many share even that one, they are filed again below it, by what else they hold. A name looks up what it
offers under each heading. Its cost is that of its own length and of the globs filed under what it offers; the number of
globs adds the steps of one binary search. What no texts can tell apart is tried: globs that hold the same literals, in
another order or between other wildcards.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from sys import intern
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, get_args

from retrigger.triggers import glob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Heading: TypeAlias = Literal["prefix", "suffix", "segment", "segment_prefix", "segment_suffix", "inside", "any"]
"""What a text is to a name: how it begins or ends, one of its segments, how one begins or ends, or a part of one; and
for globs without a literal, nothing. Endings are filed backwards. In the order of what they cost.
"""

Listener: TypeAlias = tuple[str, int]
"""A trigger, and the number of its source (of a marker: negative)."""

Entry: TypeAlias = tuple[str, str, str, tuple[Listener, ...]]
"""A glob below a folder, as `start`, `core` and `end`, and who listens.

Names begin with `start` and end with `end`; `core` is what is between. It is a glob too, and the same one for many:
what tells them apart stands in `start` and `end`. Empty, it is nothing.
"""

Filed: TypeAlias = "dict[str, _Tables]"
"""Slashes in a name, or `-1` for globs with `**`, -> tables."""
_Tables: TypeAlias = "dict[Heading, _Table]"


class _Table(NamedTuple):
    """What is filed under one heading. `heads` finds, by the first `length` characters, the rows whose texts begin so.

    Where the whole text is asked for, that is the head. Rows are JSON in JSON: read when a name asks for them. `firsts`
    holds the first character of each head.
    """

    length: int
    heads: dict[str, str]
    firsts: str


class _Row(NamedTuple):
    """What is filed under one text, among others in order. `rest`: that text after its head.

    `parent`: where the longest of those stands that the text begins with, -1 if there is none. `below`: what many
    share this text, filed by another.
    """

    rest: str
    parent: int
    entries: list[Entry]
    below: _Tables


class _Key(NamedTuple):
    heading: Heading
    text: str


class _Glob(NamedTuple):
    """A glob on its way to a table: what its names offer, each necessarily."""

    keys: frozenset[_Key]
    entry: Entry


_ANY_DEPTH: Final = -1
_ANY: Final = _Key("any", "")
_WHOLE: Final = ("segment", "any")
_HEADINGS: Final[tuple[Heading, ...]] = get_args(Heading)
_FEW: Final = 4
"""Globs that are sooner tried than filed once more."""
_LEVELS: Final = 3
"""How often globs are filed below each other: a hundred thousand are 47 of 47 of 47."""


def filed(listeners: Mapping[tuple[str, str], Iterable[Listener]]) -> Filed:
    """`listeners`: how names begin, and the glob of the rest -> who listens. Raise ValueError for what is no glob."""
    by_depth: dict[int, list[_Glob]] = {}
    for (base, text), those in listeners.items():
        parsed = glob.parse(text)
        deep = (glob.Wild.DEEP,) in parsed.segments
        depth = _ANY_DEPTH if deep else base.count("/") + len(parsed.segments) - 1
        core = parsed.text[len(parsed.prefix) : len(parsed.text) - len(parsed.suffix)]
        entry = (base + parsed.prefix, core, parsed.suffix, tuple(those))
        by_depth.setdefault(depth, []).append(_Glob(frozenset(_keys(base, parsed)), entry))
    return {str(depth): _tables(globs, _LEVELS) for depth, globs in by_depth.items()}


def _keys(base: str, parsed: glob.Glob) -> Iterator[_Key]:
    """Every text by which the names of a glob below `base` can be looked up."""
    prefix = base + parsed.prefix
    if prefix:
        yield _Key("prefix", prefix)
    if parsed.suffix:
        yield _Key("suffix", parsed.suffix[::-1])
    for segment in parsed.segments:
        yield from _segment_keys(segment)
    yield _ANY


def _segment_keys(segment: glob.Segment) -> Iterator[_Key]:
    for at, part in enumerate(segment):
        if not isinstance(part, str) or not part:
            continue
        if len(segment) == 1:
            yield _Key("segment", part)
        elif at == 0:
            yield _Key("segment_prefix", part)
        elif at == len(segment) - 1:
            yield _Key("segment_suffix", part[::-1])
        else:
            yield _Key("inside", part)


def _tables(globs: Iterable[_Glob], levels: int) -> _Tables:
    shared = Counter(key for one in globs for key in one.keys)
    by_key: dict[_Key, list[_Glob]] = {}
    for one in globs:
        best = min(one.keys, key=lambda key: (shared[key], _HEADINGS.index(key.heading), -len(key.text), key.text))
        by_key.setdefault(best, []).append(one)
    rows: dict[Heading, dict[str, _Row]] = {}
    for key, those in by_key.items():
        rows.setdefault(key.heading, {})[key.text] = _row(key, those, levels)
    return {heading: _table(by_text, whole=heading in _WHOLE) for heading, by_text in rows.items()}


def _row(key: _Key, globs: list[_Glob], levels: int) -> _Row:
    """What is filed under `key`; below it, by another, if there are many and another tells some of them apart."""
    if len(globs) > _FEW and levels > 1 and any(one.keys != globs[0].keys for one in globs):
        return _Row(key.text, -1, [], _tables([one._replace(keys=one.keys - {key} | {_ANY}) for one in globs], levels - 1))
    return _Row(key.text, -1, [one.entry for one in globs], {})


def _table(rows: dict[str, _Row], *, whole: bool) -> _Table:
    length = min(map(len, rows))
    heads: dict[str, list[_Row]] = {}
    for text in sorted(rows):
        head = text if whole else text[:length]
        others, rest = heads.setdefault(head, []), text[len(head) :]
        parent = len(others) - 1
        while parent >= 0 and not rest.startswith(others[parent].rest):
            parent = others[parent].parent
        others.append(rows[text]._replace(rest=rest, parent=parent))
    written = {head: json.dumps(those, separators=(",", ":")) for head, those in heads.items()}
    return _Table(length, written, "".join(sorted({head[:1] for head in heads})))


class Files:
    """Globs as a name finds them: `filed` as it was written, and what of it names have asked for so far."""

    __slots__ = ("_any_depth", "_by_depth")

    def __init__(self, filed: Filed) -> None:
        opened = {int(depth): _opened(tables) for depth, tables in filed.items()}
        self._any_depth = opened.pop(_ANY_DEPTH, ())
        self._by_depth = {depth: looks + self._any_depth for depth, looks in opened.items()}

    def candidates(self, name: str) -> list[Entry]:
        """Every entry filed under what `name` offers: more than those that fit, never fewer, none twice."""
        return _collected(self._by_depth.get(name.count("/"), self._any_depth), name)


class _Open:
    """A table in use. Of its rows, those that were asked for are read; no name adds any."""

    __slots__ = ("firsts", "length", "read", "written")

    def __init__(self, length: int, written: dict[str, str], firsts: str) -> None:
        self.length = length
        self.written = written
        self.firsts = firsts
        self.read: dict[str, _Leaf] = {}

    def leaf(self, head: str) -> _Leaf | None:
        """What stands under one head. Who asks often looks into `read` first."""
        if head not in self.written:
            return None
        rows = json.loads(self.written[head])
        leaf = self.read[head] = tuple(row[0] for row in rows), tuple(_found(*row) for row in rows)
        return leaf


_Found: TypeAlias = "tuple[int, tuple[Entry, ...], _Looks]"
"""A row as it is read: its parent, its entries, and the tables below it."""
_Leaf: TypeAlias = "tuple[tuple[str, ...], tuple[_Found, ...]]"
"""The rests of texts, sorted, and their rows."""
_Looks: TypeAlias = "tuple[tuple[Callable[[_Open, str], Iterable[_Found]], _Open], ...]"
"""Tables, each with how a name is looked up in it."""


def _opened(tables: Mapping[Heading, Any]) -> _Looks:
    return tuple((_OFFERED[heading], _Open(*table)) for heading, table in tables.items())


def _found(_: str, parent: int, entries: Any, below: _Tables) -> _Found:
    """What many entries hold is held once: at thousands of triggers, an event costs what it must fetch from memory."""
    return (
        parent,
        tuple(
            (start, intern(core), intern(end), tuple((intern(trigger), source) for trigger, source in listeners))
            for start, core, end, listeners in entries
        ),
        _opened(below),
    )


def _collected(looks: _Looks, name: str) -> list[Entry]:
    found: list[Entry] = []
    for look, table in looks:
        for _, entries, below in look(table, name):
            found += _collected(below, name) if below else entries
    return found


def _beginnings(table: _Open, text: str) -> Iterable[_Found]:
    """The rows whose text `text` begins with."""
    leaf = table.read.get(text[: table.length]) or table.leaf(text[: table.length])
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


def _begins(table: _Open, texts: Iterable[str]) -> Iterable[_Found]:
    """The same of several texts, no row twice."""
    return {id(row): row for text in texts for row in _beginnings(table, text)}.values()


def _equals(table: _Open, texts: Iterable[str]) -> Iterable[_Found]:
    found: list[_Found] = []
    for text in table.written.keys() & texts:
        leaf = table.read.get(text) or table.leaf(text)
        if leaf:
            found += leaf[1]
    return found


def _inside(table: _Open, name: str) -> Iterable[_Found]:
    length, firsts = table.length, table.firsts
    found: dict[int, _Found] = {}
    for first in firsts if len(firsts) < len(name) else {*name}:
        at = name.find(first)
        while at >= 0:
            head = name[at : at + length]
            leaf = table.read.get(head) or table.leaf(head)
            if leaf:
                for row in _followed(leaf, name[at + length :]):
                    found[id(row)] = row
            at = name.find(first, at + 1)
    return found.values()


_OFFERED: Final[Mapping[Heading, Callable[[_Open, str], Iterable[_Found]]]] = {
    "prefix": _beginnings,
    "suffix": lambda table, name: _beginnings(table, name[::-1]),
    "segment": lambda table, name: _equals(table, name.split("/")),
    "segment_prefix": lambda table, name: _begins(table, name.split("/")),
    "segment_suffix": lambda table, name: _begins(table, name[::-1].split("/")),
    "inside": _inside,
    "any": lambda table, _: _equals(table, ("",)),
}
"""Heading -> the rows filed under it that a name offers."""
