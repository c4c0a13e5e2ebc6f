"""The rules of `retrigger check`, one a module: what the files mean together.

A project rule is `check(project)`; an environment rule is `check(project, environment)`. A problem that several
environments share is told once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers.authoring.checks import (
    cron,
    duplicates,
    expressions,
    launches,
    loops,
    names,
    parameters,
    references,
    windows,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.errors import Problem
    from retrigger.triggers.spec import Environment

PROJECT_RULES = (cron.check, duplicates.check, windows.check)
ENVIRONMENT_RULES = (
    expressions.check,
    launches.check,
    loops.check,
    names.check,
    parameters.check,
    references.check,
)


def problems(project: Project, environments: Iterable[Environment]) -> set[Problem]:
    """What every rule says of the project in these environments."""
    found = {problem for rule in PROJECT_RULES for problem in rule(project)}
    for environment in environments:
        found.update(problem for rule in ENVIRONMENT_RULES for problem in rule(project, environment))
    return found
