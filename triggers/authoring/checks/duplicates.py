"""A name must be free. Claims, windows and run ids are made from a trigger's; one environment is the emulator's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.authoring.yaml import At

_LOCAL: Final[At] = ("environments", "local")


def check(project: Project) -> Iterator[Problem]:
    if _LOCAL in project.document.keys:
        told = "The name `local` is taken by the emulator's environment, which every project has: choose another."
        yield project.document.problem(_LOCAL, "duplicate_name", told, on="key")
    first: dict[str, str] = {}
    for one in project.authored:
        name = one.trigger.name
        if name in first:
            told = f"The name `{name}` is taken by {first[name]}: choose another."
            yield one.document.problem(("name",), "duplicate_name", told)
        first.setdefault(name, one.document.path)
