"""Metrics of a run in an environment whose platform tells none: a filter that reads them lets nothing through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrigger.triggers import expression_text
from retrigger.triggers.authoring.checks.message_fields import asked
from retrigger.triggers.authoring.wording import said_of
from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.spec import LifecycleSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Authored, Project
    from retrigger.triggers.authoring.yaml import At
    from retrigger.triggers.environment import Environment

_METRICS: Final = ("event", "lifecycle", "properties", "metrics")


def check(project: Project, environment: Environment) -> Iterator[Problem]:
    if environment.cloud != "azure" or environment.launcher is not None:
        return
    told = (
        f"Azure ML, where environment `{environment.name}` runs, tells no metrics of a run: have the run tag its job "
        "and read `event.lifecycle.tags`, or ask `has(…)` first"
    )
    for one in project.authored:
        for at, source in one.sources:
            if isinstance(source, LifecycleSource) and source.of is not None:
                for place, text, start, expression in _expressions(one, at, source):
                    read = _unguarded(expression)
                    if read is not None:
                        said = said_of(place[-1], told)
                        yield one.document.problem_within(place, text, start + read, "no_metrics", said)


def _expressions(one: Authored, at: At, source: LifecycleSource) -> Iterator[tuple[At, str, int, str]]:
    """Where it stands, the text there, where it starts in it, and the expression."""
    own = [((*at, "filter"), source.filter), ((*at, "key"), source.key), (("filter",), one.trigger.filter)]
    for place, expression in own:
        if expression is not None:
            yield place, expression, 0, expression
    yield from asked(one, at, source)


def _unguarded(expression: str) -> int | None:
    """The column of the first metric that is read, unless the expression asks for one first. 1-based."""
    try:
        read = [it for it in expression_text.paths(expression_text.tokens(expression)) if it.names[:4] == _METRICS]
    except ExpressionError:
        return None
    return read[0].start + 1 if read and not any(path.guarded for path in read) else None
