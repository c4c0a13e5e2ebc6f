"""The rules of `retrigger check`, one a module: what the files mean together.

A project rule, or one for tidiness, is `check(project)`; an environment rule is `check(project, environment)`. What
several environments share is told once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers.authoring.checks import (
    bindings,
    caching,
    chained,
    choices,
    cron,
    datasets,
    duplicates,
    event_types,
    expressions,
    formats,
    gaps,
    identities,
    launches,
    loops,
    message_fields,
    names,
    outbox,
    overlap,
    parameters,
    redaction,
    references,
    retention,
    secrets,
    unmeasured,
    unreachable,
    unseen,
    unused,
    windows,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.environment import Environment

PROJECT_RULES = (
    chained.check,
    choices.check,
    cron.check,
    duplicates.check,
    event_types.check,
    formats.check,
    gaps.check,
    message_fields.check,
    redaction.check,
    retention.check,
    secrets.check,
    windows.check,
)
ENVIRONMENT_RULES = (
    bindings.check,
    caching.check,
    datasets.check,
    expressions.check,
    identities.check,
    launches.check,
    loops.check,
    names.check,
    outbox.check,
    overlap.check,
    parameters.check,
    references.check,
    unmeasured.check,
    unreachable.check,
    unseen.check,
)
TIDY_RULES = (unused.check,)
"""What is only untidy: told by `check`, and no reason not to compile."""


def problems(project: Project, environments: Iterable[Environment]) -> set[Problem]:
    """What every rule says of the project in these environments."""
    found = {problem for rule in PROJECT_RULES for problem in rule(project)}
    for environment in environments:
        found.update(problem for rule in ENVIRONMENT_RULES for problem in rule(project, environment))
    return found
