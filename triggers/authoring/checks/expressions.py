"""Filters and keys: every name exists where it is used, and types fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from retrigger.triggers.authoring import scope
from retrigger.triggers.authoring.wording import said_of
from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.expressions import compile_expression
from retrigger.triggers.launches import Choice, PipelineLaunch
from retrigger.triggers.spec import MessageSource, ObjectSource, ScheduleSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Authored, Project
    from retrigger.triggers.authoring.yaml import At
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.spec import Source

    _Expression: TypeAlias = tuple[At, str, Mapping[str, str], tuple[str, ...]]
    """Where it stands, its text, the names that it may use, the types of which it must have one; any if none."""


def check(project: Project, environment: Environment) -> Iterator[Problem]:
    for one in project.authored:
        for at, source in one.sources:
            for place, expression, variables, types in _expressions(one, at, source, environment):
                error = _wrong(expression, variables, types)
                if error:
                    hint = "; write the expression without `${{ }}`" if "${{" in expression else ""
                    told = said_of(place[-1], f"{error}{hint}")
                    yield one.document.problem_within(place, expression, error.column, error.code, told)


def _expressions(one: Authored, at: At, source: Source, environment: Environment) -> Iterator[_Expression]:
    trigger, event = one.trigger, scope.of_event(source, environment)
    if source.filter is not None:
        yield (*at, "filter"), source.filter, event, ("bool",)
    if trigger.filter is not None:
        yield ("filter",), trigger.filter, event, ("bool",)
    if not isinstance(source, ScheduleSource) and source.key is not None:
        yield (*at, "key"), source.key, event, ()
    if isinstance(source, ObjectSource) and trigger.window.key is not None:
        until = trigger.window.until
        known = event if until is None else scope.of_marker(until, environment)
        yield ("admit", "window", "key"), trigger.window.key, known, ()
    if isinstance(source, MessageSource) and source.members is not None:
        yield (*at, "members"), source.members, event, ("list", "string")
        return  # it launches nothing: what is admitted are windows
    if trigger.concurrency.key is not None:
        known = scope.of_key(trigger.window, source, environment) if isinstance(source, ObjectSource) else event
        yield ("admit", "concurrency", "key"), trigger.concurrency.key, known, ()
    match trigger.launch:
        case PipelineLaunch(pipeline=Choice(by=by)):
            known = scope.of_key(trigger.window, source, environment) if isinstance(source, ObjectSource) else event
            yield ("launch", "pipeline", "by"), by, known, ("string",)


def _wrong(expression: str, variables: Mapping[str, str], types: tuple[str, ...]) -> ExpressionError | None:
    try:
        compile_expression(expression, variables, result=types)
    except ExpressionError as error:
        return error
    return None
