"""What a run or the ledger writes must not wake the trigger that made it: a loop costs money.

A pipeline that writes where *another* trigger listens, or whose end another one hears, is a chain, and fine, unless the
chain comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers import glob
from retrigger.triggers.environment import Store
from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.interpolation import render_value
from retrigger.triggers.launches import BatchPrediction, pipelines_of
from retrigger.triggers.spec import LifecycleSource, ObjectSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Authored, Project
    from retrigger.triggers.authoring.yaml import At
    from retrigger.triggers.environment import Environment


def check(project: Project, environment: Environment) -> Iterator[Problem]:
    writers = _writers(project, environment)
    woken = {address: list(_woken(project, environment, address)) for address in {*writers, environment.ledger}}
    for one, at in woken[environment.ledger]:
        yield _problem(one, at, f"the ledger of environment `{environment.name}` ({environment.ledger})")
    written = {one.trigger.name: _written(one, environment) for one in project.authored}
    following = _following(project, written, woken)
    for address, names in writers.items():
        for one, at in woken[address]:
            if any(address in written[name] for name in _reached(one.trigger.name, following)):
                for name in names:
                    yield _problem(one, at, f"{name} in environment `{environment.name}` ({address})")
    for one, at, of in _heard(project):
        if of in _reached(one.trigger.name, following):
            told = f"The runs of `{of}` are what this trigger's own runs lead to: listen to another, or break the loop."
            yield one.document.problem((*at, "of"), "loop", told)


def _following(
    project: Project, written: Mapping[str, set[str]], woken: Mapping[str, list[tuple[Authored, At]]]
) -> dict[str, set[str]]:
    """Trigger -> those that its runs wake: by what they write, or by their end."""
    following = {
        name: {one.trigger.name for place in places for one, _ in woken[place]} for name, places in written.items()
    }
    for one, _, of in _heard(project):
        following.setdefault(of, set()).add(one.trigger.name)
    return following


def _heard(project: Project) -> Iterator[tuple[Authored, At, str]]:
    """The sources that listen to the runs of a trigger, and of which."""
    for one in project.authored:
        for at, source in one.sources:
            if isinstance(source, LifecycleSource) and source.of is not None:
                yield one, at, source.of


def _writers(project: Project, environment: Environment) -> dict[str, list[str]]:
    """Every place that is written to, and what writes there."""
    writers: dict[str, list[str]] = {}
    for name, pipeline in environment.pipelines.items():
        if pipeline.root:
            writers.setdefault(pipeline.root, []).append(f"pipeline `{name}`")
    for one in project.authored:
        if output := _output(one, environment):
            writers.setdefault(output, []).append(f"the batch prediction of trigger `{one.trigger.name}`")
    return writers


def _written(one: Authored, environment: Environment) -> set[str]:
    """Where that writes which this trigger may launch."""
    named = [environment.pipelines[name] for name in pipelines_of(one.trigger.launch) if name in environment.pipelines]
    places = {pipeline.root for pipeline in named if pipeline.root}
    return places | {output} if (output := _output(one, environment)) else places


def _output(one: Authored, environment: Environment) -> str | None:
    """Where a batch prediction writes, if it does to a store: of expressions it holds only the environment's `vars`."""
    launch = one.trigger.launch
    if not isinstance(launch, BatchPrediction):
        return None
    try:
        output = render_value(launch.output, {"vars": environment.vars})
    except ExpressionError:
        return None  # told by the rule for launches
    return output if isinstance(output, str) and output.startswith(("gs://", "https://")) else None


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


def _reached(start: str, following: Mapping[str, set[str]]) -> set[str]:
    """Every trigger that is woken in the end, once `start` is; with it."""
    reached, waiting = {start}, [start]
    while waiting:
        new = following.get(waiting.pop(), set()) - reached
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
