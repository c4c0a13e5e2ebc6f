"""The composition root: settings are read once, and everything is put together here and nowhere else.

What only one cloud needs is put together in `wiring_google` and `wiring_azure`, which are imported where that cloud is
asked for: a cold start pays for nothing else.
"""

from __future__ import annotations

import functools
import os
import time
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from retrigger.handlers.admit import Admission
from retrigger.handlers.core import Core
from retrigger.handlers.ledger import Ledger
from retrigger.triggers.compiled import load
from retrigger.triggers.errors import RetriggerError
from retrigger.triggers.formats import parse
from retrigger.triggers.frozen import dataclass
from retrigger.triggers.match import Index

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.endpoints import Endpoints
    from retrigger.handlers.outcome import Outcome
    from retrigger.handlers.ports import Launcher, Objects, Publisher, Records
    from retrigger.handlers.tick import Tick
    from retrigger.triggers.compiled import Compiled
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.event import Event
    from retrigger.triggers.formats import Parsed
    from retrigger.triggers.spec import Archive

_TICK_S = 45.0  # a tick every minute: one that has much to do ends before the next begins


@dataclass(frozen=True, slots=True)
class Settings:
    """`compiled`: the one file that `retrigger compile` wrote. `environ`: proxies, certificates, credentials."""

    compiled: Path
    environ: Mapping[str, str] = field(repr=False)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        path = environ.get("RETRIGGER_COMPILED")
        if path is None:
            message = "RETRIGGER_COMPILED is not set: it names the file that `retrigger compile --out FILE` wrote"
            raise RetriggerError(message, code="not_configured")
        return cls(Path(path), dict(environ))


@dataclass(frozen=True, slots=True)
class App:
    """What an entry point needs. `archive`: what is kept of a request that was no event."""

    core: Core
    ledger: Ledger
    archive: Archive = "full"

    def parse(self, headers: Mapping[str, str], body: bytes, route: str) -> Parsed:
        """The events of a request that came now, also in the project's own formats. Errors: as `formats.parse`."""
        formats = self.core.catalog.environment.formats
        return parse(headers, body, route, now=self.ledger.records.now(), plugins=formats)

    def tick(self) -> Tick:
        """A tick with a minute's patience, to be run once."""
        from retrigger.handlers.tick import Tick  # a process that only sees events does without it

        until = time.monotonic() + _TICK_S
        return Tick(self.core, enough=lambda: time.monotonic() > until)


@functools.cache
def app() -> App:
    """The function of this process, put together when it is first asked for."""
    return build(Settings.from_environment(os.environ))


def handle(event: Event) -> list[Outcome]:
    """Decide on an event as this process's function would: for entry points of your own. Errors: as Core.handle."""
    return app().core.handle(event)


def build(settings: Settings) -> App:
    """Put a function together, on a ledger that this version can keep.

    Beside that, nothing is sent; but the platform is connected to while all this goes on, as a launch would have to.
    Raises RetriggerError where it is misconfigured, Unavailable where the ledger does not answer.
    """
    compiled = compiled_at(settings.compiled)
    environment = compiled.environment
    launcher, objects = cloud_of(environment, settings.environ, ahead=environment.launcher is None)
    publisher = publisher_of(environment, settings.environ)
    records = records_of(environment.ledger, settings.environ, environment.services)
    endpoints = endpoints_of(environment, settings.environ)
    app = assemble(compiled, records, launcher, objects, publisher, endpoints=endpoints)
    app.ledger.begin()
    return app


@functools.lru_cache(maxsize=1)
def compiled_at(path: Path) -> Compiled:
    """The compiled project in a file, read once: who may call is known before the ledger is opened.

    Raises RetriggerError `not_configured` or `compiled_format`.
    """
    try:
        file = path.read_bytes()
    except OSError as error:
        message = f"the compiled project {path} cannot be read: {error.strerror}. Run `retrigger compile`"
        raise RetriggerError(message, code="not_configured") from error
    return load(file)


