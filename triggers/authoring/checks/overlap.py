"""Two triggers that launch the same for the same objects or messages: everything would be done, and paid for, twice.

Never told of triggers that cannot meet: a name that wakes both is shown. Triggers whose filters, schemas, checks of
objects or parameters differ may be meant to stand side by side.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final

from retrigger.triggers import glob
from retrigger.triggers.authoring.automaton import Effort
from retrigger.triggers.authoring.globs import Folders, Names, apart, common, folders
from retrigger.triggers.event import folded
from retrigger.triggers.launches import PipelineLaunch
from retrigger.triggers.spec import MessageSource, ObjectSource

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Authored, Project
    from retrigger.triggers.authoring.yaml import At
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.launches import Launch
    from retrigger.triggers.spec import Source

_MOST_PAIRS: Final = 200_000
_MOST_COMPARED: Final = 4_000
"""Of globs in an environment: a look at a pair takes 2 us, a comparison about 0.5 ms."""


@dataclass(frozen=True, slots=True)
class _Listener:
    """A source, and what of a name decides whether it is woken. `names` is None for messages: all of a channel."""

    one: Authored
    at: At
    filters: frozenset[str]
    names: Names | None = None
    start: str = ""
    end: str = ""
    folders: Folders = ()
    changes: frozenset[str] = frozenset()
    marker: Names | None = None


def check(project: Project, environment: Environment) -> Iterator[Problem]:
    groups: dict[Hashable, list[_Listener]] = {}
    for one in project.authored:
        if one.trigger.mode != "launch":
            continue
        launched, conditions = _launched(one.trigger.launch), _conditions(one)
        for at, source in one.launching:
            heard = _heard(environment, one, at, source, conditions)
            if heard:
                place, listener = heard
                given = {name: value for name, (_, value) in one.asked(at, source).items()}
                same = (place, launched, json.dumps(given, sort_keys=True))
                groups.setdefault(same, []).append(listener)
    pairs = islice((pair for group in groups.values() for pair in _pairs(group)), _MOST_PAIRS)
    near = ((first, second) for first, second in pairs if _may_meet(first, second))
    told: set[int] = set()
    effort = Effort()
    for first, second in islice(near, _MOST_COMPARED):
        later = max(first, second, key=lambda it: it.one.document.path)
        name = None if id(later) in told else _both(first, second, effort)
        if name:
            told.add(id(later))
            yield _problem(first if later is second else second, later, name)


def _conditions(one: Authored) -> frozenset[str]:
    """What every event of the trigger must fulfil."""
    conditions = (one.trigger.filter, one.trigger.object_check, *one.trigger.validators)
    return frozenset(str(it) for it in conditions if it is not None)


def _heard(
    environment: Environment, one: Authored, at: At, source: Source, conditions: frozenset[str]
) -> tuple[Hashable, _Listener] | None:
    """Where the source listens, and to what; None for schedules, and for names that the environment lacks."""
    filters = conditions if source.filter is None else conditions | {source.filter}
    match source:
        case ObjectSource() if source.store in environment.stores:
            store, until = environment.stores[source.store], one.trigger.window.until
            parsed = glob.parse(source.match)
            return (store.kind, store.account, store.bucket), _Listener(
                one,
                at,
                filters,
                names=Names(store.prefix, source.match),
                start=store.prefix + parsed.prefix,
                folders=folders(Names(store.prefix, source.match)),
                end=parsed.suffix,
                changes=frozenset(source.change),
                marker=None if until is None else Names(store.prefix, until),
            )
        case MessageSource() if source.channel in environment.channels:
            if source.schema is None and (*at, "schema") in one.document.keys:
                return None  # what cannot be read may have kept them apart
            if source.schema is not None:
                filters |= {json.dumps(source.schema, sort_keys=True)}
            return folded(environment.channels[source.channel].address), _Listener(one, at, filters)
    return None


def _launched(launch: Launch) -> str:
    """What is launched, whatever it is given."""
    return repr(launch.pipeline if isinstance(launch, PipelineLaunch) else launch)


def _pairs(group: Sequence[_Listener]) -> Iterator[tuple[_Listener, _Listener]]:
    """Those of which one begins as the other does."""
    ordered = sorted(group, key=lambda it: (it.start, it.one.document.path, it.at[1]))
    for number, first in enumerate(ordered):
        rest = (ordered[at] for at in range(number + 1, len(ordered)))
        for second in takewhile(lambda it, start=first.start: it.start.startswith(start), rest):  # type: ignore[misc]
            if first.one is not second.one:
                yield first, second


def _may_meet(first: _Listener, second: _Listener) -> bool:
    """Whether what passes the filters of one passes those of the other, as far as their texts tell; a quick look."""
    if not (first.filters <= second.filters or second.filters <= first.filters):
        return False
    if first.names is None:
        return True
    alike = first.end.endswith(second.end) or second.end.endswith(first.end)
    return alike and bool(first.changes & second.changes) and not apart(first.folders, second.folders)


def _both(first: _Listener, second: _Listener, effort: Effort) -> str | None:
    """What wakes both, such as `in/x.csv`."""
    if first.names is None or second.names is None:
        return "Every message"
    markers = [it.marker for it in (first, second) if it.marker is not None]
    name = common([first.names, second.names], markers, effort)
    return None if name is None else f"`{name}`"


def _problem(first: _Listener, later: _Listener, name: str) -> Problem:
    told = (
        f"{name} would wake trigger `{first.one.trigger.name}` ({first.one.document.path}) too, and both launch the "
        "same: narrow one of them, or leave one out."
    )
    return later.one.document.problem((*later.at, "in" if later.names is None else "match"), "overlap", told)
