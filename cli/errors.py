"""From an error to what is said of it: one clear message with the next step, and an exit code. No traceback."""

from __future__ import annotations

import errno
from typing import IO, Any, Final

import click

from retrigger.cli.render import visible
from retrigger.triggers.authoring.problems import ProjectError
from retrigger.triggers.errors import ExpressionError, Malformed, Refused, RetriggerError, Unavailable

NO: Final = 1
USAGE: Final = 2
FAILED: Final = 3


class No(click.ClickException):
    """The answer is no. Ends a command with a message on stderr."""

    exit_code = NO

    def show(self, file: IO[Any] | None = None) -> None:
        del file
        lines = "\n".join(visible(line) for line in self.format_message().splitlines())
        click.echo(f"{click.style('error', fg='red')}: {lines}", err=True)


class Usage(No):
    """What was asked for cannot be done as it was asked."""

    exit_code = USAGE


class Failed(No):
    """The platform, the network or the program failed."""

    exit_code = FAILED


def told(error: Exception) -> Exception:
    """What to raise in place of `error`; itself where click knows what to do with it."""
    match error:
        case click.ClickException() | click.exceptions.Exit() | click.Abort():
            return error
        case OSError(errno=errno.EPIPE):
            return error  # the reader of a pipe has seen enough
        case ProjectError():
            several = "the project has problems; `retrigger check` shows the lines:"
            head = several if error.problems[1:] else "the project has a problem:"
            return No(f"{head}\n{error}")
        case Unavailable():
            return Failed(str(error))
        case Malformed() | ExpressionError() | Refused():
            return No(str(error))
        case RetriggerError():
            return Usage(str(error))
        case ModuleNotFoundError(name=str(name)) if not name.startswith("retrigger"):
            return Usage(f"{name} is not installed: pip install 'retrigger[emulator]'")
        case OSError(filename=name, strerror=str(reason)):
            return Usage(f"{name}: {reason}" if name else reason)
        case _:
            said = f"{type(error).__name__}: {error}"
            return Failed(f"this should not have happened ({said}); `retrigger --debug COMMAND` shows where")
