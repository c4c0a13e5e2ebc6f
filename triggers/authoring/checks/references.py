"""A template fits its environment's platform, and all that Azure ML would look up at launch is registered and pinned.

A launch is one request: local code would have to be uploaded first, and `@latest` may be another component tomorrow
than the one that was tried today. Forms of references:
https://learn.microsoft.com/azure/machine-learning/reference-yaml-core-syntax.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from retrigger.triggers.authoring.wording import said_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.files import Template
    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.authoring.yaml import At
    from retrigger.triggers.errors import Problem
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Environment

_PINNED: Final = re.compile(r"azureml:[^:@/\s]+:[^:@/\s]+|(azureml:/)?/?\S*/versions/[^/\s]+")
_CONTROL: Final = ("do_while", "if_else", "parallel_for")
_WRITTEN_FOR: Final = {"vertex": "Vertex AI", "azureml": "Azure ML"}


def check(project: Project, environment: Environment) -> Iterator[Problem]:
    kind = environment.platform(None).kind
    for name, pipeline in environment.pipelines.items():
        template = project.templates.get(pipeline.template)
        if template is None:
            continue
        if template.signature.platform != kind:
            at: At = ("environments", environment.name, "pipelines", name, "template")
            made, wanted = _WRITTEN_FOR[template.signature.platform], _WRITTEN_FOR[kind]
            told = f"`{template.document.path}` is made for {made}; environment `{environment.name}` is on {wanted}."
            yield project.document.problem(at, "wrong_platform", told)
        elif kind == "azureml":
            yield from _unpinned(template)


def _unpinned(template: Template) -> Iterator[Problem]:
    for at, told in (*_jobs(template.document.data, ()), *_inputs(template.document.data, ())):
        yield template.document.problem(at, "unpinned_reference", said_of(at[-1], told))


def _jobs(pipeline: Json, at: At) -> Iterator[tuple[At, str]]:
    jobs = pipeline.get("jobs") if isinstance(pipeline, dict) else None
    for name, job in jobs.items() if isinstance(jobs, dict) else ():
        here: At = (*at, "jobs", name)
        if not isinstance(job, dict) or job.get("type") in _CONTROL:
            continue
        if "code" in job:
            yield (
                (*here, "code"),
                "local code is not uploaded by a launch: register the component, then name its version",
            )
        yield from _inputs(job, here)
        match job.get("component", job.get("trial")):
            case str(reference):
                if not _PINNED.fullmatch(reference):
                    yield (*here, "component" if "component" in job else "trial"), _advice(reference)
            case dict(inner) if inner.get("type") == "pipeline":
                yield from _jobs(inner, (*here, "component"))
            case _ if job.get("type") == "pipeline":
                yield from _jobs(job, here)
            case _ if "code" not in job:
                yield here, "its component is written here: register it, then write `component: azureml:NAME:VERSION`"


def _inputs(holder: Json, at: At) -> Iterator[tuple[At, str]]:
    inputs = holder.get("inputs") if isinstance(holder, dict) else None
    for name, declared in inputs.items() if isinstance(inputs, dict) else ():
        path = declared.get("path") if isinstance(declared, dict) else None
        if isinstance(path, str) and not _is_pinned_data(path):
            yield (*at, "inputs", name, "path"), _advice(path)


def _is_pinned_data(path: str) -> bool:
    """A place (a URI), a binding to another job's output, or a registered asset with its version."""
    if path.startswith("azureml:") and "/datastores/" not in path:
        return _PINNED.fullmatch(path) is not None
    return "://" in path or path.startswith("${{")


def _advice(reference: str) -> str:
    what = "names no version" if reference.startswith("azureml:") else "is a file on this machine"
    return f"`{reference[:200]}` {what}: register it, then write `azureml:NAME:VERSION`"
