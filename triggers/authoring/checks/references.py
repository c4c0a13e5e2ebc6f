"""A template fits its environment's platform, and all that Azure ML would look up at launch is registered and pinned.

What of a template one request can launch, and what not, `azure_jobs` knows: the launcher asks it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrigger.triggers.authoring.wording import said_of
from retrigger.triggers.azure_jobs import faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.files import Template
    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.authoring.yaml import At
    from retrigger.triggers.environment import Environment

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
            yield from _unlaunchable(template)


def _unlaunchable(template: Template) -> Iterator[Problem]:
    assert isinstance(template.document.data, dict)  # it has a signature
    for fault in faults(template.document.data):
        told = said_of(fault.at[-1], fault.message)
        yield template.document.problem(fault.at, fault.code, told)
