"""A source that listens to a trigger's runs: the trigger must be there, and launch any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers.authoring.wording import closest
from retrigger.triggers.spec import LifecycleSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Project


def check(project: Project) -> Iterator[Problem]:
    triggers = {trigger.name: trigger for trigger in project.triggers}
    for one in project.authored:
        for at, source in one.sources:
            of = source.of if isinstance(source, LifecycleSource) else None
            if of is None or any(of in text for text in project.misread):
                continue  # what cannot be read may be the one
            if of not in triggers:
                told = f"There is no trigger `{of}`{closest(of, triggers)}: name one of this project."
                yield one.document.problem((*at, "of"), "unknown_trigger", told)
            elif triggers[of].mode == "observe":
                told = f"No event reaches this source: trigger `{of}` only observes, so that no run of it ends."
                yield one.document.problem((*at, "of"), "unreachable_source", told)
