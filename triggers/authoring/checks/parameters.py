"""What each source would send, against what the compiled pipeline takes.

A source's parameters override the launch's, so every source is a combination of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers import expression_text, signature
from retrigger.triggers.authoring import bodies, scope
from retrigger.triggers.authoring.wording import closest, said_of
from retrigger.triggers.authoring.yaml import texts
from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.interpolation import check_value, expressions_in, render_value
from retrigger.triggers.launches import PipelineLaunch, pipelines_of
from retrigger.triggers.spec import MessageSource, ObjectSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Authored, Project
    from retrigger.triggers.authoring.yaml import At
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.event import Json
    from retrigger.triggers.signature import Parameter, Signature
    from retrigger.triggers.spec import Source


def check(project: Project, environment: Environment) -> Iterator[Problem]:
    for one in project.authored:
        launch = one.trigger.launch
        if not isinstance(launch, PipelineLaunch):
            continue
        for name in pipelines_of(launch):
            pipeline = environment.pipelines.get(name)
            template = project.templates.get(pipeline.template) if pipeline else None
            wanted = template.signature if template else None
            yield from _under_each_source(one, environment, wanted)
            yield from _artifacts(one, launch, environment, wanted)


def _under_each_source(one: Authored, environment: Environment, wanted: Signature | None) -> Iterator[Problem]:
    lacking: dict[str, list[At]] = {}
    for at, source in one.launching:
        for problem in _combination(one, at, source, environment, wanted):
            if isinstance(problem, str):
                lacking.setdefault(problem, []).append(at)
            else:
                yield problem
    for message, places in lacking.items():
        # A parameter that no source has is missing in the launch; else it is missing where it is not.
        everywhere = len(places) == len(list(one.launching))
        for at in [("launch", "parameters")] if everywhere else places:
            yield one.document.problem(at, "missing_parameter", message, on="key")


def _artifacts(
    one: Authored, launch: PipelineLaunch, environment: Environment, wanted: Signature | None
) -> Iterator[Problem]:
    for name, value in launch.artifacts.items():
        for at, source in one.launching:
            names = _names(one, source, environment)
            try:
                told = check_value(value, names)
            except ExpressionError:
                for place, text, error in wrong_texts(("launch", "artifacts", name), value, names):
                    reason = said_of(name, f"{error}{_why(at, source, error)}")
                    yield one.document.problem_within(place, text, error.column, error.code, reason)
                continue
            if told not in ("string", "dyn"):
                reason = said_of(name, f"this is a {told}, the artifact's id is text")
                yield one.document.problem(("launch", "artifacts", name), "wrong_type", reason)
        if wanted is not None and name not in wanted.artifacts:
            reason = said_of(
                name, f"the pipeline {wanted.name} has no artifact {name}{closest(name, wanted.artifacts)}"
            )
            yield one.document.problem(("launch", "artifacts", name), "unknown_artifact", reason, on="key")
    if wanted is None:
        return
    for name, required in wanted.artifacts.items():
        if required and name not in launch.artifacts:
            reason = said_of(name, f"the pipeline {wanted.name} needs this artifact and nothing gives it")
            yield one.document.problem(("launch", "artifacts"), "missing_artifact", reason, on="key")


def _combination(
    one: Authored, at: At, source: Source, environment: Environment, wanted: Signature | None
) -> Iterator[Problem | str]:
    """What is wrong with the launch's parameters under those of one source; of a missing one only the message."""
    launch = one.trigger.launch
    assert isinstance(launch, PipelineLaunch)
    names = _names(one, source, environment)
    types: dict[str, str] = {}
    literals: dict[str, Json] = {}
    given = one.asked(at, source)
    for name in {**launch.parameters, **source.parameters}:
        standing, value = given[name]
        try:
            told = check_value(value, names)
        except ExpressionError:
            types[name] = "dyn"
            for place, text, error in wrong_texts(standing, value, names):
                reason = said_of(name, f"{error}{_why(at, source, error)}")
                yield one.document.problem_within(place, text, error.column, error.code, reason)
            continue
        known = _known(value, environment)
        if known is None:
            types[name] = _declared(value, source, wanted.parameters.get(name)) if told == "dyn" and wanted else told
        else:
            literals[name] = known[0]
    for misfit in signature.check(wanted, types, literals) if wanted else ():
        reason = said_of(misfit.parameter, misfit.message)
        if misfit.code == "missing_parameter":
            yield reason
        else:
            yield one.document.problem(given[misfit.parameter][0], misfit.code, reason)


def _declared(value: Json, source: Source, parameter: Parameter | None) -> str:
    """The type that the message's schema gives to a value which is one field of its body."""
    if not isinstance(source, MessageSource) or not isinstance(value, str):
        return "dyn"
    match expression_text.template(value):
        case (expression_text.Hole(source=expression),):
            names = bodies.plain_field(expression)
        case _:
            return "dyn"
    told = bodies.type_of(source.schema, names) if names else "dyn"
    whole = told == "double" and parameter is not None and parameter.type == "NUMBER_INTEGER"
    return "dyn" if whole else told  # a number may be a whole one


def _known(value: Json, environment: Environment) -> tuple[Json] | None:
    """What a value will be whatever the event is: it is literal, or reads nothing but the environment's `vars`."""
    if any(names[0] != "vars" for hole in expressions_in(value) for names in expression_text.reads(hole.source)):
        return None
    try:
        return (render_value(value, {"vars": environment.vars}),)
    except ExpressionError:
        return None


def wrong_texts(at: At, value: Json, names: Mapping[str, str]) -> Iterator[tuple[At, str, ExpressionError]]:
    """The texts of a value that are wrong, each with its place."""
    for place, text in texts(at, value):
        try:
            check_value(text, names)
        except ExpressionError as error:
            yield place, text, error


def _names(one: Authored, source: Source, environment: Environment) -> dict[str, str]:
    if isinstance(source, ObjectSource):
        return scope.of_window(one.trigger.window, source, environment)
    return scope.of_event(source, environment)


def _why(at: At, source: Source, error: ExpressionError) -> str:
    if error.code != "unknown_name":
        return ""
    if isinstance(source, ObjectSource):
        return "; a windowed launch may use `window.*`, `vars.*`, and the `match.*` that the window's key fixes"
    return f"; source {at[1]} ({at[2]}) launches directly: it may use `event.*` and `vars.*`"
