"""What globs have in common: an object name that some match and others do not.

It is looked for by their automata, which take a capture that is used twice as two: what is found is therefore tried on
the globs themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from retrigger.triggers import glob
from retrigger.triggers.authoring import automaton
from retrigger.triggers.authoring.automaton import Effort, TooMuchWork, walk
from retrigger.triggers.glob import Capture, Wild

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from retrigger.triggers.authoring.automaton import Automaton


@dataclass(frozen=True, slots=True)
class Names:
    """The names that begin with `prefix`, and go on as `match` says."""

    prefix: str
    match: str

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str) or not name.startswith(self.prefix):
            return False
        return glob.parse(self.match).match(name.removeprefix(self.prefix)) is not None


_DATA: Final = Names("", "**/{name}")
Folders: TypeAlias = "tuple[str | Wild | None, ...]"
"""What stands between the slashes: text, `DEEP`, or None for what holds another wildcard."""


def folders(names: Names) -> Folders:
    segments = glob.parse(names.match).segments
    return (*names.prefix.split("/")[:-1], *(_plain(segment) for segment in segments))


def apart(one: Folders, two: Folders) -> bool:
    """Whether names of the two are certainly different ones, told quickly: folder by folder, from either end."""
    if Wild.DEEP not in one and Wild.DEEP not in two and len(one) != len(two):
        return True
    return _differ(one, two) or _differ(reversed(one), reversed(two))


def _differ(one: Iterable[str | Wild | None], two: Iterable[str | Wild | None]) -> bool:
    for first, second in zip(one, two, strict=False):
        if first is Wild.DEEP or second is Wild.DEEP:
            return False
        if first != second and first is not None and second is not None:
            return True
    return False


def _plain(segment: glob.Segment) -> str | Wild | None:
    match segment:
        case ():
            return ""
        case (str() | Wild.DEEP as part,):
            return part
        case _:
            return None


def common(inside: Sequence[Names], outside: Sequence[Names] = (), effort: Effort | None = None) -> str | None:
    """A name that all of `inside` hold and none of `outside`. None if there is none, or none was found in bounds."""
    effort = effort or Effort()
    name = _search(inside, outside, 0, effort)
    if name is None:
        return None
    longer = _search(inside, outside, 1, effort)  # `in/x.csv` reads better than `in/.csv`
    for found in (longer, name):
        if found is not None and all(found in it for it in inside) and not any(found in it for it in outside):
            return found
    return None


def covers(wide: Names, narrow: Names, effort: Effort | None = None) -> bool:
    """Whether `wide` certainly holds every name that `narrow` does, but for those that end in `/`: no data has them."""
    captures = [part for part in _parts(wide.match) if isinstance(part, Capture)]
    if len(captures) != len(set(captures)):
        return wide == narrow
    if _ends_differ(wide, narrow):
        return False
    try:
        return walk([_automaton(narrow), _automaton(_DATA)], [_automaton(wide)], effort or Effort()) is None
    except TooMuchWork:
        return False


def _search(inside: Sequence[Names], outside: Sequence[Names], least: int, effort: Effort) -> str | None:
    """`least`: how many characters a `*` stands for at least."""
    try:
        return walk([_automaton(it, least) for it in inside], [_automaton(it) for it in outside], effort)
    except TooMuchWork:
        return None


def _automaton(names: Names, least: int = 0) -> Automaton:
    return automaton.of(names.prefix, names.match, least)


def _ends_differ(one: Names, two: Names) -> bool:
    """Whether no name can begin, or end, as both say; told quickly."""
    first, second = glob.parse(one.match), glob.parse(two.match)
    starts = sorted((one.prefix + first.prefix, two.prefix + second.prefix), key=len)
    ends = sorted((first.suffix, second.suffix), key=len)
    return not (starts[1].startswith(starts[0]) and ends[1].endswith(ends[0]))


def _parts(match: str) -> Iterator[glob.Part]:
    for segment in glob.parse(match).segments:
        yield from segment
