"""From what was submitted to what is run: components, environments, code and data are looked up once, when a job comes.

What is submitted is in REST's spelling or in YAML's, `componentId` or `component`, `jobInputType` or `job_input_type`:
the SDK itself sends both, at different depths.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import yaml

from retrigger.local_emulator.planes.azureml.addresses import Addresses, version_of
from retrigger.local_emulator.planes.azureml.arm import Workspace, parted
from retrigger.local_emulator.planes.resources import Body, Invalid
from retrigger.local_emulator.runners.azureml.pipelines import (
    Command,
    Declared,
    Given,
    Kept,
    OnlyInAzure,
    Pipeline,
    Step,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.local_emulator.planes.resources import Resources
    from retrigger.local_emulator.runners.azureml.pipelines import Component

_REFERENCE = re.compile(r"(?:azureml:)?([^:@/]+)(?::([^:@/]+)|@latest)")
_REGISTRY = re.compile(
    r"azureml://registries/[^/]+/(?:components|environments|models|codes)/([^/]+)/(?:versions/([^/]+)|labels/latest)"
)
_BINDING = re.compile(r"\$\{\{\s*(parent\.outputs\.[^{}]+?)\s*\}\}")
_DURATION = re.compile(r"PT(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9})S)?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,254}")
_DEPTH = 10


@dataclass(frozen=True, slots=True)
class Resolver:
    """Looks things up in one workspace. Every method raises Invalid for what is not there or cannot be read."""

    resources: Resources
    addresses: Addresses
    workspace: Workspace

    def pipeline(self, job: str, properties: Mapping[str, Any]) -> Pipeline:
        """The pipeline of a job: the one that it holds, or the component that it names."""
        settings = _mapping(properties.get("settings"), "settings")
        goes_on = settings.get("continue_on_step_failure") is not False
        if component := properties.get("componentId"):
            found = self._component(str(component), 0)
            if not isinstance(found, Pipeline):
                raise Invalid(f"{component} is no pipeline component, as a job of the type Pipeline needs.")
            return replace(found, goes_on=goes_on)
        declared = {
            name: Declared(type=given.type if given.uri else "", optional=True)
            for name, given in self.given(properties.get("inputs")).items()
        }
        return Pipeline(job, self._steps(properties.get("jobs"), 0), declared, goes_on=goes_on)

    def has_component(self, reference: str) -> bool:
        """Tell whether a component is registered."""
        return self.registered("components", reference) is not None

    def given(self, inputs: Any) -> dict[str, Given]:
        return {name: self._given(name, item) for name, item in _by_name(inputs, "inputs").items()}

    def kept(self, outputs: Any) -> dict[str, Kept]:
        return {name: self._kept(name, item) for name, item in _by_name(outputs, "outputs").items()}

    def _steps(self, jobs: Any, depth: int) -> dict[str, Step]:
        steps = {name: self._step(name, item, depth) for name, item in _by_name(jobs, "jobs").items()}
        if not steps:
            raise Invalid("The pipeline has no jobs.")
        return steps

    def _step(self, name: str, job: Any, depth: int) -> Step:
        told = _mapping(job, f"jobs.{name}")
        reference, kind = told.get("componentId") or told.get("component"), str(told.get("type") or "command")
        if isinstance(reference, str):
            component = self._component(reference, depth)
        elif kind in ("command", "pipeline"):
            raise Invalid(f"jobs.{name} names no component: register one, and refer to it as azureml:NAME:VERSION.")
        else:
            component = OnlyInAzure(name, kind)
        if isinstance(component, OnlyInAzure):
            return Step(component)
        if isinstance(component, Command):
            given = variables(told.get("environment_variables"))
            component = replace(component, variables={**component.variables, **given})
        inputs, outputs = self.given(told.get("inputs")), self.kept(told.get("outputs"))
        return Step(component, inputs, outputs, _timeout(told.get("limits")))

    def _component(self, reference: str, depth: int) -> Component:
        if depth > _DEPTH:
            raise Invalid(f"Pipelines are nested more than {_DEPTH} deep; does one hold itself?")
        body = self.registered("components", reference)
        if body is None:
            raise Invalid(
                f"{reference} is not registered: put the component's YAML into components/ of the project, with this "
                "name and version, or register it with the workspace."
            )
        spec = _mapping(body["properties"].get("componentSpec"), "componentSpec")
        name, kind = str(spec.get("name") or reference), str(spec.get("type") or "command")
        inputs, outputs = (_declared(spec.get(side), side) for side in ("inputs", "outputs"))
        match kind:
            case "command":
                return self._command(name, spec, inputs, outputs)
            case "pipeline":
                return Pipeline(name, self._steps(spec.get("jobs"), depth + 1), inputs, outputs)
            case _:
                return OnlyInAzure(name, kind)

    def _command(
        self, name: str, spec: Body, inputs: Mapping[str, Declared], outputs: Mapping[str, Declared]
    ) -> Command:
        command = spec.get("command")
        if not isinstance(command, str):
            raise Invalid(f"The component {name} has no command.")
        environment, conda = self.environment(spec.get("environment"))
        code = spec.get("code")
        return Command(
            name=name,
            command=command,
            inputs=inputs,
            outputs=outputs,
            code=self.addresses.read(self.workspace, str(code)) if code else "",
            environment=environment,
            conda=conda,
            variables=variables(spec.get("environment_variables")),
        )

    def environment(self, told: Any) -> tuple[str, str]:
        """Its name, and its conda file as text, "" if it has none or nobody registered it here."""
        if isinstance(told, dict):
            conda = told.get("conda_file") or told.get("condaFile") or ""
            return str(told.get("name") or "of its own"), conda if isinstance(conda, str) else yaml.safe_dump(conda)
        if not told:
            return "", ""
        body = self.registered("environments", str(told))
        conda = body["properties"].get("condaFile") if body else None
        return str(told), str(conda or "")

    def registered(self, kind: str, reference: str) -> Body | None:
        """A version of an asset. Those of registries are looked for in the workspace: it stands in for them."""
        if (found := parted(reference.removeprefix("azureml:"))) is not None:
            workspace, path = found
            match path:
                case (said, name, "versions", version) if said.lower() == kind:
                    return version_of(self.resources, workspace, kind, name, version)
                case (said, name, "labels", "latest") if said.lower() == kind:
                    return version_of(self.resources, workspace, kind, name, None)
        short = _REFERENCE.fullmatch(reference) or _REGISTRY.fullmatch(reference)
        return version_of(self.resources, self.workspace, kind, short[1], short[2]) if short else None

    def _given(self, name: str, item: Any) -> Given:
        if not isinstance(item, dict):
            return Given(None if item is None else _text(item))
        uri = item.get("uri") or item.get("path")
        type_ = str(item.get("jobInputType") or item.get("job_input_type") or item.get("type") or "")
        if isinstance(uri, str) and uri:
            return Given(value=uri) if "${{" in uri else Given(uri=self._read(name, uri), type=type_)
        value = item.get("value", item.get("default"))
        return Given(None if value is None else _text(value))

    def _kept(self, name: str, item: Any) -> Kept:
        told = {"value": item} if isinstance(item, str) else _mapping(item, f"outputs.{name}")
        uri = told.get("value") or told.get("uri") or told.get("path") or ""
        if (bound := _BINDING.fullmatch(str(uri).strip())) is not None:
            return Kept(binding=bound[1])
        type_ = told.get("jobOutputType") or told.get("job_output_type") or told.get("type") or ""
        return Kept(
            uri=self._read(name, str(uri)) if uri else "",
            type="" if type_ == "literal" else str(type_),
            asset=str(told.get("assetName") or told.get("name") or ""),
            version=str(told.get("assetVersion") or told.get("version") or ""),
        )

    def _read(self, name: str, uri: str) -> str:
        try:
            return self.addresses.read(self.workspace, uri)
        except Invalid as error:
            raise Invalid(f"{name}: {error}") from error


def variables(told: Any) -> dict[str, str]:
    return {name: _text(value) for name, value in _mapping(told, "environment_variables").items()}


def _timeout(limits: Any) -> int | None:
    """Seconds: as YAML says it, or as ISO 8601 does (`PT1H30M`), which is REST's way."""
    told = _mapping(limits, "limits").get("timeout")
    if told is None or isinstance(told, int):
        return told
    found = _DURATION.fullmatch(str(told))
    if found is None:
        raise Invalid(f"limits.timeout is {str(told)[:80]!r}: write it as PT1H30M, or in seconds.")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def _declared(told: Any, side: str) -> dict[str, Declared]:
    found = {}
    for name, about in _by_name(told, side).items():
        item = about if isinstance(about, dict) else {}
        default = item.get("default")
        found[name] = Declared(
            type=str(item.get("type") or ("string" if side == "inputs" else "uri_folder")).lower(),
            default=None if default is None else _text(default),
            optional=str(item.get("optional", False)).lower() == "true",
        )
    return found


def _mapping(told: Any, what: str) -> Body:
    if told is None:
        return {}
    if not isinstance(told, dict):
        raise Invalid(f"`{what[:80]}` must be an object.")
    return told


def _by_name(told: Any, what: str) -> Body:
    """Steps, inputs or outputs: what they are called becomes part of places and of commands."""
    found = _mapping(told, what)
    for name in found:
        if not _NAME.fullmatch(name):
            raise Invalid(f"{name[:80]!r} in `{what}` is no name: a letter or _, then letters, digits, _, - and dots.")
    return found


def _text(value: Any) -> str:
    """A literal as the SDK writes it: str(value), True and False included."""
    return str(value)
