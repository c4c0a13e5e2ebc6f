"""An occurrence must be remembered for as long as it may come again: forgotten sooner, it would be launched twice."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from retrigger.triggers.spec import ScheduleSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.authoring.yaml import At

DELIVERED_FOR: Final = timedelta(days=7)
"""How long Pub/Sub and Storage queues deliver a message that nobody acknowledged, unless they are told otherwise."""
_PLACES: Final[tuple[At, ...]] = (("deduplicate", "keep"), ("admit", "deduplicate", "keep"))


def check(project: Project) -> Iterator[Problem]:
    for one in project.authored:
        schedules = all(isinstance(source, ScheduleSource) for source in one.trigger.sources)
        if one.trigger.keep >= DELIVERED_FOR or schedules:
            continue
        told = f"`keep` is shorter than the {DELIVERED_FOR.days} days for which an event may be delivered again: "
        mend = f"what is forgotten sooner is launched twice; write `{DELIVERED_FOR.days}d` or more."
        own = next((at for at in _PLACES if at in one.document.values), None)
        document = one.document if own else project.document
        yield document.problem(own or ("defaults", "deduplicate", "keep"), "short_keep", told + mend)
