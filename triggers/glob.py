"""Globs over object names. `*` and `{name}` stay inside one path segment, `**/` spans any number of them.

Matching takes at most quadratic time in the length of the name, whatever the glob and the name. Between two `*` the
earliest place where a literal fits is always as good as any later one, so what was matched once is never reconsidered:
atomic groups say so to `re`.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_LENGTH: Final = 1024
"""Characters of a glob; Cloud Storage and Blob names are no longer."""
MAX_WILDCARDS: Final = 32

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"


class Wild(Enum):
    STAR = "*"
    DEEP = "**"


@dataclass(frozen=True, slots=True)
class Capture:
    """`{name}`: one character or more, none of them a slash."""

    name: str


Part: TypeAlias = str | Capture | Wild
Segment: TypeAlias = tuple[Part, ...]
"""What stands between two slashes: literals and wildcards, or `DEEP` alone."""


@dataclass(frozen=True, slots=True)
class Glob:
    """A parsed glob. `text` is for people: after `bind` it may hold literal text that would read as a wildcard.

    `prefix` and `suffix` are literal: every name that matches starts and ends with them.
    """

    text: str
    segments: tuple[Segment, ...]
    captures: tuple[str, ...]
    prefix: str
    suffix: str

    def match(self, name: str) -> dict[str, str] | None:
        """What the captures hold if `name` fits, else None. Of several ways to fit: the one with the shortest first."""
        found = self.pattern.fullmatch(name)
        return None if found is None else found.groupdict()

    @property
    def pattern(self) -> re.Pattern[str]:
        """What `match` matches in full: for who keeps it, and asks often."""
        return _pattern(self.segments)

    def bind(self, values: Mapping[str, str]) -> Glob:
        """The same glob with the captures named in `values` replaced by that text, taken literally."""

        def bound(part: Part) -> Part:
            return values.get(part.name, part) if isinstance(part, Capture) else part

        return _glob(tuple(_joined(tuple(bound(part) for part in segment)) for segment in self.segments))


@lru_cache(maxsize=4096)
def parse(text: str) -> Glob:
    """Raise ValueError, naming the 1-based column, when `text` is no glob."""
    if not text:
        raise ValueError("column 1: the glob is empty: write ** to match every object")
    if len(text) > MAX_LENGTH:
        raise ValueError(f"column {MAX_LENGTH + 1}: the glob is longer than {MAX_LENGTH} characters")
    segments: list[Segment] = []
    column = 1
    for piece in text.split("/"):
        segment = _joined(tuple(_parts(piece, column)))
        if segment != (Wild.DEEP,) or segments[-1:] != [segment]:  # `**/**/` says no more than `**/`
            segments.append(segment)
        column += len(piece) + 1
    _refuse_ambiguous(segments)
    if sum(not isinstance(part, str) for segment in segments for part in segment) > MAX_WILDCARDS:
        raise ValueError(f"column 1: the glob has more than {MAX_WILDCARDS} wildcards")
    return _glob(tuple(segments), text)


def _parts(piece: str, column: int) -> Iterator[Part]:
    """The parts of one segment, which starts at `column` of the glob."""
    if piece == "**":
        yield Wild.DEEP
        return
    if "**" in piece:
        raise ValueError(f"column {column + piece.index('**')}: ** must stand alone between slashes: write **/ or *")
    at = 0
    while at < len(piece):
        match piece[at]:
            case "*":
                yield Wild.STAR
                at += 1
            case "{":
                name = re.compile(_NAME).match(piece, at + 1)
                if name is None or piece[name.end() : name.end() + 1] != "}":
                    raise ValueError(
                        f"column {column + at}: {{ must begin a capture such as {{date}}: letters, digits, _"
                    )
                yield Capture(name[0])
                at = name.end() + 1
            case char:
                yield char
                at += 1


def _joined(parts: Segment) -> Segment:
    """Neighbouring literals become one."""
    joined: list[Part] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return tuple(joined)


def _refuse_ambiguous(segments: list[Segment]) -> None:
    """A name used twice is compared with what it held first; that must not depend on how other wildcards are read."""
    fixed: dict[str, bool] = {}
    for segment in segments:
        if segment == (Wild.DEEP,):
            fixed = dict.fromkeys(fixed, False)
        wildcards = [part for part in segment if not isinstance(part, str)]
        for part in wildcards:
            if not isinstance(part, Capture):
                continue
            if not fixed.get(part.name, True):
                raise ValueError(
                    f"column 1: {{{part.name}}} is used twice, so where it stands first it must be the only wildcard "
                    "between its slashes, with no ** between the two: give them two names and compare these in `filter`"
                )
            fixed.setdefault(part.name, len(wildcards) == 1)


def _glob(segments: tuple[Segment, ...], text: str | None = None) -> Glob:
    flat = [part for segment in segments for part in (*segment, "/")][:-1]
    wild = [at for at, part in enumerate(flat) if not isinstance(part, str)]
    first, last = (wild[0], wild[-1]) if wild else (len(flat), -1)
    tail = flat[last + 1 :]
    if wild and flat[last] is Wild.DEEP:
        tail = tail[1:]  # `**/` owns its slash
    return Glob(
        text="".join(map(_text, flat)) if text is None else text,
        segments=segments,
        captures=tuple(dict.fromkeys(part.name for part in flat if isinstance(part, Capture))),
        prefix="".join(map(_text, flat[:first])),
        suffix="".join(map(_text, tail)) if wild else "",
    )


def _text(part: Part) -> str:
    match part:
        case str():
            return part
        case Capture():
            return f"{{{part.name}}}"
        case Wild():
            return part.value


@lru_cache(maxsize=16_384)
def _pattern(segments: tuple[Segment, ...]) -> re.Pattern[str]:
    return re.compile("".join(_regex(segments)), re.DOTALL)


def _regex(segments: tuple[Segment, ...]) -> Iterator[str]:
    """Runs of segments between `**`: each takes the earliest place, for good, but for the last, which ends the name."""
    runs: list[list[Segment]] = [[]]
    for segment in segments:
        if segment == (Wild.DEEP,):
            runs.append([])
        else:
            runs[-1].append(segment)
    seen: set[str] = set()
    if segments[-1] == (Wild.DEEP,):
        runs[-1] = [(Wild.DEEP,)]
    for at, run in enumerate(runs):
        body = "/".join(_segment(segment, seen) for segment in run)
        if at == len(runs) - 1:
            yield body if at == 0 else f"(?:[^/]*/)*?{body}"
        elif run:
            yield f"{body}/" if at == 0 else f"(?>(?:[^/]*/)*?{body}/)"


def _segment(segment: Segment, seen: set[str]) -> str:
    """Each wildcard with the literals after it: lazy and final, but for the last, which ends the segment.

    Without literals after it, that one takes the rest of the segment: there is nothing else it could hold.
    """
    if segment == (Wild.DEEP,):
        return ".+"
    pieces: list[str] = [""]
    for part in segment:
        match part:
            case str():
                pieces[-1] += re.escape(part)
            case Capture() if part.name in seen:
                pieces[-1] += f"(?P={part.name})"
            case Capture():
                seen.add(part.name)
                pieces.append(f"(?P<{part.name}>[^/]+?)")
            case Wild():
                pieces.append("[^/]*?")
    head, *rest = pieces
    if rest and segment[-1:] == (Wild.STAR,):
        rest[-1] = "[^/]*+"
    elif rest and isinstance(segment[-1], Capture) and rest[-1].endswith("?)"):
        rest[-1] = f"(?P<{segment[-1].name}>[^/]++)"
    return head + "".join(f"(?>{piece})" for piece in rest[:-1]) + "".join(rest[-1:])
