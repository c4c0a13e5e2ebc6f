"""Two triggers may not have one name: claims, windows and run ids are made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.errors import Problem


def check(project: Project) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for one in project.authored:
        name = one.trigger.name
        if name in first:
            told = f"The name `{name}` is taken by {first[name]}: choose another."
            yield one.document.problem(("name",), "duplicate_name", told)
        first.setdefault(name, one.document.path)
