"""From an error to what is said of it: one clear message with the next step, and an exit code. No traceback."""

from __future__ import annotations

import errno
from typing import IO, Any, Final

import click

from retrigger.cli.render import visible
from retrigger.triggers.errors import ExpressionError, Malformed, ProjectError, Refused, RetriggerError, Unavailable

NO: Final = 1
USAGE: Final = 2
FAILED: Final = 3


class Told(click.ClickException):
    """Ends a command with a message on stderr."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code

    def show(self, file: IO[Any] | None = None) -> None:
        del file
        lines = "\n".join(visible(line) for line in self.format_message().splitlines())
        click.echo(f"{click.style('error', fg='red')}: {lines}", err=True)


def told(error: Exception) -> Exception:
    """What to raise in place of `error`; itself where click knows what to do with it."""
    match error:
        case click.ClickException() | click.exceptions.Exit() | click.Abort():
            return error
        case OSError(errno=errno.EPIPE):
            return error  # the reader of a pipe has seen enough
        case ProjectError():
            head = "the project has a problem" if len(error.problems) == 1 else "the project has problems"
            return Told(f"{head}; `retrigger check` shows where:\n{error}", NO)
        case Unavailable():
            return Told(str(error), FAILED)
        case Malformed() | ExpressionError() | Refused():
            return Told(str(error), NO)
        case RetriggerError():
            return Told(str(error), USAGE)
        case ModuleNotFoundError(name=str(name)):
            return Told(f"{name} is not installed: pip install 'retrigger[emulator]'", USAGE)
        case OSError(filename=name, strerror=str(reason)):
            return Told(f"{name}: {reason}" if name else reason, USAGE)
        case _:
            said = f"{type(error).__name__}: {error}"
            return Told(f"this should not have happened ({said}); `retrigger --debug COMMAND` shows where", FAILED)
