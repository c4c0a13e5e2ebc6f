"""What a run or the ledger writes must not wake the trigger that made it: that would be a loop that costs money.

A pipeline that writes where *another* trigger listens is a chain, and fine, unless the chain comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers import glob
from retrigger.triggers.launches import pipelines_of
from retrigger.triggers.spec import MessageSource, ObjectSource, Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.triggers.authoring.project import Authored, Project
    from retrigger.triggers.authoring.yaml import At
    from retrigger.triggers.errors import Problem
    from retrigger.triggers.spec import Environment


def check(project: Project, environment: Environment) -> Iterator[Problem]:
    yield from _of_the_outbox(project, environment)
    roots = {name: pipeline.root for name, pipeline in environment.pipelines.items() if pipeline.root}
    woken = {address: list(_woken(project, environment, address)) for address in {*roots.values(), environment.ledger}}
    next_roots = {
        address: {root for one, _ in those for root in _written(one, roots)} for address, those in woken.items()
    }
    for one, at in woken[environment.ledger]:
        yield _problem(one, at, f"the ledger of environment `{environment.name}` ({environment.ledger})")
    for name, address in roots.items():
        for one, at in woken[address]:
            if any(address in _reached(launched, next_roots) for launched in _written(one, roots)):
                yield _problem(one, at, f"pipeline `{name}` in environment `{environment.name}` ({address})")


def _of_the_outbox(project: Project, environment: Environment) -> Iterator[Problem]:
    """Every outcome is a message there, also the outcome of that message: a filter must tell them apart."""
    for one in project.authored:
        for at, source in one.sources:
            heard = isinstance(source, MessageSource) and source.channel == environment.outbox
            if heard and source.filter is None and one.trigger.filter is None:
                told = "This source listens to the outbox, where its own outcomes leave: give it a `filter`."
                yield one.document.problem((*at, "in"), "loop", told)


def _written(one: Authored, roots: Mapping[str, str]) -> set[str]:
    """Where the pipelines write that this trigger may launch."""
    return {roots[name] for name in pipelines_of(one.trigger.launch) if name in roots}


def _problem(one: Authored, at: At, writer: str) -> Problem:
    told = f"This source listens where its own launches make {writer} write: write elsewhere, or narrow the glob."
    return one.document.problem((*at, "match"), "loop", told)


def _woken(project: Project, environment: Environment, address: str) -> Iterator[tuple[Authored, At]]:
    """The sources that an object written below `address` may wake."""
    written = Store.at(address)
    for one in project.authored:
        for at, source in one.sources:
            listened = environment.stores.get(source.store) if isinstance(source, ObjectSource) else None
            if isinstance(source, ObjectSource) and listened and may_match(listened, source.match, written):
                yield one, at


def _reached(start: str, next_roots: Mapping[str, set[str]]) -> set[str]:
    """Every root that is written to in the end, once `start` is."""
    reached, waiting = {start}, [start]
    while waiting:
        new = next_roots[waiting.pop()] - reached
        reached |= new
        waiting.extend(new)
    return reached


def may_match(listened: Store, match: str, written: Store) -> bool:
    """Whether some object below `written` has a name that the glob in `listened` matches."""
    if (listened.account, listened.bucket) != (written.account, written.bucket):
        return False
    if listened.prefix.startswith(written.prefix):
        return True
    if not written.prefix.startswith(listened.prefix):
        return False
    folders = written.prefix.removeprefix(listened.prefix).split("/")[:-1]
    return _below(match.split("/"), folders)


def _below(segments: list[str], folders: list[str]) -> bool:
    """Folder by folder: a glob with no segment left for the object's own name matches nothing below the folders."""
    for segment, folder in zip(segments, folders, strict=False):
        if segment == "**":
            return True
        if glob.parse(segment).match(folder) is None:
            return False
    return len(segments) > len(folders)
