"""What globs have in common: an object name that some match and others do not.

A glob is a row of items, read from the left; the set of items that the rest of a name may begin at is the state of its
automaton. Several are walked side by side, breadth first, so the name that is found is a shortest one. A capture that
is used twice is taken as two: what is found is therefore tried on the globs themselves.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from retrigger.triggers import glob
from retrigger.triggers.glob import Capture, Wild

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAX_STATES: Final = 2_000
"""Of a walk; beyond it nothing is claimed."""
_OTHERS: Final = "xyzabcdefghijklmnopqrstuvw0123456789"
_Kind: TypeAlias = Literal["text", "segment", "any", "folder"]


class _Item(NamedTuple):
    """One character of a name, or with `again` any number of them.

    `text` is the one that it says, `segment` is any but a slash, `any` is any; `folder` is any number of folders.
    """

    kind: _Kind
    text: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """The names that begin with `prefix`, and go on as `match` says."""

    prefix: str
    match: str

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str) or not name.startswith(self.prefix):
            return False
        return glob.parse(self.match).match(name.removeprefix(self.prefix)) is not None


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


def common(inside: Sequence[Names], outside: Sequence[Names] = ()) -> str | None:
    """A name that all of `inside` hold and none of `outside`. None if there is none, or none was found in bounds."""
    name = _search(inside, outside, least=0)
    if name is None:
        return None
    longer = _search(inside, outside, least=1)  # `in/x.csv` reads better than `in/.csv`
    for found in (longer, name):
        if found is not None and all(found in it for it in inside) and not any(found in it for it in outside):
            return found
    return None


def covers(wide: Names, narrow: Names) -> bool:
    """Whether `wide` certainly holds every name that `narrow` does."""
    captures = [part for part in _parts(wide.match) if isinstance(part, Capture)]
    if len(captures) != len(set(captures)):
        return wide == narrow
    if _ends_differ(wide, narrow):
        return False
    try:
        return _walk([narrow], [wide], least=0) is None
    except OverflowError:
        return False


def _ends_differ(one: Names, two: Names) -> bool:
    """Whether no name can begin, or end, as both say; told quickly."""
    first, second = glob.parse(one.match), glob.parse(two.match)
    starts = sorted((one.prefix + first.prefix, two.prefix + second.prefix), key=len)
    ends = sorted((first.suffix, second.suffix), key=len)
    return not (starts[1].startswith(starts[0]) and ends[1].endswith(ends[0]))


def _search(inside: Sequence[Names], outside: Sequence[Names], *, least: int) -> str | None:
    try:
        return _walk(inside, outside, least=least)
    except OverflowError:
        return None


def _walk(inside: Sequence[Names], outside: Sequence[Names], *, least: int) -> str | None:
    """A shortest name, captures taken as different ones. OverflowError where that takes too many states."""
    rows = [*(_row(it, least) for it in inside), *(_row(it, 0) for it in outside)]
    start = tuple(_closed(row, frozenset({0})) for row in rows)
    seen, waiting = {start}, deque([(start, "")])
    while waiting:
        states, name = waiting.popleft()
        ends = [len(row) in state for row, state in zip(rows, states, strict=True)]
        if all(ends[: len(inside)]) and not any(ends[len(inside) :]):
            return name
        for char in _alphabet(rows, states):
            after = tuple(_step(row, state, char) for row, state in zip(rows, states, strict=True))
            if all(after[: len(inside)]) and after not in seen:
                seen.add(after)
                waiting.append((after, name + char))
        if len(seen) > MAX_STATES:
            raise OverflowError
    return None


def _alphabet(rows: Sequence[tuple[_Item, ...]], states: Sequence[frozenset[int]]) -> Iterator[str]:
    """One of those characters that nothing tells apart here, and every one that something does."""
    told = {row[at].text for row, state in zip(rows, states, strict=True) for at in state if at < len(row)} - {""}
    yield next(char for char in _OTHERS if char not in told)
    yield from sorted({*told, "/"})


def _step(row: tuple[_Item, ...], state: frozenset[int], char: str) -> frozenset[int]:
    """Where the rest of a name may begin, after `char`. Inside of a folder's name that is the folder, as -1 - at."""
    after = set()
    for at in state:
        if at < 0:  # inside a folder's name
            after.add(-1 - at if char == "/" else at)
        elif at < len(row) and row[at].kind == "folder":
            after.add(at if char == "/" else -1 - at)
        elif at < len(row) and _takes(row[at], char):
            after.add(at if row[at].again else at + 1)
    return _closed(row, frozenset(after))


def _takes(item: _Item, char: str) -> bool:
    match item.kind:
        case "text":
            return char == item.text
        case "segment":
            return char != "/"
        case _:
            return True


def _closed(row: tuple[_Item, ...], state: frozenset[int]) -> frozenset[int]:
    """With the items behind those that may be left out."""
    return state.union(*(_behind(row, at) for at in state if at >= 0))


def _behind(row: tuple[_Item, ...], at: int) -> Iterator[int]:
    while at < len(row) and (row[at].again or row[at].kind == "folder"):
        at += 1
        yield at


@lru_cache(maxsize=4096)
def _row(names: Names, least: int) -> tuple[_Item, ...]:
    """`least`: how many characters a `*` stands for at least."""
    row = [_Item("text", char) for char in names.prefix]
    segments = glob.parse(names.match).segments
    for number, segment in enumerate(segments):
        last = number == len(segments) - 1
        if segment == (Wild.DEEP,):
            row += [_Item("any"), _Item("any", again=True)] if last else [_Item("folder")]
            continue
        for part in segment:
            match part:
                case str():
                    row += [_Item("text", char) for char in part]
                case Capture():
                    row += [_Item("segment"), _Item("segment", again=True)]
                case Wild():
                    row += [_Item("segment")] * least + [_Item("segment", again=True)]
        if not last:
            row.append(_Item("text", "/"))
    return tuple(row)


def _parts(match: str) -> Iterator[glob.Part]:
    for segment in glob.parse(match).segments:
        yield from segment
