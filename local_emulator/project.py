"""From a project to its emulator: the environment `local`, what must be there for it, and what runs its functions."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from retrigger.functions.azure import FOLDER
from retrigger.functions.azure.channels import StorageQueue, binding, heard
from retrigger.functions.gcp import SOURCE
from retrigger.handlers.adapters.vertex.serving import place_of
from retrigger.local_emulator.app import Emulator
from retrigger.local_emulator.azure import AzureSettings
from retrigger.local_emulator.azureml_project import furniture_of
from retrigger.local_emulator.messaging import service_bus
from retrigger.local_emulator.scheduler import TriggerSchedule
from retrigger.local_emulator.settings import Settings
from retrigger.local_emulator.state import write_atomically
from retrigger.triggers.authoring.compile import compile_project, local_environment
from retrigger.triggers.environment import Store
from retrigger.triggers.interpolation import render_value
from retrigger.triggers.launches import BatchPrediction, OnlineDeployment
from retrigger.triggers.spec import MessageSource, ObjectSource, ScheduleSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from retrigger.local_emulator.claim import Claim
    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.spec import Source

_LEDGER: Final = "gs://retrigger-ledger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`like`: the environment whose names, vars and templates are kept. `copies`: deliveries of every event.

    `ledger`: a file of the state folder, or objects of the emulator's own Cloud Storage, as deployed functions have it.
    `function_source`: another entry point than retrigger's own, for those who have written one: a source file, or the
    folder of an app where `like` is on Azure.
    """

    like: str | None = None
    tick_every: timedelta = timedelta(seconds=60)
    copies: int = 1
    jobs_at_once: int = 2
    ledger: Literal["file", "objects"] = "file"
    function_source: Path | None = None


def emulator_for(project: Project, claim: Claim, options: Options, environ: Mapping[str, str] = os.environ) -> Emulator:
    """Compile the project for the claim's URLs and ledger, and make the emulator that it needs; start it yourself.

    Raises ProjectError if the project has mistakes.
    """
    state = claim.state
    main = dict.fromkeys(("storage", "vertex", "monitoring", "azureml", "pubsub", "metadata"), claim.url)
    azure = {"blob": claim.blob_url, "queue": claim.queue_url, "servicebus": claim.url + service_bus.ROOT}
    services = {**main, **azure}
    ledger = f"sqlite:{state.ledger}" if options.ledger == "file" else _LEDGER
    local = local_environment(project, like=options.like, ledger=ledger, services=services)
    write_atomically(state.compiled, compile_project(project, local))
    on_azure = local.cloud == "azure"
    watched, followed = _watched(project, local), _followed(project, local)
    settings = Settings(
        project=local.project,
        location=local.location,
        project_folder=project.root,
        function_source=options.function_source or (FOLDER if on_azure else SOURCE),
        environment=dict(environ),
        buckets=tuple(sorted((set() if on_azure else _places(local) | _outputs(project, local)) | _ledgers(local))),
        watched=() if on_azure else watched,
        topics=() if on_azure else followed,
        endpoints=() if on_azure else _endpoints(project, local),
        outbox=None if on_azure or local.outbox is None else local.channels[local.outbox].address,
        schedules=tuple(
            TriggerSchedule(trigger.name, source.cron, source.timezone)
            for trigger in project.triggers
            for source in trigger.sources
            if isinstance(source, ScheduleSource)
        ),
        tick_every=options.tick_every,
        copies=options.copies,
        jobs_at_once=options.jobs_at_once,
        azure=_azure(project, local) if on_azure else None,
    )
    return Emulator(claim, settings)


def _watched(project: Project, local: Environment) -> tuple[str, ...]:
    """The places whose changes some trigger listens to."""
    sources = _sources(project)
    return tuple(sorted({local.stores[it.store].place for it in sources if isinstance(it, ObjectSource)}))


def _followed(project: Project, local: Environment) -> tuple[str, ...]:
    """The addresses of the channels that some trigger listens to."""
    sources = _sources(project)
    return tuple(sorted({local.channels[it.channel].address for it in sources if isinstance(it, MessageSource)}))


def _sources(project: Project) -> list[Source]:
    return [source for trigger in project.triggers for source in trigger.sources]


def _places(local: Environment) -> set[str]:
    """Every bucket that the environment names: its stores' and its pipelines' roots."""
    roots = [Store.at(pipeline.root) for pipeline in local.pipelines.values() if pipeline.root]
    return {store.place for store in [*local.stores.values(), *roots]}


def _outputs(project: Project, local: Environment) -> set[str]:
    """Where batch predictions write: of expressions that holds only the environment's `vars`."""
    launches = (trigger.launch for trigger in project.triggers)
    given = (it.output for it in launches if isinstance(it, BatchPrediction))
    outputs = (render_value(output, {"vars": local.vars}) for output in given)
    return {Store.at(it).place for it in outputs if isinstance(it, str) and it.startswith("gs://")}


def _endpoints(project: Project, local: Environment) -> tuple[str, ...]:
    """The endpoints of Vertex AI that some trigger rolls out to, by their whole names."""
    launches = (trigger.launch for trigger in project.triggers)
    named = {it.endpoint for it in launches if isinstance(it, OnlineDeployment) and it.endpoint in local.endpoints}
    places = (place_of(local.endpoints[name].name, local.project, local.location) for name in named)
    return tuple(sorted(f"projects/{it.project}/locations/{it.location}/endpoints/{it.endpoint}" for it in places))


def _ledgers(local: Environment) -> set[str]:
    """The bucket of the ledger, where it is not in a file."""
    return {Store.at(local.ledger).place} if local.ledger.startswith("gs://") else set()


def _azure(project: Project, local: Environment) -> AzureSettings:
    channels = {channel.address: channel.heard_at for channel in local.channels.values()}
    listening = heard(local, _sources(project))
    waiting = {address for address in listening if address not in _followed(project, local)}
    furniture, unfit = furniture_of(project, local)
    return AzureSettings(
        containers=tuple(sorted(_places(local))),
        watched=_watched(project, local),
        channels=channels,
        unheard=frozenset(channels.values()) - listening.keys(),
        uploads=_uploads(address for address in channels if address in waiting),
        azureml=furniture,
        unfit=unfit,
    )


def _uploads(free: Iterable[str]) -> dict[str, str]:
    """The queue through which the events of a storage account come: its first channel that no trigger listens to.

    Such a queue is named as a channel for nothing else (docs/azure-functions.md).
    """
    queues: dict[str, str] = {}
    for address in free:
        if isinstance(binding(address), StorageQueue):
            queues.setdefault(address.removeprefix("https://").partition(".")[0], address)
    return queues
