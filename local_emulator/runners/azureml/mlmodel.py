"""What an `MLmodel` file says of a model of MLflow: which module loads it, and what that needs.

Source: https://mlflow.org/docs/latest/ml/model, the flavour `python_function`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from retrigger.local_emulator.runners.azureml import conda
from retrigger.local_emulator.runners.environments import Requirements
from retrigger.local_emulator.runners.errors import PipelineError

if TYPE_CHECKING:
    from pathlib import Path

_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Flavour:
    """`data` is what the loader is given; `code` is a folder of modules, None if the model brings none."""

    loader: str
    data: Path
    code: Path | None
    requirements: Requirements


def read(model: Path) -> Flavour:
    """Errors: PipelineError if the folder is no model of MLflow that Python loads."""
    file = model / "MLmodel"
    if not file.is_file():
        raise PipelineError(
            "the model has no MLmodel file, so nobody knows how to load it: give the deployment a code_configuration"
        )
    flavours = _mapping(file).get("flavors")
    told = flavours.get("python_function") if isinstance(flavours, dict) else None
    if not isinstance(told, dict) or not isinstance(told.get("loader_module"), str):
        raise PipelineError("the model's MLmodel has no flavour python_function with a loader_module")
    return Flavour(
        loader=told["loader_module"],
        data=model / str(told["data"]) if told.get("data") else model,
        code=model / str(told["code"]) if told.get("code") else None,
        requirements=_requirements(model, told.get("env")),
    )


def _requirements(model: Path, env: Any) -> Requirements:
    """Those of requirements.txt, else those of the conda file; none if the model has neither."""
    listed = model / "requirements.txt"
    if listed.is_file():
        lines = (line.partition("#")[0].strip() for line in listed.read_text(encoding="utf-8").splitlines())
        words = tuple(word for line in lines if line for word in conda.options(line))
        return Requirements((words,) if words else (), "")
    name = env.get("conda") if isinstance(env, dict) else env
    if isinstance(name, str) and (model / name).is_file():
        return conda.requirements((model / name).read_text(encoding="utf-8"))
    return Requirements((), "")


def _mapping(file: Path) -> dict[str, Any]:
    if file.stat().st_size > _MAX:
        raise PipelineError(f"{file.name} is larger than {_MAX} bytes")
    try:
        told = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PipelineError(f"{file.name} is no YAML: {str(error).splitlines()[0]}") from error
    return told if isinstance(told, dict) else {}
