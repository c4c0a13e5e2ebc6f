"""An environment for each variant of the cold start, in build/: what its function needs is installed, and nothing else.

Versions are those of uv.lock, bytecode is compiled. One that exists is used again, and brought up to date with ours.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from uv import find_uv_bin

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT: Final = Path(__file__).parents[2]
_BUILD: Final = ROOT / "build"
_PINS: Final = _BUILD / "bench-pins.txt"
_NETWORK: Final = "may only be read from the cache"


class NotCached(Exception):
    """Something of an environment is not on this machine yet; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Environment:
    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> Path:
        """Where its modules lie."""
        return self.folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def pin() -> None:
    """Write down the versions that `environment` takes."""
    _BUILD.mkdir(exist_ok=True)
    everything = ["--all-groups", "--all-extras", "--no-emit-project", "--no-hashes", "--no-header", "--no-annotate"]
    _uv("export", "--frozen", "--offline", *everything, "--output-file", str(_PINS))


def environment(name: str, packages: Iterable[str], *, alone: Iterable[str] = (), offline: bool = False) -> Environment:
    """One with these packages and all that they need; of those `alone` the package without its needs.

    Raises NotCached if it may not ask the package index, and would have to.
    """
    made = Environment(_BUILD / f"bench-{name}")
    if not made.python.exists():
        _uv("venv", "--python", sys.executable, str(made.folder))
    install = ["pip", "install", "--compile-bytecode", "--python", str(made.python), "--constraint", str(_PINS)]
    install += ["--offline"] if offline else []
    _uv(*install, *packages)
    if alone:
        _uv(*install, "--no-deps", *alone)
    return made


def _uv(*arguments: str) -> None:
    compiling = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [find_uv_bin(), "--quiet", *arguments], cwd=ROOT, env=compiling, capture_output=True, text=True, check=False
    )
    if _NETWORK in done.stderr:
        message = "the packages of a variant are not in uv's cache: run `python -m tests.benchmarks cold_start` once"
        raise NotCached(message)
    if done.returncode != 0:
        raise RuntimeError(f"uv {arguments[0]} failed:\n{done.stderr}")
