"""The `retrigger` command: it prints, and never decides."""

from __future__ import annotations

import sys


def main() -> None:
    """The console script. Everything but click is imported by the command that needs it."""
    try:
        from retrigger.cli.app import cli
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.stderr.write("error: the command line needs click: pip install 'retrigger[emulator]'\n")
        sys.exit(2)
    cli(prog_name="retrigger")
