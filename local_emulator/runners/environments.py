"""The Python environments of lightweight components: cached by their requirements, made with uv, usable offline.

A compiled lightweight component installs its packages with pip each time it runs. That bootstrap is not run here: the
requirements are read out of it and become an environment under `$XDG_CACHE_HOME/retrigger/envs`, made once.
Source of the bootstrap's form: `kfp.dsl.component_factory`.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrigger.local_emulator.runners.errors import PipelineError
from retrigger.local_emulator.runners.groups import last_line, run_in_group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_EXECUTOR = "-m kfp.dsl.executor_main"
_PIP_NOISE = ("--quiet", "--no-warn-script-location")


@dataclass(frozen=True, slots=True)
class Requirements:
    """Argument lists of `pip install`, in order; `kfp` is the version to add without its dependencies ("" = none)."""

    installs: tuple[tuple[str, ...], ...]
    kfp: str

    def commands(self) -> list[list[str]]:
        added = [[f"kfp=={self.kfp}", "--no-deps"]] if self.kfp else []
        return [*map(list, self.installs), *added]

    def __str__(self) -> str:
        named = [word for install in self.installs for word in install]
        return ", ".join([*named, f"kfp=={self.kfp}"] if self.kfp else named)


@dataclass(frozen=True, slots=True)
class Lightweight:
    """A lightweight component without its bootstrap: `program` runs kfp's executor in what `requirements` describe."""

    requirements: Requirements
    program: tuple[str, ...]


def lightweight(command: Sequence[str], sdk_version: str) -> Lightweight | None:
    """Read a container command; None if it is not that of a lightweight component.

    `sdk_version` is the pipeline's `sdkVersion` ("kfp-2.17.0"): the kfp to add if the component installs none.
    """
    if not any(_EXECUTOR in word for word in command):
        return None
    sdk = sdk_version.removeprefix("kfp-")
    if not (len(command) > 3 and command[1] == "-c" and "-m pip install" in command[2]):
        return Lightweight(Requirements((), sdk), tuple(command))
    installs, kfp = [], ""
    for install in _pip_installs(command[2]):
        pinned = next((word.removeprefix("kfp==") for word in install if word.startswith("kfp==")), "")
        if pinned and "--no-deps" in install:
            kfp = pinned
        else:
            installs.append(install)
    own_kfp = any(word.startswith("kfp") for install in installs for word in install)
    return Lightweight(Requirements(tuple(installs), kfp or ("" if own_kfp else sdk)), tuple(command[3:]))


def _pip_installs(script: str) -> list[tuple[str, ...]]:
    lexer = shlex.shlex(script, posix=True, punctuation_chars="&;|")
    lexer.whitespace_split = True
    lexer.commenters = ""
    words, installs = list(lexer), []
    for at in range(len(words) - 2):
        if words[at : at + 3] == ["-m", "pip", "install"]:
            rest = words[at + 3 :]
            end = next((i for i, word in enumerate(rest) if set(word) <= set("&;|")), len(rest))
            installs.append(tuple(word for word in rest[:end] if word not in _PIP_NOISE))
    return installs


def folder() -> Path:
    """Where the environments are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "retrigger" / "envs"


def interpreter(requirements: Requirements, python: str) -> str | None:
    """Return the interpreter that has these requirements, None if its environment must be created first.

    A component that needs nothing but the kfp that is installed here runs in the present environment.
    """
    if python == sys.executable and not requirements.installs and requirements.kfp == _installed_kfp():
        return python
    made = _place(requirements, python) / "bin" / "python"
    return str(made) if made.exists() else None


def create(requirements: Requirements, python: str, report: Callable[[str], None]) -> str:
    """Make the environment if it is not there, and return its interpreter.

    Safe for many processes at once: one builds under a lock, in a temporary name, and renames; what a killed builder
    left is cleared by the next. Errors: PipelineError if uv cannot install the requirements.
    """
    place = _place(requirements, python)
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            report(f"creating the environment of {requirements}")
            partial = place.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            _uv(["venv", "--relocatable", "--python", python, str(partial)], requirements)
            # Bytecode now, once: a task may run where writing it is switched off, and would compile pandas each time.
            install = ["pip", "install", "--compile-bytecode", "--python", str(partial / "bin" / "python")]
            for arguments in requirements.commands():
                _uv([*install, *arguments], requirements)
            partial.rename(place)
    return str(place / "bin" / "python")


async def ready(requirements: Requirements, python: str, log: Path) -> str:
    """Return the interpreter, and make its environment first if need be, in a process that a cancellation ends.

    `log` gets what is said meanwhile. Errors: PipelineError if it cannot be made.
    """
    found = interpreter(requirements, python)
    if found is None:
        recipe = json.dumps([requirements.installs, requirements.kfp, python])
        if await run_in_group([sys.executable, "-m", __name__, recipe], env=os.environ, cwd=log.parent, log=log) != 0:
            raise PipelineError(last_line(log))
        found = interpreter(requirements, python)
    if found is None:
        raise PipelineError(f"the environment of {requirements} vanished; run the pipeline again")
    return found


def prepare(
    wanted: Iterable[Requirements], python: str = sys.executable, report: Callable[[str], None] = lambda _: None
) -> None:
    """Create every environment that is wanted, so that no run waits for one.

    `report` gets a line for each one. Errors: PipelineError if one cannot be made.
    """
    for requirements in dict.fromkeys(wanted):
        if interpreter(requirements, python) is None:
            create(requirements, python, report)
        report(f"ready: {requirements}")


def requirements_of(spec: Mapping[str, Any]) -> list[Requirements]:
    """List what the lightweight components of a compiled pipeline need."""
    found = []
    for executor in spec.get("deploymentSpec", {}).get("executors", {}).values():
        component = lightweight(executor.get("container", {}).get("command", ()), spec.get("sdkVersion", ""))
        if component is not None:
            found.append(component.requirements)
    return found


def _place(requirements: Requirements, python: str) -> Path:
    recipe = json.dumps([requirements.commands(), os.path.realpath(python)])
    return folder() / hashlib.sha256(recipe.encode()).hexdigest()[:20]


def _installed_kfp() -> str | None:
    try:
        return importlib.metadata.version("kfp")
    except importlib.metadata.PackageNotFoundError:
        return None


def _uv(arguments: list[str], requirements: Requirements) -> None:
    from uv import find_uv_bin

    # In the cache folder, so that no uv.toml or pyproject.toml of the user's project has a say.
    done = subprocess.run(
        [find_uv_bin(), "--quiet", *arguments], cwd=folder(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        reason = " ".join(done.stderr.split()) or f"uv ended with status {done.returncode}"
        raise PipelineError(f"the environment of {requirements} cannot be made: {reason}")


def main() -> int:
    """Create one environment, for a job: the recipe, [installs, kfp, python], is the only argument."""
    installs, kfp, python = json.loads(sys.argv[1])
    try:
        create(Requirements(tuple(map(tuple, installs)), kfp), python, _say)
    except PipelineError as error:
        _say(str(error))
        return 1
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
