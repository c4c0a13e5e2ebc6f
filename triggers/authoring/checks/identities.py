"""A run of Vertex AI that names no service account is the default one of Compute Engine, which may often do anything.

That is refused unless it is asked for: https://cloud.google.com/vertex-ai/docs/pipelines/configure-project#service-account.
Batch predictions and deployments are no such case: their containers run as an account of Google's that may do nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.environment import Environment


def check(project: Project, environment: Environment) -> Iterator[Problem]:
    if environment.cloud != "gcp" or environment.launcher is not None:
        return
    for name, pipeline in environment.pipelines.items():
        if pipeline.service_account is None:
            told = (
                f"`{name}` would run as the project's default service account: name its `service_account`, or one for "
                "all pipelines of the environment, or write `default` if that is meant."
            )
            place = ("environments", environment.name, "pipelines", name)
            yield project.document.problem(place, "default_service_account", told, on="key")
