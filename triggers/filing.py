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
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

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
_Tables: TypeAlias = "list[_Table]"


class _Table(NamedTuple):
    """What is filed under one heading. `heads` finds, by the first `length` characters, the rows whose texts begin so.

    Where the whole text is asked for, that is the head. Rows are JSON in JSON: read when a name asks for them. `at`:
    which segment of a name the texts are of, counted from its end if negative; None if it may be any.
    """

    heading: Heading
    at: int | None
    length: int
    heads: dict[str, str]


class _Row(NamedTuple):
    """What is filed under one text, among others in order. `rest`: that text after its head.

    `parent`: where the longest of those stands that the text begins with, -1 if there is none. `below`: where many
    share this text, they are filed by another.
    """

    rest: str
    parent: int
    entries: list[Entry]
    below: _Tables


class _Key(NamedTuple):
    heading: Heading
    at: int | None
    text: str


class _Glob(NamedTuple):
    """A glob on its way to a table: what each of its names offers."""

    keys: frozenset[_Key]
    entry: Entry


_ANY_DEPTH: Final = -1
_ANY: Final = _Key("any", None, "")
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
        yield _Key("prefix", None, prefix)
    if parsed.suffix:
        yield _Key("suffix", None, parsed.suffix[::-1])
    last = len(parsed.segments)
    deep = [number for number, segment in enumerate(parsed.segments) if segment == (glob.Wild.DEEP,)] or [-1]
    for number, segment in enumerate(parsed.segments):
        at = number - last if number > deep[-1] else base.count("/") + number if number < deep[0] else None
        for heading, text in _texts(segment):
            yield _Key(heading, at, text)
    yield _ANY


def _texts(segment: glob.Segment) -> Iterator[tuple[Heading, str]]:
    for number, part in enumerate(segment):
        if not isinstance(part, str) or not part:
            continue
        if len(segment) == 1:
            yield "segment", part
        elif number == 0:
            yield "segment_prefix", part
        elif number == len(segment) - 1:
            yield "segment_suffix", part[::-1]
        else:
            yield "inside", part


def _tables(globs: Iterable[_Glob], levels: int) -> _Tables:
    shared = Counter(key for one in globs for key in one.keys)
    along = _along(shared)
    by_key: dict[_Key, list[_Glob]] = {}
    for one in globs:
        best = min(
            one.keys, key=lambda key: (shared[key], along[key], _HEADINGS.index(key.heading), -len(key.text), str(key))
        )
        by_key.setdefault(best, []).append(one)
    rows: dict[tuple[Heading, int | None], dict[str, _Row]] = {}
    for key, those in by_key.items():
        rows.setdefault((key.heading, key.at), {})[key.text] = _row(key, those, levels)
    return [_table(heading, at, by_text) for (heading, at), by_text in rows.items()]


def _along(shared: Mapping[_Key, int]) -> dict[_Key, int]:
    """How many globs a name may meet along with each key: under the texts that its text begins with, too."""
    along: dict[_Key, int] = {}
    above: list[_Key] = []
    for key in sorted(shared, key=str):
        while above and not (key[:2] == above[-1][:2] and key.text.startswith(above[-1].text)):
            above.pop()
        along[key] = shared[key] + (along[above[-1]] if above and key.heading not in _WHOLE else 0)
        above.append(key)
    return along


def _row(key: _Key, globs: list[_Glob], levels: int) -> _Row:
    """What is filed under `key`; below it, by another, if there are many and another tells some of them apart."""
    if len(globs) > _FEW and levels > 1 and any(one.keys != globs[0].keys for one in globs):
        others = [one._replace(keys=one.keys - {key} | {_ANY}) for one in globs]
        return _Row(key.text, -1, [], _tables(others, levels - 1))
    return _Row(key.text, -1, [one.entry for one in globs], [])


def _table(heading: Heading, at: int | None, rows: dict[str, _Row]) -> _Table:
    length = min(map(len, rows))
    heads: dict[str, list[_Row]] = {}
    for text in sorted(rows):
        head = text if heading in _WHOLE else text[:length]
        others, rest = heads.setdefault(head, []), text[len(head) :]
        parent = len(others) - 1
        while parent >= 0 and not rest.startswith(others[parent].rest):
            parent = others[parent].parent
        others.append(rows[text]._replace(rest=rest, parent=parent))
    return _Table(heading, at, length, {head: json.dumps(those, separators=(",", ":")) for head, those in heads.items()})


