"""A cached pipeline that is always given the same parameters does its work once, and then silently never again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from retrigger.triggers import expression_text, glob
from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.interpolation import expressions_in
from retrigger.triggers.launches import pipelines_of
from retrigger.triggers.spec import ObjectSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Authored, Project
    from retrigger.triggers.authoring.yaml import At
    from retrigger.triggers.environment import Environment, Pipeline
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Source

_PIPELINE: Final[At] = ("launch", "pipeline")


def check(project: Project, environment: Environment) -> Iterator[Problem]:
    cached = {name for name, pipeline in environment.pipelines.items() if _is_cached(project, pipeline)}
    for one in project.authored:
        names = [name for name in pipelines_of(one.trigger.launch) if name in cached]
        same = [at for at, source in one.launching if names and _same_each_time(one, at, source)]
        for name in names if same else ():
            listed = ", ".join(f"{at[1]} ({at[2]})" for at in same)
            told = (
                f"The results of `{name}` are cached in environment `{environment.name}`, and its parameters are the "
                f"same for every event of source {listed}: it would be skipped silently; set `caching: false`, or pass "
                "something that differs."
            )
            yield one.document.problem(_PIPELINE, "cached_constant", told)


def _is_cached(project: Project, pipeline: Pipeline) -> bool:
    """Whether every step that does work may be taken from the cache."""
    template = project.templates.get(pipeline.template)
    if template is None or pipeline.caching is False:
        return False
    steps = list(_steps(json.loads(template.text)))
    return bool(steps) and (pipeline.caching is True or all(steps))


def _steps(template: Json) -> Iterator[bool]:
    """Of each task that is no group of others: may its result be reused."""
    match template:
        case {"pipelineSpec": dict() as spec} | (dict() as spec):
            pass
        case _:
            return
    components = spec.get("components") or {}
    assert isinstance(components, dict)
    for component in (spec.get("root"), *components.values()):
        match component:
            case {"dag": {"tasks": dict() as tasks}}:
                for task in tasks.values():
                    match task:
                        case {"componentRef": {"name": str(name)}} if "dag" in (components.get(name) or {}):
                            continue  # a group: its own tasks count
                        case {"cachingOptions": {"enableCache": True}}:
                            yield True
                        case _:
                            yield False


def _same_each_time(one: Authored, at: At, source: Source) -> bool:
    constant = _constants(source)
    try:
        read = [
            path.names
            for _, value in one.asked(at, source).values()
            for hole in expressions_in(value)
            for path in expression_text.paths(expression_text.tokens(hole.source))
        ]
    except ExpressionError:
        return False  # told by the rule for parameters
    return all(names[0] == "vars" or names in constant for names in read)


def _constants(source: Source) -> set[tuple[str, ...]]:
    """What of a window is the same in each: its folder if the glob has one, its object if the glob is a name."""
    if not isinstance(source, ObjectSource):
        return set()
    *folders, name = glob.parse(source.match).segments
    if any(not isinstance(part, str) for folder in folders for part in folder) or name == (glob.Wild.DEEP,):
        return set()
    exact = all(isinstance(part, str) for part in name)
    return {("window", "folder"), *([("window", "uri"), ("window", "uris")] if exact else [])}
