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
        sys.exit("error: the command line needs click: pip install 'retrigger[emulator]'")
    cli(prog_name="retrigger")
