"""Every name that a trigger uses must have an address in every environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers.authoring.wording import closest
from retrigger.triggers.launches import BatchPrediction, Choice, OnlineDeployment, PipelineLaunch
from retrigger.triggers.spec import LifecycleSource, MessageSource, ObjectSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Authored, Project
    from retrigger.triggers.authoring.yaml import At
    from retrigger.triggers.environment import Environment


def check(project: Project, environment: Environment) -> Iterator[Problem]:
    for one in project.authored:
        for at, kind, name, known in _used(one, environment):
            if name not in known:
                told = f"Environment `{environment.name}` has no {kind} `{name}`{closest(name, known)}: "
                yield one.document.problem(at, f"unknown_{kind}", f"{told}add it to retrigger.yaml.")


def _used(one: Authored, environment: Environment) -> Iterator[tuple[At, str, str, Mapping[str, object]]]:
    for at, source in one.sources:
        match source:
            case ObjectSource():
                yield (*at, "in"), "store", source.store, environment.stores
            case MessageSource():
                yield (*at, "in"), "channel", source.channel, environment.channels
            case LifecycleSource(platform=str(name)):
                yield (*at, "from"), "platform", name, environment.platforms
    match one.trigger.launch:
        case PipelineLaunch(pipeline=str(name)):
            yield ("launch", "pipeline"), "pipeline", name, environment.pipelines
        case PipelineLaunch(pipeline=Choice(among=among)):
            for value, name in among.items():
                yield ("launch", "pipeline", "from", value), "pipeline", name, environment.pipelines
        case BatchPrediction(endpoint=str(name)):
            yield ("launch", "batch_prediction", "endpoint"), "endpoint", name, environment.endpoints
        case BatchPrediction(model=str(name)) if environment.cloud == "azure":  # it stands behind a batch endpoint
            yield ("launch", "batch_prediction", "model"), "model", name, environment.models
        case OnlineDeployment(endpoint=name):
            yield ("launch", "online_deployment", "endpoint"), "endpoint", name, environment.endpoints
