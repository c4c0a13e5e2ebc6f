"""A bundle: the zip that a cloud builds a function from.

| file                                | what it is                                                                  |
|-------------------------------------|-----------------------------------------------------------------------------|
| `main.py`, or `function_app.py`     | the entry point, by the name that the cloud looks for                       |
| `Procfile`                          | Google alone: the command of a service, which needs no functions-framework  |
| `host.json`                         | Azure alone: the settings of its Functions host                             |
| `compiled.json`                     | what `retrigger compile` writes for the environment: triggers and templates |
| `retrigger-VERSION-py3-none-any.whl`| what a function needs of retrigger                                          |
| other wheels                        | the packages of the project's plug-ins                                      |
| `requirements.txt`                  | those wheels, and all that they need, pinned with hashes                    |

The pins are those of the release: exported from its lock, shipped with it, and tested with it. They are not taken from
the environment that makes the bundle, which knows no hashes, may be of another platform, and differs between machines.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from retrigger.deploy.archive import archive
from retrigger.deploy.plugins import plugin_wheels
from retrigger.deploy.wheel import function_wheel
from retrigger.triggers.compiled import load

if TYPE_CHECKING:
    from collections.abc import Mapping

Cloud: TypeAlias = Literal["gcp", "azure"]
_COMPILED: Final = "compiled.json"
_ENTRY: Final = '''\
"""The entry point of a bundle. RETRIGGER_COMPILED may name another compiled project than the one beside it."""

import os
from pathlib import Path

os.environ.setdefault("RETRIGGER_COMPILED", str(Path(__file__).with_name("{compiled}")))

from {module} import {names}  # noqa: E402, F401
'''


@dataclass(frozen=True, slots=True)
class _Layout:
    """`entry` is the module that the cloud loads, `names` what it looks for there; `settings` are copied beside it."""

    entry: str
    names: str
    settings: tuple[str, ...] = ()


_LAYOUTS: Final[Mapping[Cloud, _Layout]] = {
    "gcp": _Layout("main", "events, main, tick", settings=("Procfile",)),
    "azure": _Layout("function_app", "functions", settings=("host.json",)),
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """`files` are the names in it, sorted. The same project and the same release give the same `data`."""

    environment: str
    files: tuple[str, ...]
    data: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def file_name(self) -> str:
        return f"retrigger-{self.environment}-{self.sha256[:12]}.zip"


def bundle(compiled: str, cloud: Cloud) -> Bundle:
    """From the text of a compiled project. RetriggerError `compiled_format` if it is none.

    And `plugin_not_bundled`, where the package of a plug-in cannot go along.
    """
    project = load(compiled)
    layout, functions = _LAYOUTS[cloud], f"retrigger.functions.{cloud}"
    entry = _ENTRY.format(compiled=_COMPILED, module=f"{functions}.{layout.entry}", names=layout.names)
    pins = files("retrigger.deploy").joinpath("pins", f"{cloud}.txt").read_text(encoding="utf-8")
    wheels = [function_wheel(_left_out(cloud)), *plugin_wheels(project, pins)]
    contents = {
        f"{layout.entry}.py": entry.encode(),
        _COMPILED: compiled.encode(),
        "requirements.txt": "".join([*(wheel.requirement for wheel in wheels), pins]).encode(),
        **{wheel.name: wheel.data for wheel in wheels},
        **{name: files(functions).joinpath(name).read_bytes() for name in layout.settings},
    }
    return Bundle(project.environment.name, tuple(sorted(contents)), archive(contents))


def _left_out(cloud: Cloud) -> set[str]:
    others = {f"retrigger.functions.{other}" for other in _LAYOUTS if other != cloud}
    return {"retrigger.triggers.authoring", *others}
