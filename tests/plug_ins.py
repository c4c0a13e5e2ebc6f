"""Packages with plug-ins, installed as an installer leaves them: modules and a .dist-info in a folder on the path."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from tests.projects import write_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import pytest

WHEEL = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n"


class Site:
    """A folder of installed packages. What was imported from it is forgotten with the test."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        folder.mkdir()
        monkeypatch.syspath_prepend(str(folder))

    def install(
        self,
        name: str,
        points: Mapping[str, Mapping[str, str]],
        modules: Mapping[str, str],
        *,
        version: str = "1.0",
        requires: Iterable[str] = (),
        tag: str = "py3-none-any",
        editable: bool = False,
    ) -> None:
        """`points`: group -> entry point -> `module:attribute`; `modules`: file name -> text."""
        info = f"{name.replace('-', '_')}-{version}.dist-info"
        groups = (
            f"[retrigger.{group}]\n" + "".join(f"{key} = {value}\n" for key, value in named.items())
            for group, named in points.items()
        )
        needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
        files = {
            **modules,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
            f"{info}/WHEEL": WHEEL.format(tag=tag),
            f"{info}/INSTALLER": "tests\n",
            f"{info}/entry_points.txt": "\n".join(groups),
        }
        if editable:
            files[f"{info}/direct_url.json"] = json.dumps({"url": "file:///src", "dir_info": {"editable": True}})
        files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD", f"../../bin/{name}"])
        write_files(self.folder, files)
        for path in modules:
            # said before it is imported: the undoing takes the module away again
            module = path.removesuffix(".py").replace("/", ".")
            self._monkeypatch.setitem(sys.modules, module, None)
            self._monkeypatch.delitem(sys.modules, module)
        self._monkeypatch.syspath_prepend(str(self.folder))  # finders look again
