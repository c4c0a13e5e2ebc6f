"""Every name that a trigger or the outbox uses must have an address in every environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers.authoring.wording import closest
from retrigger.triggers.launches import BatchPrediction, Choice, OnlineDeployment, PipelineLaunch
from retrigger.triggers.spec import LifecycleSource, MessageSource, ObjectSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.triggers.authoring.project import Authored, Project
    from retrigger.triggers.authoring.yaml import At
    from retrigger.triggers.errors import Problem
    from retrigger.triggers.spec import Environment


def check(project: Project, environment: Environment) -> Iterator[Problem]:
    if environment.outbox is not None:
        yield from _outbox(project, environment, environment.outbox)
    for one in project.authored:
        for at, kind, name, known in _used(one, environment):
            if name not in known:
                told = f"Environment `{environment.name}` has no {kind} `{name}`{closest(name, known)}: "
                yield one.document.problem(at, f"unknown_{kind}", f"{told}add it to retrigger.yaml.")


def _outbox(project: Project, environment: Environment, name: str) -> Iterator[Problem]:
    place = ("environments", environment.name, "outbox")
    if name not in environment.channels:
        told = f"There is no channel `{name}` here{closest(name, environment.channels)}: add it to `channels`."
        yield project.document.problem(place, "unknown_channel", told)
    elif environment.channels[name].service is None:
        told = (
            f"Nothing can be sent to the channel `{name}`: name a topic of Pub/Sub, a queue or topic of Service Bus, "
        )
        yield project.document.problem(place, "outbox_channel", f"{told}or a storage queue.")


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
