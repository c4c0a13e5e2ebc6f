"""A project folder: `retrigger.yaml`, `triggers/*.yaml`, and the schemas and templates that they name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from pydantic import BaseModel, ValidationError

from retrigger.triggers.authoring import files, plugins, settle
from retrigger.triggers.authoring.checks import untrusted
from retrigger.triggers.authoring.environments import Azure, Defaults, Gcp, ProjectFile
from retrigger.triggers.authoring.files import Unfit
from retrigger.triggers.authoring.kept import KeptTemplates
from retrigger.triggers.authoring.models import TriggerFile
from retrigger.triggers.authoring.problems import Problem, ProjectError
from retrigger.triggers.authoring.validation import validate
from retrigger.triggers.authoring.yaml import Document
from retrigger.triggers.errors import Unavailable
from retrigger.triggers.launches import BatchPrediction, OnlineDeployment, PipelineLaunch
from retrigger.triggers.spec import LifecycleSource, MessageSource, ObjectSource, PlugIn, ScheduleSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from retrigger.triggers.authoring.kept import Templates
    from retrigger.triggers.authoring.yaml import At
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Source, Trigger

PROJECT_FILE = "retrigger.yaml"
_KEYS: dict[type[Source], str] = {
    ObjectSource: "object",
    MessageSource: "message",
    ScheduleSource: "schedule",
    LifecycleSource: "lifecycle",
}
_HAVE_DEFAULTS = frozenset({"admit", "validate", "on_failure", "deduplicate", "defaults", "formats"})
_T = TypeVar("_T")
_M = TypeVar("_M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Authored:
    """A trigger, and the file that it was written in: a problem found later still has its place."""

    trigger: Trigger
    document: Document

    @property
    def sources(self) -> Iterator[tuple[At, Source]]:
        """Each source, and where it stands."""
        for number, source in enumerate(self.trigger.sources):
            yield ("source", number, _KEYS[type(source)]), source

    @property
    def launching(self) -> Iterator[tuple[At, Source]]:
        """The sources whose events launch, and where they stand: all but messages that only name objects."""
        for at, source in self.sources:
            if not (isinstance(source, MessageSource) and source.members is not None):
                yield at, source

    def asked(self, at: At, source: Source) -> dict[str, tuple[At, Json]]:
        """What is launched for the source at `at`: its parameters over the launch's values, each with its place."""
        return {
            **{name: (self.asked_at(name), value) for name, value in self.trigger.launch.values.items()},
            **{name: ((*at, "parameters", name), value) for name, value in source.parameters.items()},
        }

    def asked_at(self, name: str) -> At:
        """Where a value of the launch stands."""
        match self.trigger.launch:
            case PipelineLaunch(parameters=parameters):
                return ("launch", "parameters" if name in parameters else "artifacts", name)
            case BatchPrediction():
                return ("launch", "batch_prediction", name)
            case OnlineDeployment():
                return ("launch", "online_deployment", "model", name)


@dataclass(frozen=True, slots=True)
class Project:
    """Everything that a project's files say.

    `schemas` and `requests` (of smoke tests) are by path, `templates` by the SHA-256 that a pipeline of an environment
    holds. `misread`: the texts of trigger files that could not be understood.
    """

    root: Path
    document: Document
    environments: Mapping[str, Environment]
    authored: tuple[Authored, ...]
    schemas: Mapping[str, Json]
    requests: Mapping[str, Json]
    templates: Mapping[str, files.Template]
    misread: tuple[str, ...] = ()

    @property
    def triggers(self) -> tuple[Trigger, ...]:
        return tuple(one.trigger for one in self.authored)


