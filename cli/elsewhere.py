"""Another environment than the one whose ledger is read: the emulator, or one of the project here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from retrigger.cli.local import compiled_of, ledger_at, state_of
from retrigger.handlers.ledger import Ledger
from retrigger.handlers.wiring import records_of
from retrigger.triggers.authoring.compile import compile_project
from retrigger.triggers.authoring.problems import ProjectError
from retrigger.triggers.authoring.project import find_root, load_project
from retrigger.triggers.compiled import load
from retrigger.triggers.match import Index

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.compiled import Compiled
    from retrigger.triggers.environment import Environment

EMULATOR: Final = "local"


@dataclass(frozen=True)
class Target:
    """An environment as it is compiled now. `address`: its ledger's; `channels`: other environments' -> its own."""

    compiled: Compiled
    address: str
    channels: Mapping[str, str]
    is_emulator: bool

    @property
    def index(self) -> Index:
        return Index.from_json(self.compiled.index)

    @property
    def place(self) -> str:
        """Where its pipelines run."""
        environment = self.compiled.environment
        return environment.workspace or f"{environment.project}/{environment.location}"

    def confirm(self, what: str) -> None:
        """Ask before it costs money: the emulator's does not. Raises click.Abort for a no."""
        if not self.is_emulator:
            where = f"{self.compiled.environment.name}, at {self.place}"
            click.confirm(f"The next tick of {where}, launches what it can of {what}. Go on?", abort=True, err=True)

    def ledger(self) -> Ledger:
        """Not begun: it is only read until somebody has said yes."""
        environment = self.compiled.environment
        return Ledger(records_of(self.address, os.environ, environment.services), environment.name)


def environment_named(name: str, folder: Path | None) -> Target:
    """`local` is the emulator of the state folder, any other name one of the project's. Raises ProjectError, Usage."""
    if name == EMULATOR:
        state = state_of(folder)
        ledger_at(folder, None)  # it must have begun
        compiled = compiled_of(state)
        return Target(compiled, f"sqlite:{state.ledger}", _channels(_project_here(), compiled.environment), True)
    project = load_project(find_root(Path.cwd()))
    compiled = load(compile_project(project, name))
    return Target(compiled, compiled.environment.ledger, _channels(project, compiled.environment), False)


def _project_here() -> Project | None:
    """The project of this folder, if there is one: the emulator does without."""
    try:
        root = find_root(Path.cwd())
    except ProjectError:
        return None
    return load_project(root)


def _channels(project: Project | None, own: Environment) -> dict[str, str]:
    """Under which address a channel of any environment of the project is known in `own`."""
    return {
        address: own.channels[name].address
        for environment in (project.environments.values() if project else ())
        for name, channel in environment.channels.items()
        if name in own.channels
        for address in channel.addresses
    }
