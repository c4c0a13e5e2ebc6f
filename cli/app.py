"""The commands, by what one does with them. Each is imported when it is called: `--help` imports click alone."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from retrigger.cli.errors import told
from retrigger.cli.render import examples

if TYPE_CHECKING:
    from collections.abc import Mapping


class Entry(NamedTuple):
    """Where a command is defined (`module:name`), and its line in the list."""

    place: str
    line: str


COMMANDS: Final[Mapping[str, Mapping[str, Entry]]] = {
    "Write triggers": {
        "check": Entry("retrigger.cli.check:check", "Report every mistake of every file of a project."),
        "compile": Entry("retrigger.cli.compile:compile_", "Write the one JSON file that a function loads."),
        "decode": Entry("retrigger.cli.decode:decode", "Raw payloads to canonical events."),
        "explain": Entry("retrigger.cli.explain:explain", "What an event would launch, and why. Sends nothing."),
        "diff": Entry("retrigger.cli.diff:diff", "What recorded events would launch now that they did not, or not so."),
    },
    "Run on this machine": {
        "demo": Entry("retrigger.cli.demo:demo", "An example from upload to registered model, start to finish."),
        "up": Entry("retrigger.cli.up:up", "Start the emulator for a project."),
        "status": Entry("retrigger.cli.running:status", "Say whether an emulator runs, and what it did."),
        "down": Entry("retrigger.cli.running:down", "Stop it."),
        "prepare": Entry("retrigger.cli.prepare:prepare", "Make the environments that the example's tasks run in."),
    },
    "Make things happen": {
        "drop": Entry("retrigger.cli.happen:drop", "Upload files to a bucket."),
        "publish": Entry("retrigger.cli.happen:publish", "Publish a message on a channel."),
        "fire": Entry("retrigger.cli.happen:fire", "Let a trigger's schedule strike now."),
        "clock": Entry("retrigger.cli.happen:clock", "Read the emulator's clock, or wind it."),
    },
    "Read the ledger": {
        "events": Entry("retrigger.cli.operate:events", "What became of each event."),
        "runs": Entry("retrigger.cli.operate:runs", "Runs: their state and metrics."),
        "rollouts": Entry("retrigger.cli.rolling:rollouts", "Rollouts: how far each is, and what it waits for."),
        "why": Entry("retrigger.cli.why:why", "Why something did, or did not, launch a run."),
    },
    "Operate": {
        "pause": Entry("retrigger.cli.pausing:pause", "Hold a trigger, or all: nothing is launched, nothing is lost."),
        "resume": Entry("retrigger.cli.pausing:resume", "Let it go; what was held is launched."),
        "replay": Entry("retrigger.cli.replaying:replay", "Do failed runs and dead letters once more."),
        "backfill": Entry("retrigger.cli.backfilling:backfill", "Take in what lay there, or was due, before."),
        "reconcile": Entry("retrigger.cli.backfilling:reconcile", "Find objects whose event never came."),
        "forget": Entry("retrigger.cli.forgetting:forget", "Take what somebody sent out of the ledger."),
        "cancel": Entry("retrigger.cli.operate:cancel", "Stop a run."),
        "rollout": Entry("retrigger.cli.rolling:rollout", "Pause, resume, roll back or approve a rollout."),
    },
    "Go to a cloud": {
        "deploy": Entry("retrigger.cli.deploy:deploy", "Make of a project what a cloud runs: `deploy bundle`."),
    },
}


class Commands(click.Group):
    """Finds a command in the table above, and says what went wrong in it without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return [name for section in COMMANDS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        found = next((section[cmd_name] for section in COMMANDS.values() if cmd_name in section), None)
        if found is None:
            return None
        module, _, name = found.place.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        for title, section in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.line) for name, entry in section.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            raise told(error) from error


_EXAMPLES = examples(
    "retrigger check               every mistake of the project in this folder",
    "retrigger up                  a cloud on this machine: buckets, topics, pipelines",
    "retrigger drop data.csv gs://acme-dev-landing/churn/",
    "retrigger why gs://acme-dev-landing/churn/data.csv",
)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXAMPLES)
@click.option("--debug", is_flag=True, help="Show the traceback of whatever fails.")
@click.version_option(package_name="retrigger")
@click.pass_context
def cli(ctx: click.Context, *, debug: bool) -> None:
    """Events become machine-learning work, exactly once.

    Exit codes: 0 done; 1 the answer is no; 2 usage; 3 the platform or the network failed.
    """
    del debug  # read in Commands.invoke
    if os.environ.get("NO_COLOR"):
        ctx.color = False
