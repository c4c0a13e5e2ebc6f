"""Whether a document is a compiled pipeline that can be run: its shape, and that its references lead somewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from retrigger.local_emulator.runners.errors import PipelineError


def validate(spec: Any) -> None:
    """Errors: PipelineError if this is no PipelineSpec, or a task names a component or executor that it lacks."""
    components = _mapping(spec, "components", required=False)
    executors = _mapping(_mapping(spec, "deploymentSpec"), "executors", required=False)
    root = _mapping(spec, "root")
    _mapping(root, "dag")
    for where, component in [("root", root), *components.items()]:
        for name, definition in _definitions(component, where):
            if not isinstance(definition, Mapping):
                raise PipelineError(f"{where}: the definition of {name!r} is not an object")
        if "dag" in component:
            _check_tasks(where, component, components)
        elif component.get("executorLabel") not in executors:
            raise PipelineError(f"{where}: executor {component.get('executorLabel')!r} is not in deploymentSpec")


def _check_tasks(where: str, component: Mapping[str, Any], components: Mapping[str, Any]) -> None:
    for name, task in _mapping(_mapping(component, "dag"), "tasks").items():
        reference = _mapping(task, "componentRef").get("name")
        if reference not in components:
            raise PipelineError(f"{where}: task {name!r} names component {reference!r}, which is not there")


def _definitions(component: Any, where: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(component, Mapping):
        raise PipelineError(f"{where}: the component is not an object")
    for side in ("inputDefinitions", "outputDefinitions"):
        definitions = _mapping(component, side, required=False)
        for kind in ("parameters", "artifacts"):
            yield from _mapping(definitions, kind, required=False).items()


def _mapping(parent: Any, key: str, *, required: bool = True) -> Mapping[str, Any]:
    if not isinstance(parent, Mapping):
        raise PipelineError(f"not a compiled KFP v2 pipeline: the parent of {key!r} is not an object")
    found = parent.get(key, None if required else {})
    if not isinstance(found, Mapping):
        raise PipelineError(f"not a compiled KFP v2 pipeline: {key!r} is missing or not an object")
    return found