class Files:
    """Globs as a name finds them: `filed` as it was written, and what of it names have asked for so far."""

    __slots__ = ("_any_depth", "_by_depth")

    def __init__(self, filed: Filed) -> None:
        opened = {int(depth): _opened(tables) for depth, tables in filed.items()}
        self._any_depth = opened.pop(_ANY_DEPTH, ())
        self._by_depth = {depth: looks + self._any_depth for depth, looks in opened.items()}

    def candidates(self, name: str) -> list[Entry]:
        """Every entry filed under what `name` offers: more than those that fit, never fewer, none twice."""
        segments = name.split("/")
        return _collected(self._by_depth.get(len(segments) - 1, self._any_depth), name, segments)


class _Open:
    """A table in use. Of its rows, those that were asked for are read; no name adds any."""

    __slots__ = ("_heads", "length", "offered", "read", "where")

    def __init__(self, heading: Heading, at: int | None, length: int, heads: dict[str, str]) -> None:
        self.offered = _OFFERED[heading]
        self.where = slice(None) if at is None else slice(at, at + 1 or None)
        self.length = length
        self.read: dict[str, _Leaf] = {}
        self._heads = heads

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


_Found: TypeAlias = "tuple[int, tuple[Entry, ...], tuple[_Open, ...]]"
"""A row as it is read: its parent, its entries, and the tables below it."""
_Leaf: TypeAlias = "tuple[tuple[str, ...], tuple[_Found, ...]]"
"""The rests of texts, sorted, and their rows."""


def _opened(tables: Iterable[Any]) -> tuple[_Open, ...]:
    return tuple(_Open(*table) for table in tables)


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


def _collected(tables: tuple[_Open, ...], name: str, segments: list[str]) -> list[Entry]:
    found: list[Entry] = []
    for table in tables:
        for _, entries, below in table.offered(table, name, segments):
            found += _collected(below, name, segments) if below else entries
    return found


def _prefix(table: _Open, name: str, _: list[str]) -> Iterable[_Found]:
    return _beginnings(table, name)


def _suffix(table: _Open, name: str, _: list[str]) -> Iterable[_Found]:
    return _beginnings(table, name[::-1])


def _beginnings(table: _Open, text: str) -> Iterable[_Found]:
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


def _segment(table: _Open, _: str, segments: list[str]) -> Iterable[_Found]:
    texts: Collection[str] = segments[table.where]
    if len(texts) > 1:
        texts = table.among(texts)
    leaves = [table.read.get(text) or table.leaf(text) for text in texts]
    return [row for leaf in leaves if leaf for row in leaf[1]]


def _segment_prefix(table: _Open, _: str, segments: list[str]) -> Iterable[_Found]:
    return _once(row for segment in segments[table.where] for row in _beginnings(table, segment))


def _segment_suffix(table: _Open, _: str, segments: list[str]) -> Iterable[_Found]:
    return _once(row for segment in segments[table.where] for row in _beginnings(table, segment[::-1]))


def _inside(table: _Open, _: str, segments: list[str]) -> Iterable[_Found]:
    found: dict[int, _Found] = {}
    length = table.length
    for segment in segments[table.where]:
        for head in table.among({segment[at : at + length] for at in range(len(segment) - length + 1)}):
            leaf = table.read.get(head) or table.leaf(head)
            at = segment.find(head)
            while leaf and at >= 0:
                for row in _followed(leaf, segment[at + length :]):
                    found[id(row)] = row
                at = segment.find(head, at + 1)
    return found.values()


def _any(table: _Open, _: str, __: list[str]) -> Iterable[_Found]:
    return _beginnings(table, "")


def _once(rows: Iterable[_Found]) -> Iterable[_Found]:
    return {id(row): row for row in rows}.values()


_OFFERED: Final[Mapping[Heading, Callable[[_Open, str, list[str]], Iterable[_Found]]]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "segment": _segment,
    "segment_prefix": _segment_prefix,
    "segment_suffix": _segment_suffix,
    "inside": _inside,
    "any": _any,
}
"""Heading -> the rows filed under it that a name, and its segments, offer."""
