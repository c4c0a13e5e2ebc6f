"""A bundle as a cloud has it: unpacked, its requirements installed in an environment of their own, and served."""

from __future__ import annotations

import io
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

import retrigger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.deploy.bundle import Bundle

_NOT_CACHED = "may only be read from the cache"
# Ends with its standard input, as a FunctionsHost asks for: the framework does not read it.
_GUARDED = 'cd "$0" && PORT="$1" && export PORT && {command} & cat >/dev/null; kill -9 0'
# The worker and its host are the platform's: they come after everything of the bundle. What is imported of retrigger's
# other packages is the bundle's own, or is not there.
_WORKER = """
import sys, pathlib
folder, port, libraries, emulator = sys.argv[1:]
sys.path += [libraries]
import retrigger
retrigger.__path__.append(emulator)
from retrigger.local_emulator.hosts.azure_worker import main
main(pathlib.Path(folder), int(port))
"""


@dataclass(frozen=True)
class Unpacked:
    """`folder` is what the zip holds, `python` the interpreter of the environment that its requirements made."""

    folder: Path
    python: Path

    @classmethod
    def of(cls, bundle: Bundle, place: Path) -> Unpacked:
        """Skips the test where the packages are not in uv's cache: `make setup` puts them there."""
        folder, environment = place / "unpacked", place / "environment"
        with zipfile.ZipFile(io.BytesIO(bundle.data)) as zipped:
            zipped.extractall(folder)
        unpacked = cls(folder, environment / "bin" / "python")
        uv = [find_uv_bin(), "--quiet", "--offline"]
        subprocess.run([*uv, "venv", "--python", sys.executable, str(environment)], cwd=folder, check=True)
        install = ["pip", "install", "--python", str(unpacked.python), "--requirement", "requirements.txt"]
        done = subprocess.run([*uv, *install], cwd=folder, capture_output=True, text=True, check=False)
        if _NOT_CACHED in done.stderr:
            pytest.skip("the requirements are not in uv's cache: run `make setup`")
        assert done.returncode == 0, done.stderr
        return unpacked

    def run(self, program: str) -> str:
        """What a program prints that runs in the folder, with nothing but the environment's packages."""
        done = subprocess.run(
            [str(self.python), "-c", program], cwd=self.folder, env={}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@dataclass(frozen=True)
class CloudRun:
    """What the image of a Cloud Run function or service starts, with its variables, but on loopback alone.

    A function is started by the framework's command, a service (`service`) by what stands in the Procfile.
    """

    unpacked: Unpacked
    endpoints: Mapping[str, str] = field(repr=False)
    service: bool = False

    @property
    def source(self) -> Path:
        return self.unpacked.folder / "main.py"

    @property
    def environment(self) -> Mapping[str, str]:
        path = {"PATH": f"{self.unpacked.python.parent}:/usr/bin:/bin", "HOST": "127.0.0.1"}
        return path | ({} if self.service else {"FUNCTION_TARGET": "main"}) | dict(self.endpoints)

    def command(self, port: int) -> list[str]:
        command = "functions-framework"
        if self.service:
            command = (self.unpacked.folder / "Procfile").read_text(encoding="utf-8").removeprefix("web:").strip()
        return ["sh", "-c", _GUARDED.format(command=command), str(self.unpacked.folder), str(port)]


@dataclass(frozen=True)
class FunctionsWorker:
    """Microsoft's worker library over the unpacked folder."""

    unpacked: Unpacked

    @property
    def source(self) -> Path:
        return self.unpacked.folder / "function_app.py"

    @property
    def environment(self) -> Mapping[str, str]:
        return {"PATH": "/usr/bin:/bin", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}

    def command(self, port: int) -> list[str]:
        libraries, emulator = sysconfig.get_path("purelib"), Path(retrigger.__file__).parent
        arguments = [str(self.unpacked.folder), str(port), libraries, str(emulator)]
        return [str(self.unpacked.python), "-c", _WORKER, *arguments]
