"""What a project's folder holds for Azure ML, as the local one registers it when it starts.

In the cloud that is done once, by hand or by CI; on a laptop the YAML files of components, environments, models and
batch endpoints are read at every start, and code is used where it lies: what is changed there holds for the next run.
They are looked for in the folders below, and beside the project's pipelines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrigger.local_emulator import azureml_files
from retrigger.local_emulator.azureml_files import Unfit
from retrigger.local_emulator.planes.azureml.arm import parted
from retrigger.local_emulator.planes.azureml.endpoint_resources import is_name
from retrigger.local_emulator.planes.azureml.plane import Asset, Furniture, Put
from retrigger.triggers.launches import OnlineDeployment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.event import Json

_FOLDERS: Final = ("components", "environments", "models", "endpoints")
_SUFFIXES: Final = frozenset({".yaml", ".yml"})


def furniture_of(project: Project, environment: Environment) -> tuple[Furniture | None, tuple[str, ...]]:
    """What the environment's workspace is to hold, and a sentence for each file that cannot be registered there.

    Its stores are datastores of the same names, and the online endpoints that its triggers roll out to are there.
    """
    found = parted(environment.workspace)
    if found is None:
        return None, (f"the workspace {environment.workspace} is no resource id: its pipelines cannot run here",)
    templates = [project.templates[pipeline.template].document for pipeline in environment.pipelines.values()]
    folders = {(project.root / template.path).parent for template in templates}
    assets, puts, unfit = _read_files(project.root, folders)
    endpoints = _endpoints(project, environment)
    nameless = "the endpoint name {} is none that Azure ML has: 3 to 32 letters, digits and -, a letter first"
    furniture = Furniture(
        workspace=found[0],
        assets=assets,
        puts=puts,
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


def _read_files(root: Path, beside: Iterable[Path]) -> tuple[tuple[Asset, ...], tuple[Put, ...], tuple[str, ...]]:
    """Those of the project at `root`, and why others are none; `beside` are the folders of its pipelines."""
    assets: dict[tuple[str, str, str], Asset] = {}
    puts: dict[tuple[str, ...], Put] = {}
    unfit: list[str] = []
    for path in _files(root.resolve(), beside):
        try:
            one = azureml_files.read(path)
        except (Unfit, OSError, UnicodeDecodeError) as error:
            unfit.append(f"{path.relative_to(root.resolve())}: {error}")
            continue
        match one:
            case Asset():
                assets.setdefault((one.kind, one.name.lower(), one.version), one)
            case Put():
                puts.setdefault(one.path, one)
            case None:
                pass
    return tuple(assets.values()), tuple(puts[path] for path in sorted(puts, key=len)), tuple(unfit)


def _files(root: Path, beside: Iterable[Path]) -> list[Path]:
    below = [path for folder in _FOLDERS for path in (root / folder).rglob("*")]
    near = [path for folder in beside for path in folder.iterdir()]
    files = {path.resolve() for path in (*below, *near) if path.suffix in _SUFFIXES and path.is_file()}
    return sorted(path for path in files if path.is_relative_to(root))