def assemble(
    compiled: Compiled,
    records: Records,
    launcher: Launcher,
    objects: Objects,
    publisher: Publisher | None = None,
    *,
    endpoints: Endpoints | None = None,
) -> App:
    """The core over any records, platform, store, channel for what it has to tell, and endpoints for rollouts."""
    ledger = Ledger(records, compiled.environment.name)
    if endpoints is not None:
        from retrigger.handlers.rollout.rollouts import ByKind, Rollouts  # who rolls nothing out does without

        launcher = ByKind(launcher, Rollouts(ledger, endpoints))
    admission = Admission(ledger, compiled, launcher, objects)
    core = Core(admission, Index.from_json(compiled.index), time.sleep, publisher)
    return App(core, ledger, compiled.environment.archive)


def records_of(address: str, environ: Mapping[str, str], services: Mapping[str, str]) -> Records:
    """The ledger at `sqlite:PATH`, `gs://BUCKET[/FOLDER]` or `https://ACCOUNT.blob…/CONTAINER[/FOLDER]`.

    Of `services` (see Environment) those of the store and its credentials. Raises RetriggerError for other addresses.
    """
    match address.partition(":"):
        case ("sqlite", _, path):
            from retrigger.handlers.adapters.sqlite import SqliteRecords

            return SqliteRecords(Path(path))
        case ("gs", _, _):
            from retrigger.handlers import wiring_google

            return wiring_google.records_of(address, environ, services)
        case ("https", _, _):
            from retrigger.handlers import wiring_azure

            return wiring_azure.records_of(address, environ, services)
    message = f"there can be no ledger at {address}: name it as sqlite:PATH, gs://BUCKET or https://ACCOUNT.blob…"
    raise RetriggerError(message, code="bad_ledger")


def cloud_of(environment: Environment, environ: Mapping[str, str], *, ahead: bool = False) -> tuple[Launcher, Objects]:
    """The platform that its pipelines run on, the cloud's own or a plug-in's, and its stores.

    `ahead`: what the first launch would wait for is begun.
    """
    launcher, objects = _built_in(environment, environ, ahead=ahead)
    if environment.launcher is not None:
        from retrigger.handlers.adapters.plugin import PlugInLauncher

        launcher = PlugInLauncher(environment.launcher, environment)
    return launcher, objects


def _built_in(environment: Environment, environ: Mapping[str, str], *, ahead: bool) -> tuple[Launcher, Objects]:
    match environment.cloud:
        case "gcp":
            from retrigger.handlers import wiring_google

            api = wiring_google.api_of(environment, environ)
            launcher = wiring_google.launcher_of(environment, api, ahead=ahead)
            return launcher, wiring_google.objects_of(environment, api)
        case "azure":
            from retrigger.handlers import wiring_azure

            launcher = wiring_azure.launcher_of(environment, environ, ahead=ahead)
            return launcher, wiring_azure.objects_of(environment, environ)


def endpoints_of(environment: Environment, environ: Mapping[str, str]) -> Endpoints | None:
    """Online endpoints that rollouts can change; None where the environment names none."""
    if not environment.endpoints:
        return None
    match environment.cloud:
        case "gcp":
            from retrigger.handlers import wiring_google

            return wiring_google.endpoints_of(environment, environ)
        case "azure":
            from retrigger.handlers import wiring_azure

            return wiring_azure.endpoints_of(environment, environ)


def publisher_of(environment: Environment, environ: Mapping[str, str]) -> Publisher | None:
    """Where outcomes and the ends of runs leave; None if the environment names no channel for them."""
    if environment.outbox is None:
        return None
    channel = environment.channels[environment.outbox]
    match channel.service:
        case "pubsub":
            from retrigger.handlers import wiring_google

            return wiring_google.publisher_of(environment, environ, channel.address)
        case "servicebus":
            from retrigger.handlers import wiring_azure

            return wiring_azure.service_bus_of(environment, environ, channel.address)
        case "queue":
            from retrigger.handlers import wiring_azure

            return wiring_azure.queue_of(environment, environ, channel.address)
        case None:
            message = f"nothing can be sent to the outbox {channel.address}: `retrigger check` says what it can be"
            raise RetriggerError(message, code="bad_outbox")
