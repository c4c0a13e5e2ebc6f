"""The components and environments of a project's folder, as the local Azure ML registers them when it starts.

In the cloud they are registered once, by hand or by CI; on a laptop their YAML files are read at every start, and a
component's code is used where it lies: what is changed there holds for the next run. Files are looked for under
`components/` and `environments/` of the project, and beside its pipelines. Shapes:
https://learn.microsoft.com/azure/machine-learning/reference-yaml-component-command, and …/reference-yaml-environment.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

import yaml

from retrigger.local_emulator.planes.azureml.arm import parted
from retrigger.local_emulator.planes.azureml.endpoint_resources import is_name
from retrigger.local_emulator.planes.azureml.plane import Asset, Furniture
from retrigger.triggers.authoring.files import MAX_TEXT
from retrigger.triggers.launches import OnlineDeployment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Environment

_FOLDERS: Final = ("components", "environments")
_SUFFIXES: Final = frozenset({".yaml", ".yml"})
_BODIES: Final = ("command", "jobs", "task")


class Unfit(Exception):
    """Why a file cannot be registered; the message says what to do."""


def furniture_of(project: Project, environment: Environment) -> tuple[Furniture | None, tuple[str, ...]]:
    """What the environment's workspace is to hold, and a sentence for each file that cannot be registered there.

    Its stores are datastores of the same names, and the online endpoints that its triggers roll out to are there.
    """
    found = parted(environment.workspace)
    if found is None:
        return None, (f"the workspace {environment.workspace} is no resource id: its pipelines cannot run here",)
    templates = [project.templates[pipeline.template].document for pipeline in environment.pipelines.values()]
    folders = {(project.root / template.path).parent for template in templates}
    assets, unfit = _read_assets(project.root, folders)
    endpoints = _endpoints(project, environment)
    nameless = "the endpoint name {} is none that Azure ML has: 3 to 32 letters, digits and -, a letter first"
    furniture = Furniture(
        workspace=found[0],
        assets=assets,
        components=tuple(sorted({name for template in templates for name in _references(template.data)})),
        datastores={name: (str(store.account), store.bucket) for name, store in environment.stores.items()},
        endpoints=tuple(filter(is_name, endpoints)),
    )
    return furniture, (*unfit, *(nameless.format(name) for name in endpoints if not is_name(name)))


def _endpoints(project: Project, environment: Environment) -> tuple[str, ...]:
    """The platform's names of the online endpoints that some trigger rolls out to."""
    launches = (trigger.launch for trigger in project.triggers)
    named = {launch.endpoint for launch in launches if isinstance(launch, OnlineDeployment)}
    return tuple(sorted(environment.endpoints[name].name for name in named if name in environment.endpoints))


def _references(pipeline: Json) -> Iterator[str]:
    """The components that the steps of a pipeline name, as they are written there."""
    jobs = pipeline.get("jobs") if isinstance(pipeline, dict) else None
    for step in jobs.values() if isinstance(jobs, dict) else ():
        component = step.get("component") if isinstance(step, dict) else None
        if isinstance(component, str):
            yield component


def _read_assets(root: Path, beside: Iterable[Path]) -> tuple[tuple[Asset, ...], tuple[str, ...]]:
    """Those of the project at `root`, and why others are none; `beside` are the folders of its pipelines."""
    found: dict[tuple[str, str, str], Asset] = {}
    unfit: list[str] = []
    for path in _files(root.resolve(), beside):
        try:
            one = _read(path)
        except (Unfit, OSError, UnicodeDecodeError) as error:
            unfit.append(f"{path.relative_to(root.resolve())}: {error}")
        else:
            if one is not None:
                found.setdefault((one.kind, one.name.lower(), one.version), one)
    return tuple(found.values()), tuple(unfit)


def _files(root: Path, beside: Iterable[Path]) -> list[Path]:
    below = [path for folder in _FOLDERS for path in (root / folder).rglob("*")]
    near = [path for folder in beside for path in folder.iterdir()]
    files = {path.resolve() for path in (*below, *near) if path.suffix in _SUFFIXES and path.is_file()}
    return sorted(path for path in files if path.is_relative_to(root))


def _read(path: Path) -> Asset | None:
    """A component or an environment; None for any other YAML file. Errors: Unfit."""
    told = _document(path)
    schema = str(told.get("$schema", ""))
    if schema.endswith("Component.schema.json") or (not schema and "name" in told and _has_body(told)):
        return _component(path, told)
    if schema.endswith("environment.schema.json") or (not schema and "name" in told and "image" in told):
        return replace(_named("environments", told), properties=_environment(path, told))
    return None


def _has_body(told: Mapping[str, Any]) -> bool:
    return any(name in told for name in _BODIES) and "version" in told


def _document(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_TEXT:
        raise Unfit(f"it is larger than {MAX_TEXT >> 20} MiB")
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise Unfit(f"it is no YAML: {str(error).splitlines()[0]}") from error
    return told if isinstance(told, dict) else {}


def _named(kind: Literal["components", "environments"], told: Mapping[str, Any]) -> Asset:
    for field in ("name", "version"):
        if not isinstance(told.get(field), str | int | float):
            raise Unfit(f"it has no {field}; write the one that the pipeline refers to")
    return Asset(kind=kind, name=str(told["name"]), version=str(told["version"]), properties={})


def _component(path: Path, told: dict[str, Any]) -> Asset:
    spec = dict(told)
    if (code := _local(told.get("code"))) is not None:
        spec["code"] = _existing(path, code).as_uri()
    environment = told.get("environment")
    if (file := _local(environment)) is not None:
        environment = _document(_existing(path, file))
        spec["environment"] = _environment(_existing(path, file), environment)
    elif isinstance(environment, dict):
        spec["environment"] = _environment(path, environment)
    jobs = told.get("jobs")
    if isinstance(jobs, dict):
        spec["jobs"] = {name: _step(path, step) for name, step in jobs.items()}
    return replace(_named("components", told), properties={"componentSpec": spec})


def _environment(path: Path, told: Mapping[str, Any]) -> dict[str, Json]:
    """Its conda file as text, whether it stands there or is named."""
    conda = told.get("conda_file")
    if isinstance(conda, str):
        text = _existing(path, conda).read_text(encoding="utf-8")
    else:
        text = yaml.safe_dump(conda) if conda else ""
    return {"name": str(told.get("name", "")), "image": str(told.get("image", "")), "condaFile": text}


def _step(path: Path, step: Any) -> Any:
    """A step of a pipeline component: a component that it names by its file, it names by name and version then."""
    file = _local(step.get("component")) if isinstance(step, dict) else None
    if file is None:
        return step
    named = _named("components", _document(_existing(path, file)))
    return {**step, "component": f"azureml:{named.name}:{named.version}"}


def _local(reference: Any) -> str | None:
    """A path in a YAML file, with or without `file:`; None for what refers to a registered asset, or to nothing."""
    if not isinstance(reference, str) or reference.startswith(("azureml:", "git", "http")):
        return None
    return reference.removeprefix("file:")


def _existing(path: Path, name: str) -> Path:
    found = (path.parent / name).resolve()
    if not found.exists():
        raise Unfit(f"there is no {name}, which it names; check the path")
    return found
