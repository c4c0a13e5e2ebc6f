"""What is registered before a launch: the manifest of a window, at a place, with a platform that it fits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from retrigger.triggers.authoring.wording import said_of
from retrigger.triggers.launches import PipelineLaunch, pipelines_of
from retrigger.triggers.signature import DATA
from retrigger.triggers.spec import ObjectSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Authored, Project
    from retrigger.triggers.authoring.yaml import At
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.event import Json

_REGISTER: Final[At] = ("launch", "register")
_NAME: Final = "window.dataset"


def check(project: Project, environment: Environment) -> Iterator[Problem]:
    for one in project.authored:
        launch = one.trigger.launch
        if isinstance(launch, PipelineLaunch) and launch.register is not None:
            yield from _without_window(one)
            yield from _without_place(one, environment)
            yield from _of_another_type(one, project, environment)
        else:
            yield from _unregistered(one)


def _unregistered(one: Authored) -> Iterator[Problem]:
    for at, value in _asked(one):
        if _NAME in json.dumps(value):
            told = f"There is no `{_NAME}` that is not registered: write `register: dataset` beside `pipeline`."
            yield one.document.problem(at, "not_registered", told)


def _without_window(one: Authored) -> Iterator[Problem]:
    for at, source in one.launching:
        if not isinstance(source, ObjectSource):
            told = (
                f"Source {int(at[1]) + 1} ({at[2]}) launches directly, and only a window has a manifest to register: "
                "give that source a trigger of its own."
            )
            yield one.document.problem(_REGISTER, "nothing_to_register", told, on="key")


def _without_place(one: Authored, environment: Environment) -> Iterator[Problem]:
    where = f"environment `{environment.name}`"
    if environment.launcher is not None:
        told = f"The launcher of {where} is a plug-in, which registers nothing: leave `register` out."
        yield one.document.problem(_REGISTER, "nothing_to_register", told, on="key")
    for name in pipelines_of(one.trigger.launch):
        if name in environment.pipelines and not environment.pipelines[name].root:
            told = f"In {where} the manifest has no place: give its pipeline `{name}` a `root` in retrigger.yaml."
            yield one.document.problem(_REGISTER, "no_root", told, on="key")


def _of_another_type(one: Authored, project: Project, environment: Environment) -> Iterator[Problem]:
    """Azure ML takes an asset for an input of the asset's own type alone."""
    form = one.trigger.window.manifest
    has = "mltable" if form == "mltable" else "uri_file"
    for pipeline in pipelines_of(one.trigger.launch):
        entry = environment.pipelines.get(pipeline)
        template = project.templates.get(entry.template) if entry else None
        for at, value in _asked(one):
            wanted = template.signature.parameters.get(str(at[-1])) if template else None
            if wanted and wanted.type in DATA and wanted.type != has and _is_the_dataset(value):
                reason = f"the pipeline {pipeline} takes a {wanted.type}, and a manifest of `format: {form}` is a {has}"
                yield one.document.problem(at, "wrong_type", said_of(at[-1], reason))


def _asked(one: Authored) -> Iterator[tuple[At, Json]]:
    for at, source in one.launching:
        yield from one.asked(at, source).values()


def _is_the_dataset(value: Json) -> bool:
    return isinstance(value, str) and value.replace(" ", "") == f"${{{{{_NAME}}}}}"
