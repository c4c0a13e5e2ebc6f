"""Where globs are filed, so that a name finds the few that it may fit. Plain JSON: it is loaded, not built.

Every glob is filed once, under the literal text of it that the fewest other globs share. A name looks up what it offers
under each heading. Its cost is that of its own length and of the globs filed under what it offers; the number of globs
adds the steps of one binary search. What no index of one text can tell apart is tried: globs whose every literal is
shared, and which differ only in how they combine these.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, get_args

from retrigger.triggers import glob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Heading: TypeAlias = Literal[
    "prefix", "suffix", "segment", "segment_prefix", "segment_suffix", "inside", "slashes", "any"
]
"""What a text is to a name: how it begins or ends, one of its segments, how one begins or ends, or a part of one; and
for globs without a literal, how many slashes a name has. Endings are filed backwards. In the order of what they cost.
"""

Listener: TypeAlias = tuple[str, int, list[str]]
"""A trigger, the number of its source (of a marker: negative), and the changes that it listens to."""


class Entry(NamedTuple):
    """A glob below a folder, and who listens: names begin with `start` and end with `end`, `core` is what is between.

    `core` is a glob too, and the same one for many: what tells them apart stands in `start` and `end`. Empty, it is
    nothing. In JSON: a list in this order.
    """

    start: str
    core: str
    end: str
    listeners: list[Listener]


class _Key(NamedTuple):
    heading: Heading
    text: str


class _Row(NamedTuple):
    """What is filed under one text, among others in order.

    `parent`: where the longest of those stands that the text begins with, -1 if there is none.
    """

    text: str
    parent: int
    entries: list[Entry]


class _Table(NamedTuple):
    """What is filed under one heading. `heads` finds, by the first `length` characters, the rows whose texts begin so.

    Where the whole text is asked for, that is the head. Rows are JSON in JSON: read when a name asks for them. `firsts`
    holds the first character of each head.
    """

    length: int
    heads: dict[str, str]
    firsts: str


Filed: TypeAlias = "Mapping[Heading, _Table]"

_WHOLE: Final = ("segment", "slashes", "any")
_HEADINGS: Final[tuple[Heading, ...]] = get_args(Heading)


def filed(listeners: Mapping[tuple[str, str], list[Listener]]) -> Filed:
    """`listeners`: how names begin, and the glob of the rest -> who listens. Raise ValueError for what is no glob."""
    globs = [(base, glob.parse(text), those) for (base, text), those in listeners.items()]
    offered = [list(_keys(base, parsed)) for base, parsed, _ in globs]
    shared = Counter(key for keys in offered for key in set(keys))
    entries: dict[Heading, dict[str, list[Entry]]] = {}
    for (base, parsed, those), keys in zip(globs, offered, strict=True):
        best = min(keys, key=lambda key: (shared[key], _HEADINGS.index(key.heading), -len(key.text)))
        core = parsed.text[len(parsed.prefix) : len(parsed.text) - len(parsed.suffix)]
        entry = Entry(base + parsed.prefix, core, parsed.suffix, those)
        entries.setdefault(best.heading, {}).setdefault(best.text, []).append(entry)
    return {heading: _table(by_text, whole=heading in _WHOLE) for heading, by_text in entries.items()}


def candidates(files: Filed, name: str) -> Iterator[Entry]:
    """Every entry filed under what `name` offers: more than those that fit, never fewer, none twice."""
    for heading, table in files.items():
        for _, _, entries in _OFFERED[heading](table, name):
            yield from entries


def _keys(base: str, parsed: glob.Glob) -> Iterator[_Key]:
    """Every text by which the names of a glob below `base` can be looked up."""
    prefix = base + parsed.prefix
    if prefix:
        yield _Key("prefix", prefix)
    if parsed.suffix:
        yield _Key("suffix", parsed.suffix[::-1])
    for segment in parsed.segments:
        yield from _segment_keys(segment)
    if (glob.Wild.DEEP,) in parsed.segments:
        yield _Key("any", "")
    else:
        yield _Key("slashes", str(base.count("/") + len(parsed.segments) - 1))


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


def _table(entries: dict[str, list[Entry]], *, whole: bool) -> _Table:
    length = min(map(len, entries))
    heads: dict[str, list[_Row]] = {}
    for text in sorted(entries):
        rows = heads.setdefault(text if whole else text[:length], [])
        parent = len(rows) - 1
        while parent >= 0 and not text.startswith(rows[parent].text):
            parent = rows[parent].parent
        rows.append(_Row(text, parent, entries[text]))
    written = {head: json.dumps(rows, separators=(",", ":")) for head, rows in heads.items()}
    return _Table(length, written, "".join(sorted({head[:1] for head in heads})))


@cache
def _read(written: str) -> tuple[list[str], list[_Row]]:
    """Rows, and their texts. Kept for the life of the process: they are its compiled file's, and no name adds any."""
    rows = json.loads(written)
    return (
        [text for text, _, _ in rows],
        [_Row(text, parent, [Entry(*entry) for entry in entries]) for text, parent, entries in rows],
    )


def _beginnings(table: _Table, text: str) -> list[_Row]:
    """The rows whose text `text` begins with."""
    length, heads, _ = table
    written = heads.get(text[:length])
    if written is None:
        return []
    texts, rows = _read(written)
    at = bisect_right(texts, text) - 1
    found = []
    while at >= 0:
        if text.startswith(texts[at]):
            found.append(rows[at])
        at = rows[at].parent
    return found


def _begins(table: _Table, segments: Iterable[str]) -> Iterable[_Row]:
    """The same of several texts, no row twice."""
    return {row[0]: row for segment in segments for row in _beginnings(table, segment)}.values()


def _equals(table: _Table, texts: Iterable[str]) -> list[_Row]:
    heads = table[1]
    return [row for text in heads.keys() & texts for row in _read(heads[text])[1]]


def _inside(table: _Table, name: str) -> Iterable[_Row]:
    length, heads, firsts = table
    starts = []
    for first in firsts if len(firsts) < len(name) else {*name}:
        at = name.find(first)
        while at >= 0:
            if name[at : at + length] in heads:
                starts.append(name[at:])
            at = name.find(first, at + 1)
    return _begins(table, starts)


_OFFERED: Final[Mapping[Heading, Callable[[_Table, str], Iterable[_Row]]]] = {
    "prefix": _beginnings,
    "suffix": lambda table, name: _beginnings(table, name[::-1]),
    "segment": lambda table, name: _equals(table, name.split("/")),
    "segment_prefix": lambda table, name: _begins(table, name.split("/")),
    "segment_suffix": lambda table, name: _begins(table, name[::-1].split("/")),
    "inside": _inside,
    "slashes": lambda table, name: _equals(table, (str(name.count("/")),)),
    "any": lambda table, _: _equals(table, ("",)),
}
"""Heading -> the rows filed under it that a name offers."""
