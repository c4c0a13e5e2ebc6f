"""The marker of a window must be an object that can appear where the trigger listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers.authoring.checks.unreachable import unseen
from retrigger.triggers.spec import ObjectSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.environment import Environment


def check(project: Project, environment: Environment) -> Iterator[Problem]:
    for one in project.authored:
        until = one.trigger.window.until
        stores = [environment.stores.get(it.store) for it in one.trigger.sources if isinstance(it, ObjectSource)]
        if until is None or not stores or None in stores:
            continue
        reasons = [unseen(until, store) for store in stores if store]
        if all(reasons):
            told = f"No store of the sources can hold this marker: {reasons[0]}."
            yield one.document.problem(("admit", "window", "until", "object"), "unseen_marker", told)