def find_root(start: Path) -> Path:
    """The folder with `retrigger.yaml`: `start`, or the nearest one above it."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    told = f"There is no {PROJECT_FILE} in {start} or above it: name the project's folder, or copy examples/churn."
    raise ProjectError((Problem(PROJECT_FILE, 0, 0, "no_project", told),))


def load_project(root: Path, elsewhere: Templates | None = None) -> Project:
    """ProjectError with every mistake in the shape of every file. What the files mean together is `check`'s matter.

    `elsewhere`: where templates are had from that live outside of the project; None: from the copies in it.
    """
    project, problems = read_project(root, elsewhere)
    if problems:
        raise ProjectError(tuple(sorted(problems)))
    return project


def read_project(root: Path, elsewhere: Templates | None = None) -> tuple[Project, list[Problem]]:
    """What can be read, and what is wrong with the rest: the files that are right can still be checked.

    A pipeline whose template cannot be read has the empty text for its SHA-256. `elsewhere`: as of `load_project`;
    raises Unavailable where it is not known what is there.
    """
    reading = _Reading(root, elsewhere or KeptTemplates(root))
    document, file = reading.project_file()
    formats = dict(reading.formats(document, file.formats))
    project = Project(
        root=root,
        document=document,
        environments={
            name: reading.environment(document, name, one, file.defaults, formats)
            for name, one in file.environments.items()
        },
        authored=tuple(reading.triggers(file.defaults)),
        schemas=reading.schemas,
        requests=reading.requests,
        templates={template.sha: template for template in reading.templates.values()},
        misread=tuple(reading.misread),
    )
    return project, untrusted.alone(reading.problems)


class _Reading:
    """One pass over a project's files; problems gather, and every schema and template is read once."""

    def __init__(self, root: Path, elsewhere: Templates) -> None:
        self.root = root
        self.elsewhere = elsewhere
        self.problems: list[Problem] = []
        self.misread: list[str] = []
        self.schemas: dict[str, Json] = {}
        self.requests: dict[str, Json] = {}
        self.templates: dict[str, files.Template] = {}

    def project_file(self) -> tuple[Document, ProjectFile]:
        """An environment that is wrong is left out, so that triggers can be checked against the others."""
        nothing = ProjectFile.model_construct(defaults=Defaults(), environments={})
        document = self._document(PROJECT_FILE)
        if document is None:
            return Document(PROJECT_FILE, None, {}, {}), nothing
        file, document = self._shaped(ProjectFile, document)
        return document, file or _without_wrong_environments(document) or nothing

    def formats(self, document: Document, named: Mapping[str, str]) -> Iterator[tuple[str, PlugIn]]:
        """The project's formats, by route."""
        for route, name in named.items():
            at = ("formats", route)
            try:
                plugins.check_route(route)
            except Unfit as error:
                self.problems.append(document.problem(at, error.code, f"{error}.", on="key"))
            if found := self._plugin("formats", name, {}, document, at):
                yield route, found

    def environment(
        self,
        document: Document,
        name: str,
        file: Gcp | Azure,
        defaults: Defaults,
        formats: Mapping[str, PlugIn],
    ) -> Environment:
        templates = {}
        for key, pipeline in file.pipelines.items():
            at = ("environments", name, "pipelines", key, "template")
            templates[key] = self._named(self._template, self.templates, pipeline.template, document, at)
        launcher = None
        if file.launcher:
            launcher = self._plugin("launchers", file.launcher, {}, document, ("environments", name, "launcher"))
        return settle.environment(name, file, defaults, templates=templates, launcher=launcher, formats=formats)

    def triggers(self, defaults: Defaults) -> Iterator[Authored]:
        for path in sorted((self.root / "triggers").rglob("*.y*ml")):
            name = path.relative_to(self.root).as_posix()
            if path.parent != self.root / "triggers" or path.suffix != ".yaml":
                told = f"Only triggers/*.yaml is read: rename it to triggers/{path.stem}.yaml."
                self.problems.append(Problem(name, 0, 0, "not_read", told))
                continue
            document = self._document(name)
            file, document = self._shaped(TriggerFile, document) if document else (None, None)
            if document and file:
                documents, validators = self._documents(file, document), tuple(self._validators(file, document))
                yield Authored(settle.trigger(file, defaults, documents, validators), document)
            else:
                self.misread.append(self._text(name))

    def _documents(self, file: TriggerFile, document: Document) -> Mapping[str, Json]:
        """The files that a trigger names, by path."""
        for number, source in enumerate(file.source):
            if source.message and source.message.schema_file:
                at = ("source", number, "message", "schema")
                self._named(files.read_schema, self.schemas, source.message.schema_file, document, at)
        rollout = file.launch.online_deployment
        if rollout and rollout.smoke:
            place = ("launch", "online_deployment", "smoke")
            self._named(files.read_json, self.requests, rollout.smoke, document, place)
        return {**self.schemas, **self.requests}

    def _validators(self, file: TriggerFile, document: Document) -> Iterator[PlugIn]:
        """One that cannot be resolved has the empty text for its target."""
        for number, entry in enumerate(file.checks.validators if file.checks else ()):
            ((name, options),) = {entry: {}}.items() if isinstance(entry, str) else entry.items()
            given = cast("dict[str, Json]", options)
            found = self._plugin("validators", name, given, document, ("validate", "with", number))
            yield found or PlugIn(name=name, target="", package="", options=given)

    def _template(self, root: Path, name: str) -> files.Template:
        return files.read_template(root, name, self.elsewhere)

    def _plugin(
        self, group: plugins.Group, name: str, options: dict[str, Json], document: Document, at: At
    ) -> PlugIn | None:
        try:
            return plugins.resolve(group, name, options)
        except Unfit as error:
            self.problems.append(document.problem(at, error.code, f"{error}."))
            return None

    def _document(self, name: str) -> Document | None:
        try:
            return files.read_document(self.root, name)
        except ProjectError as error:
            self.problems.extend(error.problems)
            return None

    def _text(self, name: str) -> str:
        try:
            return files.read_text(self.root, name)
        except Unfit:
            return ""  # told when it was read as a document

    def _shaped(self, model: type[_M], document: Document) -> tuple[_M | None, Document]:
        """The model, and the document with the model's places."""
        self.problems.extend(untrusted.check(document))
        file, problems, document = validate(model, document, _HAVE_DEFAULTS)
        self.problems.extend(problems)
        return file, document

    def _named(
        self, read: Callable[[Path, str], _T], found: dict[str, _T], name: str, document: Document, at: At
    ) -> _T | None:
        if name not in found:
            try:
                found[name] = read(self.root, name)
            except Unfit as error:
                self.problems.append(document.problem(at, error.code, f"{error}."))
                return None
            except Unavailable as error:
                line, column = document.mark(at)
                told = f"{document.path}:{line}:{column}: {error}"
                raise Unavailable(told, code=error.code) from error
        return found[name]


def _without_wrong_environments(document: Document) -> ProjectFile | None:
    data = document.data
    told = data.get("environments") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(told, dict):
        return None
    right = {name: one for name, one in told.items() if _fits({"environments": {name: one}})}
    rest = {**data, "environments": right}
    return ProjectFile.model_validate(rest) if right and _fits(rest) else None


def _fits(data: dict[str, Json]) -> bool:
    try:
        ProjectFile.model_validate(data)
    except ValidationError:
        return False
    return True
