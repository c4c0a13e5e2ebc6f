"""Where globs are filed, so that a name finds the few that it may fit. Plain JSON: it is loaded, not built.

Globs stand by how deep their names are; there, each is filed once, under the literal text of it that the fewest others
share. Where many share even that one, they are filed again below it, by what else they hold. A name looks up what it
offers under each heading. Its cost is that of its own length and of the globs filed under what it offers; the number of
globs adds the steps of one binary search. What no texts can tell apart is tried: globs that hold the same literals, in
another order or between other wildcards.
"""

from __future__ import annotations

import json
from collections import Counter
from os.path import commonprefix
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, get_args

from retrigger.triggers import glob

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

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
"""How many slashes names have, or `ANY_DEPTH`, -> tables."""
_Tables: TypeAlias = "list[_Table]"


class _Table(NamedTuple):
    """What is filed under one heading. `heads` finds, by the first `length` characters, the rows whose texts begin so.

    Where the whole text is asked for, that is the head. Rows are JSON in JSON: read when a name asks for them. `at`:
    which segment of a name the texts are of, counted from its end if negative; None if it may be any. `common`: what
    all heads begin with. `letters`: all that heads are spelled with, if texts are parts of segments and these are few.
    """

    heading: Heading
    at: int | None
    length: int
    heads: dict[str, str]
    common: str
    letters: str


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


ANY_DEPTH: Final = -1
"""Among depths: of names of globs with `**`."""
_ANY: Final = _Key("any", None, "")
WHOLE: Final = ("segment", "any")
"""Headings under which a whole text is asked for, or none."""
_HEADINGS: Final[tuple[Heading, ...]] = get_args(Heading)
_LETTERS: Final = 64
"""Beyond, heads are spelled with so many letters that most of a name could be one."""
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
        depth = ANY_DEPTH if deep else base.count("/") + len(parsed.segments) - 1
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
        best = min(one.keys, key=lambda key: (shared[key], along[key], _order(key)))
        by_key.setdefault(best, []).append(one)
    rows: dict[tuple[Heading, int | None], dict[str, _Row]] = {}
    for key, those in by_key.items():
        rows.setdefault((key.heading, key.at), {})[key.text] = _row(key, those, levels)
    return [_table(heading, at, by_text) for (heading, at), by_text in rows.items()]


def _order(key: _Key) -> tuple[int, str, str]:
    return _HEADINGS.index(key.heading), str(key.at), key.text


def _along(shared: Mapping[_Key, int]) -> dict[_Key, int]:
    """How many globs a name may meet along with each key: under the texts that its text begins with, too."""
    along: dict[_Key, int] = {}
    above: list[_Key] = []
    for key in sorted(shared, key=_order):
        while above and not (key[:2] == above[-1][:2] and key.text.startswith(above[-1].text)):
            above.pop()
        along[key] = shared[key] + (along[above[-1]] if above and key.heading not in WHOLE else 0)
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
        head = text if heading in WHOLE else text[:length]
        others, rest = heads.setdefault(head, []), text[len(head) :]
        parent = len(others) - 1
        while parent >= 0 and not rest.startswith(others[parent].rest):
            parent = others[parent].parent
        others.append(rows[text]._replace(rest=rest, parent=parent))
    written = {head: json.dumps(those, separators=(",", ":")) for head, those in heads.items()}
    common = commonprefix(list(heads))  # noqa: RUF071  # of texts, character by character
    letters = set().union(*heads) if heading == "inside" and not common else set()
    return _Table(heading, at, length, written, common, "".join(sorted(letters)) if len(letters) <= _LETTERS else "")
