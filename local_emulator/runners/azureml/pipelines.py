"""A pipeline job of Azure ML in the form in which it is run: nothing in it refers to a registry any more.

The control plane makes it of what was submitted and what is registered; a job's process reads it from `request.json`.
Addresses are those of Azure (`https://ACCOUNT.blob.core.windows.net/…`) or of a local file (`file:///…`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from retrigger.local_emulator.runners.request import FILE
from retrigger.local_emulator.state import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BLOB_ENDPOINT: Final = "RETRIGGER_BLOB_ENDPOINT"
"""The variable that tells a job's process where the emulator serves Blob."""


@dataclass(frozen=True, slots=True)
class Declared:
    """An input or output of a component: `type` is string, number, integer, boolean or a type of data."""

    type: str = "string"
    default: str | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """What an input is given: data at `uri`, or a text, in which there may be bindings (`${{parent.inputs.x}}`)."""

    value: str | None = None
    uri: str = ""
    type: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """What becomes of an output: it is the pipeline's (`binding`), lies at `uri`, or where outputs lie by default.

    With `asset` it is registered under that name when its job succeeds; `version` is "" for the next one.
    """

    binding: str = ""
    uri: str = ""
    type: str = ""
    asset: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """A command component. `code` is the address of a folder ("" = none), `conda` the text of a conda file ("" = none).

    `environment` is the environment's name, to be told; `variables` are environment variables.
    """

    name: str
    command: str
    inputs: Mapping[str, Declared] = field(default_factory=dict)
    outputs: Mapping[str, Declared] = field(default_factory=dict)
    code: str = ""
    environment: str = ""
    conda: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OnlyInAzure:
    """A step that cannot run here: `kind` is automl, spark, sweep, parallel or the like."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Step:
    """One job of a pipeline. `timeout` is how many seconds its command may take, None for any."""

    component: Command | Pipeline | OnlyInAzure
    inputs: Mapping[str, Given] = field(default_factory=dict)
    outputs: Mapping[str, Kept] = field(default_factory=dict)
    timeout: int | None = None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A graph of steps. `goes_on`: a step that failed stops only those that need it, not all that have not begun."""

    name: str
    steps: Mapping[str, Step]
    inputs: Mapping[str, Declared] = field(default_factory=dict)
    outputs: Mapping[str, Declared] = field(default_factory=dict)
    goes_on: bool = True


Component: TypeAlias = Command | Pipeline | OnlyInAzure
_KINDS: Mapping[str, type[Component]] = {"command": Command, "pipeline": Pipeline, "only_in_azure": OnlyInAzure}
_NAMES = {kind: name for name, kind in _KINDS.items()}


@dataclass(frozen=True, slots=True)
class PipelineRequest:
    """One run. `name` is the job's ARM id, `store` the address of the folder below which outputs lie by default.

    `experiment` is told to the steps; `clock` is the path of the emulator's clock ("" = the host's time).
    """

    name: str
    experiment: str
    pipeline: Pipeline
    inputs: Mapping[str, Given]
    outputs: Mapping[str, Kept]
    store: str
    clock: str = ""

    @property
    def job_id(self) -> str:
        return self.name.rsplit("/", 1)[-1]

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "pipeline": _component_json(self.pipeline)}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> PipelineRequest:
        pipeline = _component(told["pipeline"])
        assert isinstance(pipeline, Pipeline)
        inputs, outputs = _each(Given, told["inputs"]), _each(Kept, told["outputs"])
        return cls(**{**told, "pipeline": pipeline, "inputs": inputs, "outputs": outputs})

    def write(self, folder: Path) -> None:
        write_atomically(folder / FILE, json.dumps(self.as_json()))

    @classmethod
    def read(cls, folder: Path) -> PipelineRequest:
        """Errors: FileNotFoundError if the folder holds no request."""
        return cls.from_json(json.loads((folder / FILE).read_text(encoding="utf-8")))


def _component_json(component: Component) -> dict[str, Any]:
    told = {"is": _NAMES[type(component)], **asdict(component)}
    if isinstance(component, Pipeline):
        for name, step in component.steps.items():
            told["steps"][name]["component"] = _component_json(step.component)
    return told


def _component(told: Mapping[str, Any]) -> Component:
    fields = {name: value for name, value in told.items() if name != "is"}
    for side in ("inputs", "outputs"):
        if side in fields:
            fields[side] = _each(Declared, fields[side])
    if "steps" in fields:
        fields["steps"] = {name: _step(step) for name, step in fields["steps"].items()}
    return _KINDS[told["is"]](**fields)


def _step(told: Mapping[str, Any]) -> Step:
    inputs, outputs = _each(Given, told["inputs"]), _each(Kept, told["outputs"])
    return Step(_component(told["component"]), inputs, outputs, told["timeout"])


def _each(kind: type[Any], told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: kind(**fields) for name, fields in told.items()}
