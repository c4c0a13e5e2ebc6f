"""Whether a compiled file still says what the project does, and if not, what has changed."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from retrigger.triggers import compiled
from retrigger.triggers.authoring.compile import compile_project
from retrigger.triggers.authoring.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.compiled import Compiled
    from retrigger.triggers.environment import Environment


def check(project: Project, text: str, path: str) -> list[Problem]:
    """What differs between `text`, the compiled file at `path`, and what would be compiled now.

    Raise ProjectError if that cannot be compiled, RetriggerError if `text` is no compiled file of this version.
    """
    old = compiled.load(text)
    name = old.environment.name
    new = compiled.load(compile_project(project, name))
    if old.hash == new.hash:
        return []
    changes = list(_changes(old, new)) or ["it was compiled in another way"]
    mend = f"run `retrigger compile --env {name} --out {path}`."
    return [Problem(path, 0, 0, "stale_compiled", f"{change[:1].upper()}{change[1:]}: {mend}") for change in changes]


def _changes(old: Compiled, new: Compiled) -> Iterator[str]:
    yield from _of_names(
        "trigger", {it: old.trigger(it) for it in old.names}, {it: new.trigger(it) for it in new.names}
    )
    yield from _of_names("pipeline", old.environment.pipelines, new.environment.pipelines)
    for part in _parts(old.environment, new.environment):
        yield f"`{part}` of the environment has changed since it was compiled"


def _of_names(kind: str, old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if name not in old:
            yield f"{kind} `{name}` is new since it was compiled"
        elif name not in new:
            yield f"{kind} `{name}` is no longer in the project"
        elif old[name] != new[name]:
            yield f"{kind} `{name}` has changed since it was compiled"


def _parts(old: Environment, new: Environment) -> Iterator[str]:
    for part in fields(new):
        if part.name != "pipelines" and getattr(old, part.name) != getattr(new, part.name):
            yield part.name
