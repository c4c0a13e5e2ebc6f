"""Globs as automata, walked side by side: the shortest name that some of them hold and others do not.

A glob is a row of places, read from the left. The places that the rest of a name may begin at are the bits of one whole
number, so a character costs the same few operations wherever it is read (Baeza-Yates and Gonnet, "A new approach to
text searching", 1992). A capture that is used twice is taken as two.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from retrigger.triggers import glob
from retrigger.triggers.glob import Capture, Wild

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_STATES: Final = 2_000
"""Of a walk; beyond it nothing is claimed."""
MAX_STEPS: Final = 400_000
"""Of all walks of one rule in one environment, 2 us each."""
_Kind: TypeAlias = Literal["text", "segment", "segments", "any", "anys", "folders", "inside"]
_OTHERS: Final = "xyzabcdefghijklmnopqrstuvw0123456789"


class _Place(NamedTuple):
    """`segments` and `anys` take any number of characters; `folders` of folders, and `inside` of one comes next."""

    kind: _Kind
    text: str = ""


class TooMuchWork(Exception):
    """A walk takes more states than one may, or more steps than are left for all."""


@dataclass(slots=True)
class Effort:
    """How many steps walks may still take together."""

    steps: int = MAX_STEPS


@dataclass(frozen=True, slots=True)
class Automaton:
    """The places of a glob by what they take, each a bit of the first `size`; the last of these is the end.

    `texts` are one character; `segment` is any but a slash; `any` is any. Those of `again` take any number of them.
    `folder` stands before any number of folders; the place behind it is the `inside` of one.
    """

    texts: Mapping[str, int]
    segment: int
    any: int
    again: int
    folder: int
    inside: int
    size: int

    def step(self, state: int, char: str) -> int:
        """Where the rest of a name may begin, after `char`."""
        slash = char == "/"
        taken = state & (self.texts.get(char, 0) | self.any | (0 if slash else self.segment))
        after = taken & self.again | (taken & ~self.again) << 1
        if places := state & (self.folder | self.inside):
            folder, inside = places & self.folder, places & self.inside
            after |= folder | inside >> 1 if slash else folder << 1 | inside
        return self.closed(after)

    def closed(self, state: int) -> int:
        """With the places behind those that may be left out."""
        while (wider := state | (state & self.again) << 1 | (state & self.folder) << 2) != state:
            state = wider
        return state


def walk(inside: Sequence[Automaton], outside: Sequence[Automaton], effort: Effort) -> str | None:
    """A shortest name that all of `inside` hold and none of `outside`. Raise TooMuchWork."""
    rows = _side_by_side([*inside, *outside])
    ends = [1 << at - 1 for at in accumulate(row.size for row in (*inside, *outside))]
    wanted, unwanted = sum(ends[: len(inside)]), sum(ends[len(inside) :])
    starts = [0, *(end.bit_length() for end in ends[:-1])]
    alive = [(1 << row.size) - 1 << start for row, start in zip(inside, starts, strict=False)]
    start = rows.closed(sum(1 << at for at in starts))
    seen, waiting = {start}, deque([(start, "")])
    while waiting:
        state, name = waiting.popleft()
        if state & wanted == wanted and not state & unwanted:
            return name
        for char in _alphabet(rows, state):
            effort.steps -= 1
            after = rows.step(state, char)
            if after not in seen and all(after & places for places in alive):
                seen.add(after)
                waiting.append((after, name + char))
        if len(seen) > MAX_STATES or effort.steps < 0:
            raise TooMuchWork
    return None


def _side_by_side(rows: Sequence[Automaton]) -> Automaton:
    """One whose state is those of all: the first has the lowest bits."""
    first, *rest = rows
    for row in rest:
        at, texts = first.size, dict(first.texts)
        for char, places in row.texts.items():
            texts[char] = texts.get(char, 0) | places << at
        first = Automaton(
            texts=texts,
            segment=first.segment | row.segment << at,
            any=first.any | row.any << at,
            again=first.again | row.again << at,
            folder=first.folder | row.folder << at,
            inside=first.inside | row.inside << at,
            size=at + row.size,
        )
    return first


def _alphabet(rows: Automaton, state: int) -> Iterator[str]:
    """One of those characters that nothing tells apart here, and every one that something does."""
    told = {char for char, places in rows.texts.items() if places & state}
    if state & (rows.segment | rows.any | rows.folder | rows.inside):
        yield next(char for char in _OTHERS if char not in told)
        told.add("/")
    yield from sorted(told)


@lru_cache(maxsize=8192)
def of(prefix: str, match: str, least: int) -> Automaton:
    """Names that begin with `prefix` and go on as `match` says; a `*` stands for at least so many characters."""
    places = list(_places(prefix, match, least))
    texts: dict[str, int] = {}
    for at, place in enumerate(places):
        if place.kind == "text":
            texts[place.text] = texts.get(place.text, 0) | 1 << at
    return Automaton(
        texts=texts,
        segment=_bits(places, "segment", "segments"),
        any=_bits(places, "any", "anys"),
        again=_bits(places, "segments", "anys"),
        folder=_bits(places, "folders"),
        inside=_bits(places, "inside"),
        size=len(places) + 1,
    )


def _bits(places: Sequence[_Place], *kinds: _Kind) -> int:
    return sum(1 << at for at, place in enumerate(places) if place.kind in kinds)


def _places(prefix: str, match: str, least: int) -> Iterator[_Place]:
    yield from _text(prefix)
    *before, last = glob.parse(match).segments
    for segment in before:
        if segment == (Wild.DEEP,):
            yield from (_Place("folders"), _Place("inside"))
        else:
            yield from _segment(segment, least)
            yield _Place("text", "/")
    yield from (_Place("any"), _Place("anys")) if last == (Wild.DEEP,) else _segment(last, least)


def _segment(segment: glob.Segment, least: int) -> Iterator[_Place]:
    for part in segment:
        match part:
            case str():
                yield from _text(part)
            case Capture():
                yield from (_Place("segment"), _Place("segments"))
            case Wild():
                yield from [_Place("segment")] * least
                yield _Place("segments")


def _text(text: str) -> Iterator[_Place]:
    return (_Place("text", char) for char in text)
