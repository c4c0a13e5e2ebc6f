"""From a project to its emulator: the environment `local`, what must be there for it, and what runs its functions."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from retrigger.functions.gcp import SOURCE
from retrigger.local_emulator.app import Emulator, Settings
from retrigger.local_emulator.scheduler import TriggerSchedule
from retrigger.local_emulator.state import write_atomically
from retrigger.triggers.authoring.compile import compile_project, local_environment
from retrigger.triggers.spec import MessageSource, ObjectSource, ScheduleSource

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from retrigger.local_emulator.claim import Claim
    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.spec import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`like`: the environment whose names, vars and templates are kept. `copies`: deliveries of every event.

    `function_source`: another entry point than retrigger's own, for those who have written one.
    """

    like: str | None = None
    tick_every: timedelta = timedelta(seconds=60)
    copies: int = 1
    jobs_at_once: int = 2
    function_source: Path = SOURCE


def emulator_for(project: Project, claim: Claim, options: Options, environ: Mapping[str, str] = os.environ) -> Emulator:
    """Compile the project for the claim's URL and ledger, and make the emulator that it needs; start it yourself.

    Raises ProjectError if the project has mistakes.
    """
    state = claim.state
    services = dict.fromkeys(("storage", "vertex", "pubsub", "metadata"), claim.url)
    local = local_environment(project, like=options.like, ledger=f"sqlite:{state.ledger}", services=services)
    write_atomically(state.compiled, compile_project(project, local))
    sources = [(trigger, source) for trigger in project.triggers for source in trigger.sources]
    watched = {local.stores[source.store].bucket for _, source in sources if isinstance(source, ObjectSource)}
    topics = {local.channels[source.channel].address for _, source in sources if isinstance(source, MessageSource)}
    settings = Settings(
        project=local.project,
        location=local.location,
        project_folder=project.root,
        function_source=options.function_source,
        environment=dict(environ),
        buckets=tuple(sorted(_buckets(local))),
        watched=tuple(sorted(watched)),
        topics=tuple(sorted(topics)),
        outbox=None if local.outbox is None else local.channels[local.outbox].address,
        schedules=tuple(
            TriggerSchedule(trigger.name, source.cron, source.timezone)
            for trigger, source in sources
            if isinstance(source, ScheduleSource)
        ),
        tick_every=options.tick_every,
        copies=options.copies,
        jobs_at_once=options.jobs_at_once,
    )
    return Emulator(claim, settings)


def _buckets(environment: Environment) -> set[str]:
    """Every bucket that the environment names: its stores' and its pipelines' roots."""
    stores = {store.bucket for store in environment.stores.values()}
    return stores | {
        pipeline.root.removeprefix("gs://").partition("/")[0] for pipeline in environment.pipelines.values()
    }
