"""The packages of a conda file, as pip takes them: an environment of Azure ML on a machine without conda.

Source: https://docs.conda.io/projects/conda/en/latest/user-guide/tasks/manage-environments.html. Conda's own packages
are taken from the package index under the same name: most that Python imports have one there. Channels are not read,
and `python=…` is not obeyed: steps run with the emulator's Python.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from retrigger.local_emulator.runners.environments import Requirements
from retrigger.local_emulator.runners.errors import PipelineError

_CONDA = re.compile(r"(?:[\w.-]+::)?([\w.-]+)\s*(.*)")
_NOT_PACKAGES = frozenset({"python", "pip"})


def requirements(text: str) -> Requirements:
    """Errors: PipelineError if the text is no conda file."""
    try:
        told = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PipelineError(f"the conda file is no YAML: {str(error).splitlines()[0]}") from error
    listed = told.get("dependencies", []) if isinstance(told, dict) else None
    if not isinstance(listed, list):
        raise PipelineError("the conda file has no list of `dependencies`")
    words = [word for item in listed for word in _pip(item)]
    return Requirements((tuple(words),) if words else (), "")


def _pip(item: Any) -> list[str]:
    match item:
        case str():
            return _of_conda(item)
        case {"pip": list() as words} if all(isinstance(word, str) for word in words):
            return [part for word in words for part in options(word)]
        case _:
            raise PipelineError(f"the conda file has a dependency that cannot be read: {str(item)[:80]!r}")


def options(word: str) -> list[str]:
    """`--extra-index-url https://…` is one line of a conda file and two arguments of pip."""
    return word.split(None, 1) if word.startswith("-") else [word]


def _of_conda(spec: str) -> list[str]:
    """`numpy`, `numpy=1.26` (any 1.26), `numpy==1.26.4=build`, `numpy>=1.26`."""
    found = _CONDA.fullmatch(spec.strip())
    if found is None:
        raise PipelineError(f"the conda file has a dependency that cannot be read: {spec[:80]!r}")
    name, version = found[1], found[2].strip()
    if name in _NOT_PACKAGES:
        return []
    if version.startswith("==") or not version.startswith("="):
        exact = version.startswith("==")
        return [name + ("==" + version[2:].partition("=")[0] if exact else version)]
    plain = version[1:].partition("=")[0].removesuffix(".*").removesuffix("*")
    return [f"{name}=={plain}.*"]
