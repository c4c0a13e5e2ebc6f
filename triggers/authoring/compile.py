"""`check`, `compile`, and the environment of the emulator."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from retrigger.triggers import compiled
from retrigger.triggers.authoring import checks
from retrigger.triggers.authoring.checks import untrusted
from retrigger.triggers.authoring.problems import Problem, ProjectError
from retrigger.triggers.authoring.project import PROJECT_FILE, read_project
from retrigger.triggers.authoring.wording import closest
from retrigger.triggers.environment import DEFAULT_ACCOUNT
from retrigger.triggers.launches import pipelines_of
from retrigger.triggers.match import Index

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from retrigger.triggers.authoring.kept import Templates
    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.environment import Environment


def check(root: Path) -> list[Problem]:
    """Every problem of every file and of every environment, in file order; none if the project is right."""
    return checked(root)[1]


def checked(root: Path, elsewhere: Templates | None = None) -> tuple[Project, list[Problem]]:
    """What could be read of a project, and what `check` says of it. `elsewhere`: as of `load_project`.

    A trigger file whose shape is wrong is told as that; the rules judge what is right of it, if that is enough.
    """
    project, problems = read_project(root, elsewhere)
    misshapen = {(problem.path, problem.line, problem.column) for problem in problems}
    found = checks.problems(project, project.environments.values())
    found.update(problem for rule in checks.TIDY_RULES for problem in rule(project))
    # Of what is wrong in shape already, where a stand-in may be, nothing more is told.
    problems += (it for it in found if (it.path, it.line, it.column) not in misshapen)
    return project, sorted(set(untrusted.alone(problems)))


def compile_project(project: Project, environment: Environment | str) -> str:
    """The one file that a function of this environment loads. ProjectError if a rule is broken there."""
    chosen = named(project, environment) if isinstance(environment, str) else environment
    problems = checks.problems(project, [chosen])
    if problems:
        raise ProjectError(tuple(sorted(problems)))
    launched = {
        chosen.pipelines[name].template for trigger in project.triggers for name in pipelines_of(trigger.launch)
    }
    templates = {sha: project.templates[sha].text for sha in launched}
    index = Index.build(project.triggers, chosen).to_json()
    return compiled.dumps(chosen, project.triggers, templates, index)


def local_environment(project: Project, *, like: str | None, ledger: str, services: Mapping[str, str]) -> Environment:
    """The environment `local`: as `like`, with the emulator's ledger and services.

    If `like` is None it is the first Google one, or else the first.

    Identities and labels stay: they are harmless there, and so is a pipeline that has none. `callers` do not: nobody
    signs tokens on a laptop, and only programs of the same machine may call. Nor does a `launcher`: it would launch for
    real.
    """
    names = list(project.environments)
    google = [name for name in names if project.environments[name].cloud == "gcp"]
    chosen = named(project, like or next(iter(google or names)))
    local = replace(chosen, name="local", ledger=ledger, callers=(), launcher=None, services=dict(services))
    return _with_identities(local) if local.cloud == "gcp" else local


def _with_identities(environment: Environment) -> Environment:
    named = {
        name: replace(pipeline, service_account=pipeline.service_account or DEFAULT_ACCOUNT)
        for name, pipeline in environment.pipelines.items()
    }
    return replace(environment, pipelines=named)


def named(project: Project, name: str) -> Environment:
    """ProjectError if the project has no environment of that name."""
    if name not in project.environments:
        known = ", ".join(f"`{one}`" for one in project.environments) or "none"
        told = f"There is no environment `{name}`{closest(name, project.environments)}: {PROJECT_FILE} has {known}."
        raise _refused(project, ("environments",), "unknown_environment", told)
    return project.environments[name]


def _refused(project: Project, at: tuple[str, ...], code: str, message: str) -> ProjectError:
    return ProjectError((project.document.problem(at, code, message, on="key"),))
