"""Every name that a trigger uses must have an address in every environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers.authoring.wording import closest
from retrigger.triggers.spec import MessageSource, ObjectSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.triggers.authoring.project import Authored, Project
    from retrigger.triggers.authoring.yaml import At
    from retrigger.triggers.errors import Problem
    from retrigger.triggers.spec import Environment


def check(project: Project, environment: Environment) -> Iterator[Problem]:
    for one in project.authored:
        for at, kind, name, known in _used(one, environment):
            if name not in known:
                told = f"Environment `{environment.name}` has no {kind} `{name}`{closest(name, known)}: "
                yield one.document.problem(at, f"unknown_{kind}", f"{told}add it to retrigger.yaml.")


def _used(one: Authored, environment: Environment) -> Iterator[tuple[At, str, str, Mapping[str, object]]]:
    for at, source in one.sources:
        match source:
            case ObjectSource():
                yield (*at, "in"), "store", source.store, environment.stores
            case MessageSource():
                yield (*at, "in"), "channel", source.channel, environment.channels
    yield ("launch", "pipeline"), "pipeline", one.trigger.launch.pipeline, environment.pipelines
