"""Where a command has templates from that live outside of the project: fetched anew, or the copies in it."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from retrigger.triggers.authoring.kept import Copy, Templates

_Command = TypeVar("_Command", bound="Callable[..., Any]")


def offline_option(command: _Command) -> _Command:
    """For commands that are about what is going to be deployed."""
    return click.option(
        "--offline", is_flag=True, help="Fetch no templates: take the copies of those that live elsewhere."
    )(command)


def templates_of(root: Path, *, offline: bool) -> Templates:
    """Those that the project in `root` names by an address."""
    from retrigger.triggers.authoring.kept import KeptTemplates

    return KeptTemplates(root) if offline else _WhenAsked(root)


class _WhenAsked:
    """Most projects name no such template, and need nothing of what fetches one."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, address: str) -> Copy:
        return self._fetching.read(address)

    @cached_property
    def _fetching(self) -> Templates:
        from retrigger.cli.templates import fetching

        return fetching(self._root, os.environ)
