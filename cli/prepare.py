"""`retrigger prepare`: what the example's tasks need, made before anybody waits for it."""

from __future__ import annotations

import json
from importlib.resources import files

import click

from retrigger.cli.errors import Failed
from retrigger.cli.render import examples, note


@click.command(epilog=examples("retrigger prepare"))
@click.option("--quiet", is_flag=True, help="Say only what is being made, not what is there.")
def prepare(*, quiet: bool) -> None:
    """Make the Python environments that the tasks of the example's two pipelines run in.

    Takes a minute the first time and nothing afterwards: they are kept in the user's cache folder.
    """
    from retrigger.local_emulator.runners import environments
    from retrigger.local_emulator.runners.azureml import conda
    from retrigger.local_emulator.runners.errors import PipelineError

    def report(line: str) -> None:
        if not (quiet and line.startswith("ready")):
            note(line)

    example = files("retrigger.cli.churn")
    template = json.loads((example / "pipelines" / "churn.json").read_text(encoding="utf-8"))
    packages = (example / "environments" / "conda.yaml").read_text(encoding="utf-8")
    wanted = [*environments.requirements_of(template), conda.requirements(packages)]
    try:
        environments.prepare(wanted, report=report)
    except PipelineError as error:
        raise Failed(f"{error}\nIs the package index reachable? `pip config list` shows which one is used.") from error
