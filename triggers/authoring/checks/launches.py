"""What is launched: values that can be computed, from sources that agree, with a place for what is written."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from retrigger.triggers.authoring import scope
from retrigger.triggers.authoring.checks.parameters import wrong_texts
from retrigger.triggers.authoring.wording import said_of
from retrigger.triggers.environment import Model
from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.interpolation import check_value, expressions_in
from retrigger.triggers.launches import BatchPrediction, OnlineDeployment, PipelineLaunch, Rollback, pipelines_of
from retrigger.triggers.spec import ObjectSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Authored, Project
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Source

_TEXT = {"string", "dyn"}
_FOLDER = re.compile(r"(/|\bwindow\.folder\s*\}\})\s*$")
"""The end of an input that is a folder."""
_ALSO = {"version": {"int"}, "input": {"list"}}


def check(project: Project, environment: Environment) -> Iterator[Problem]:
    for one in project.authored:
        yield from _disagreeing(one)
        if isinstance(one.trigger.launch, PipelineLaunch):
            yield from _without_root(one, environment)
        else:
            yield from _unused(one)
            if environment.cloud == "gcp" and isinstance(one.trigger.launch, BatchPrediction):
                yield from _on_vertex(one, one.trigger.launch, environment)
            if isinstance(one.trigger.launch, OnlineDeployment):
                yield from _unwatched(one, one.trigger.launch, environment)
                if environment.cloud == "gcp" and one.trigger.launch.mirror is not None:
                    told = f"Environment `{environment.name}` is on Vertex AI, which copies no traffic: leave it out."
                    yield one.document.problem(("launch", "online_deployment", "mirror"), "no_mirror", told, on="key")
            yield from _without_manifest(one)
            for _, source in one.launching:
                yield from _values(one, source, environment)


def _disagreeing(one: Authored) -> Iterator[Problem]:
    """Objects of several sources may gather in one window, which becomes one run."""
    objects = [(at, source) for at, source in one.sources if isinstance(source, ObjectSource)]
    for at, source in objects[1:]:
        if source.parameters != objects[0][1].parameters:
            told = "Objects of all sources gather in the same windows: give these sources the same `parameters`."
            yield one.document.problem((*at, "parameters"), "different_parameters", told, on="key")


def _without_root(one: Authored, environment: Environment) -> Iterator[Problem]:
    rootless = [
        name
        for name in pipelines_of(one.trigger.launch)
        if name in environment.pipelines and not environment.pipelines[name].root
    ]
    for name, value in one.trigger.launch.values.items():
        if "window.manifest" in json.dumps(value):
            for pipeline in rootless:
                told = (
                    f"Environment `{environment.name}` has no place for the manifest: give its pipeline `{pipeline}` a "
                    "`root` in retrigger.yaml."
                )
                yield one.document.problem(one.asked_at(name), "no_root", told)


def _without_manifest(one: Authored) -> Iterator[Problem]:
    for name, value in one.trigger.launch.values.items():
        if "window.manifest" in json.dumps(value):
            told = "The manifest is written below the root of a pipeline, and none is launched: pass `window.folder`."
            yield one.document.problem(one.asked_at(name), "no_root", told)


def _on_vertex(one: Authored, launch: BatchPrediction, environment: Environment) -> Iterator[Problem]:
    """A batch is predicted by a model, and the names of its objects must tell their format, or the model's entry."""
    if launch.model is None:
        told = (
            f"Environment `{environment.name}` is on Vertex AI, which predicts batches by a model: write `model: NAME`."
        )
        yield one.document.problem(("launch", "batch_prediction", "endpoint"), "no_batch_endpoint", told)
        return
    known = environment.models.get(launch.model, Model())
    if known.batch.instances_format is None and _FOLDER.search(str(launch.input)):
        told = (
            f"Of which format a folder is, environment `{environment.name}` does not say: pass `window.uris`, or set "
            f"`instances_format` of `models.{launch.model}.batch` in retrigger.yaml."
        )
        yield one.document.problem(one.asked_at("input"), "unknown_format", told)


def _unwatched(one: Authored, launch: OnlineDeployment, environment: Environment) -> Iterator[Problem]:
    """Bounds are for something that is measured."""
    endpoint = environment.endpoints.get(launch.endpoint)
    if endpoint is None or launch.smoke is not None or launch.rollback_if == Rollback():
        return
    if endpoint.health != "platform":
        told = (
            f"Nothing is measured in environment `{environment.name}` that could pass these bounds: give `smoke`, a "
            f"request to send, or set `health: platform` of its endpoint `{launch.endpoint}` in retrigger.yaml."
        )
        yield one.document.problem(("launch", "online_deployment", "rollback_if"), "unwatched", told, on="key")


def _unused(one: Authored) -> Iterator[Problem]:
    for at, source in one.sources:
        if source.parameters:
            told = "`parameters` are for a pipeline, and none is launched: leave them out."
            yield one.document.problem((*at, "parameters"), "unused_key", told, on="key")


def _values(one: Authored, source: Source, environment: Environment) -> Iterator[Problem]:
    launch = one.trigger.launch
    names = _names(one, source, environment)
    for name, value in launch.values.items():
        places = isinstance(launch, BatchPrediction) and name == "output"
        known = scope.of_vars(environment) if places else names
        try:
            type_ = check_value(value, known)
        except ExpressionError:
            hint = "; where is written is never the event's to say: only `vars.*`" if places else ""
            for place, text, error in wrong_texts(one.asked_at(name), value, known):
                reason = said_of(name, f"{error}{hint}")
                yield one.document.problem_within(place, text, error.column, error.code, reason)
            continue
        wanted = _TEXT | _ALSO.get(name, set())
        if type_ not in wanted and _computed(value):
            told = said_of(name, f"this is a {type_}, text is needed")
            yield one.document.problem(one.asked_at(name), "wrong_type", told)


def _names(one: Authored, source: Source, environment: Environment) -> Mapping[str, str]:
    if isinstance(source, ObjectSource):
        return scope.of_window(one.trigger.window, source, environment)
    return scope.of_event(source, environment)


def _computed(value: Json) -> bool:
    return any(True for _ in expressions_in(value))
