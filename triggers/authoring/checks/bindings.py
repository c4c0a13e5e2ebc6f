"""What the jobs of an Azure ML pipeline are bound to must be there: its inputs, its jobs, and their outputs.

Azure ML's own client does not look, so that it would be the platform's to say, at launch. Of a registered component
nothing is known here, and nothing is said of its inputs and outputs. The form of bindings:
https://learn.microsoft.com/azure/machine-learning/reference-yaml-core-syntax.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from retrigger.triggers import signature, templates
from retrigger.triggers.authoring.wording import closest, said_of
from retrigger.triggers.authoring.yaml import texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.authoring.yaml import At, Document
    from retrigger.triggers.errors import Problem
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Environment

_BINDING: Final = re.compile(r"\$\{\{\s*parent\.(inputs|jobs)\.([^\s{}]+)\s*\}\}")
_HOLE: Final = "${{"


def check(project: Project, environment: Environment) -> Iterator[Problem]:
    for sha in dict.fromkeys(pipeline.template for pipeline in environment.pipelines.values()):
        template = project.templates.get(sha)
        if template and template.signature.platform == "azureml":
            for at, pipeline in _pipelines((), template.document.data):
                yield from _unbound(template.document, at, pipeline)
                yield from _misfits(template.document, at, pipeline)


def _pipelines(at: At, holder: Json) -> Iterator[tuple[At, Mapping[str, Json]]]:
    """The pipeline, and those inside of it, each where its own `inputs` and `jobs` stand."""
    if not isinstance(holder, dict) or not isinstance(holder.get("jobs"), dict):
        return
    yield at, holder
    for name, job in _jobs(holder).items():
        yield from _pipelines((*at, "jobs", name), job)
        yield from _pipelines((*at, "jobs", name, "component"), job.get("component"))


def _jobs(pipeline: Mapping[str, Json]) -> dict[str, dict[str, Json]]:
    jobs = pipeline.get("jobs")
    return {name: job for name, job in jobs.items() if isinstance(job, dict)} if isinstance(jobs, dict) else {}


def _mapping(holder: Mapping[str, Json], key: str) -> Mapping[str, Json]:
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def _unbound(document: Document, at: At, pipeline: Mapping[str, Json]) -> Iterator[Problem]:
    for name, job in _jobs(pipeline).items():
        own = {key: value for key, value in job.items() if key not in ("component", "trial", "jobs")}
        for place, text in texts((*at, "jobs", name), own):
            for found in _BINDING.finditer(text):
                told = _unknown_input(pipeline, found[2]) if found[1] == "inputs" else _unknown_job(pipeline, found[2])
                if told:
                    column = found.start(2) + 1
                    yield document.problem_within(place, text, column, "unknown_binding", said_of(place[-1], told))


def _unknown_input(pipeline: Mapping[str, Json], path: str) -> str | None:
    """The inputs of a group stand under its name, or as `group.name`."""
    inputs, name = _mapping(pipeline, "inputs"), path.partition(".")[0]
    if name in inputs or any(each.startswith(f"{name}.") for each in inputs):
        return None
    return f"the pipeline has no input `{name}`{closest(name, inputs) or _listed(inputs)}"


def _unknown_job(pipeline: Mapping[str, Json], path: str) -> str | None:
    jobs = _mapping(pipeline, "jobs")
    name, _, rest = path.partition(".")
    if name not in jobs:
        return f"the pipeline has no job `{name}`{closest(name, jobs) or _listed(jobs)}"
    output = rest.removeprefix("outputs.")
    inner = _declaring(_jobs(pipeline).get(name, {}))
    known = _mapping(inner, "outputs") if inner else {}
    if not inner or output == rest or output in known:
        return None
    return f"the job `{name}` has no output `{output}`{closest(output, known) or _listed(known)}"


def _declaring(job: Mapping[str, Json]) -> Mapping[str, Json] | None:
    """What says which inputs and outputs the job has, if that stands in the file: its component."""
    component = job.get("component")
    return component if isinstance(component, dict) and {"inputs", "outputs"} & component.keys() else None


def _misfits(document: Document, at: At, pipeline: Mapping[str, Json]) -> Iterator[Problem]:
    """The inputs that a job is given, against those that its component declares."""
    for name, job in _jobs(pipeline).items():
        component = _declaring(job)
        wanted = _signature(component) if component else None
        if wanted is None:
            continue
        types, literals = _given(job, wanted)
        for misfit in signature.check(wanted, types, literals):
            place: At = (*at, "jobs", name, "inputs", misfit.parameter)
            if misfit.code in ("missing_parameter", "unknown_parameter"):
                told = said_of(misfit.parameter, _lacking(name, misfit, wanted))
                yield document.problem(place, misfit.code, told, on="key")
            else:
                yield document.problem(place, misfit.code, said_of(misfit.parameter, misfit.message))


def _lacking(job: str, misfit: signature.Misfit, wanted: signature.Signature) -> str:
    if misfit.code == "missing_parameter":
        return f"the component of job `{job}` needs this input and nothing gives it"
    known = wanted.parameters
    return f"the component of job `{job}` has no such input{closest(misfit.parameter, known) or _listed(known)}"


def _given(job: Mapping[str, Json], wanted: signature.Signature) -> tuple[dict[str, str], dict[str, Json]]:
    """The inputs whose values are known at launch only, with no type; and those that stand there."""
    types: dict[str, str] = {}
    literals: dict[str, Json] = {}
    for name, value in _mapping(job, "inputs").items():
        parameter = wanted.parameters.get(name)
        if parameter is None or isinstance(value, dict | list) or _HOLE in str(value):
            types[name] = "dyn"
        else:
            literals[name] = _read(value, parameter.type)
    return types, literals


def _signature(component: Mapping[str, Json]) -> signature.Signature | None:
    """None if an input has a type that is not known."""
    try:
        return templates.read({"type": "pipeline", "inputs": dict(_mapping(component, "inputs")), "jobs": {}})
    except ValueError:
        return None


def _read(value: Json, type_: signature.Type) -> Json:
    """A literal as Azure ML reads it: a number or a truth may stand there as text."""
    match value, type_:
        case str(), "NUMBER_INTEGER" | "NUMBER_DOUBLE":
            try:
                return float(value)
            except ValueError:
                return value
        case str(), "BOOLEAN" if value.lower() in ("true", "false"):
            return value.lower() == "true"
        case int() | float(), "STRING":
            return str(value)
        case _:
            return value


def _listed(known: Iterable[str]) -> str:
    return f" (it has {', '.join(sorted(known)[:12]) or 'none'})"
