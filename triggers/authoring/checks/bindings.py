"""What the steps of an Azure ML pipeline are bound to must be there: its inputs and other steps. None waits for itself.

Azure ML's own client does not look, so that it would be the platform's to say, at launch. Steps are registered
components, of which nothing is known here: nothing is said of their inputs and outputs. The form of bindings:
https://learn.microsoft.com/azure/machine-learning/reference-yaml-core-syntax.
"""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Final, NamedTuple

from retrigger.triggers.authoring.wording import closest, said_of
from retrigger.triggers.authoring.yaml import texts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.authoring.yaml import At
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.event import Json

_BINDING: Final = re.compile(r"\$\{\{\s*parent\.(inputs|jobs)\.([^\s{}.]+)[^\s{}]*\s*\}\}")


class _Bound(NamedTuple):
    """That a step is bound to the input or the job `name`, at a 1-based column of a text."""

    step: str
    at: At
    text: str
    column: int
    kind: str
    name: str


def check(project: Project, environment: Environment) -> Iterator[Problem]:
    for sha in dict.fromkeys(pipeline.template for pipeline in environment.pipelines.values()):
        template = project.templates.get(sha)
        if template is None or template.signature.platform != "azureml":
            continue
        document, bound = template.document, list(_bindings(template.document.data))
        # The inputs of a group are declared as `group.name`.
        inputs = {name.partition(".")[0] for name in template.signature.parameters}
        steps = _steps(document.data)
        for it in bound:
            known: Collection[str] = inputs if it.kind == "inputs" else steps
            if it.name not in known:
                kind = "input" if it.kind == "inputs" else "job"
                hint = closest(it.name, known) or f" (it has {', '.join(sorted(known)[:12]) or 'none'})"
                told = said_of(it.at[-1], f"the pipeline has no {kind} `{it.name}`{hint}")
                yield document.problem_within(it.at, it.text, it.column, "unknown_binding", told)
        if circle := _circle(bound):
            name, step = circle[-2:]
            told = f"No job of this circle would ever begin: {' waits for '.join(reversed(circle))}."
            it = next(it for it in bound if (it.kind, it.step, it.name) == ("jobs", step, name))
            yield document.problem_within(it.at, it.text, it.column, "circular_binding", told)


def _steps(pipeline: Json) -> Mapping[str, Json]:
    jobs = pipeline.get("jobs") if isinstance(pipeline, dict) else None
    return jobs if isinstance(jobs, dict) else {}


def _bindings(pipeline: Json) -> Iterator[_Bound]:
    for name, step in _steps(pipeline).items():
        for at, text in texts(("jobs", name), step):
            for found in _BINDING.finditer(text):
                yield _Bound(name, at, text, found.start(2) + 1, found[1], found[2])


def _circle(bound: list[_Bound]) -> list[str]:
    """Jobs of which each is waited for by the next, and the last is the first again; none if there are no such."""
    awaited: dict[str, list[str]] = {}
    for it in bound:
        if it.kind == "jobs":
            awaited.setdefault(it.step, []).append(it.name)
    try:
        TopologicalSorter(awaited).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []
