"""Which triggers an object's event meets: by the globs of who listens to its place, and the markers among them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from retrigger.triggers import finding, glob
from retrigger.triggers.matches import Match

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers import filing
    from retrigger.triggers.event import Change, Object

MARKER: Final = -1
"""The source index of a marker."""
Place: TypeAlias = "tuple[str, str | None, str, Change]"
"""Kind, account and bucket of a store, and a change."""
Filed: TypeAlias = "dict[str, filing.Filed]"
"""A place -> the globs of who listens there."""


class ObjectIndex:
    """The globs as they were filed, and what of them was needed so far."""

    __slots__ = ("_filed", "_files", "_patterns")

    def __init__(self, filed: Filed) -> None:
        self._filed = filed
        self._files: dict[Place, finding.Files] = {}
        self._patterns: dict[str, re.Pattern[str]] = {}

    def match(self, it: Object) -> list[Match]:
        """Every match, by trigger and source."""
        place = it.store, it.account, it.bucket, it.change
        files = self._files.get(place) or self._opened(place)
        if files is None:
            return []
        name = it.name
        found: list[Match] = []
        marks: list[tuple[int, str, Mapping[str, str]]] = []
        for start, core, end, listeners in files.candidates(name):
            if not name.endswith(end) or not name.startswith(start):
                continue
            pattern = self._patterns.get(core) or self._pattern(core)
            fits = pattern.fullmatch(name, len(start), len(name) - len(end))
            if fits is None:
                continue
            captures = fits.groupdict()
            for one in listeners:
                if one.source < 0:
                    marks.append((~one.source, one.trigger, captures))
                else:
                    found.append(Match(one.trigger, "source", one.source, captures) if captures else one)
        if marks:
            found = _marked(found, marks, it.change)
        if len(found) > 1:
            found.sort(key=lambda match: (match.trigger, match.source))
        return found

    def _opened(self, place: Place) -> finding.Files | None:
        filed = self._filed.get(written(place))
        if filed is None:
            return None
        files = self._files[place] = finding.Files(filed)
        return files

    def _pattern(self, core: str) -> re.Pattern[str]:
        pattern = self._patterns[core] = glob.parse(core).pattern if core else re.compile("")
        return pattern


def _marked(found: list[Match], marks: list[tuple[int, str, Mapping[str, str]]], change: Change) -> list[Match]:
    """A marker is no source, whatever the change. Where two stores see it, it is read from the first source's."""
    first: dict[str, Mapping[str, str]] = {}
    for _, trigger, captures in sorted(marks, key=lambda mark: mark[:2]):
        first.setdefault(trigger, captures)
    kept = [match for match in found if match.trigger not in first]
    if change == "created":
        kept += [Match(trigger, "marker", MARKER, captures) for trigger, captures in first.items()]
    return kept


def written(place: Place) -> str:
    """Buckets' names are the world's, containers' their account's."""
    kind, account, bucket, change = place
    return f"{change}:{kind}:{bucket}" if account is None else f"{change}:{kind}:{account}/{bucket}"
