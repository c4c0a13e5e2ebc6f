"""The emulator: every face on loopback, the functions under their real host, and one state folder."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from retrigger.handlers.adapters.sqlite import SqliteRecords
from retrigger.local_emulator import control, metadata
from retrigger.local_emulator.azure import ANY_ACCOUNT, AzureSettings, AzureWays, strike
from retrigger.local_emulator.claim import Claim, Process
from retrigger.local_emulator.clock import WoundClock
from retrigger.local_emulator.delivery import Delivery, Subscription
from retrigger.local_emulator.eventarc import object_event
from retrigger.local_emulator.hosts.azure_worker import AzureApp
from retrigger.local_emulator.hosts.functions_framework import Function, FunctionsHost
from retrigger.local_emulator.messaging import pubsub, service_bus, storage_queue
from retrigger.local_emulator.messaging.pull_queues import PullQueues
from retrigger.local_emulator.messaging.queues import PushSubscription, Queues
from retrigger.local_emulator.planes.azureml.plane import RUNNER, AzureMl
from retrigger.local_emulator.planes.resources import Resources
from retrigger.local_emulator.planes.vertex.plane import Vertex
from retrigger.local_emulator.runners.process import JobProcesses
from retrigger.local_emulator.runners.routing import Traffic
from retrigger.local_emulator.runners.serving import Servers
from retrigger.local_emulator.scheduler import Scheduler
from retrigger.local_emulator.settings import NOT_INHERITED, Settings, environment_variables
from retrigger.local_emulator.stores import blob_http, gcs_json, gcs_xml
from retrigger.local_emulator.stores.errors import Conflict
from retrigger.local_emulator.stores.names import BLOB
from retrigger.local_emulator.stores.objects import Objects
from retrigger.triggers.event import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.routing import BaseRoute

    from retrigger.local_emulator.backlog import Attempt, DeadLetter
    from retrigger.local_emulator.stores.resource import ObjectChange
    from retrigger.triggers.event import Json

_OBJECTS = "objects"
_READY_WITHIN_S = 15.0


class Emulator:
    """Everything that runs on one claim. `start` returns when it is ready; `stop` leaves no process behind.

    What was accepted before a crash is delivered after the next start: the parts that deliver are made, and know all
    their subscriptions, before the parts that accept.
    """

    def __init__(self, claim: Claim, settings: Settings) -> None:
        state = claim.state
        self._claim = claim
        self._settings = settings
        self._shutdown = threading.Event()
        self.clock = WoundClock(state.clock)
        ledger = SqliteRecords(state.ledger)
        ledger.wind(self.clock.offset)
        self.clock.on_advance(ledger.wind)  # before the scheduler's: a tick must see the time that it is for
        self.delivery = Delivery(state.queues, self.clock)
        self.functions = FunctionsHost(self._function(), state.logs / "functions.log")
        self.delivery.register(self._to_functions(_OBJECTS))
        self.queues = Queues(state.queues, self.delivery, self.clock.now)
        self.pulled = PullQueues(state.pulled, self.clock.now)
        azure = settings.azure or AzureSettings()
        self.azure = AzureWays(
            azure,
            self.functions.url,
            delivery=self.delivery,
            queues=self.pulled,
            now=self.clock.now,
            copies=settings.copies,
        )
        self.scheduler = Scheduler(
            settings.schedules,
            self.functions.url,
            delivery=self.delivery,
            clock=self.clock,
            tick_every=settings.tick_every,
            copies=settings.copies,
            timer=strike if settings.azure else None,
        )
        self.objects = Objects(state.objects, self.clock.now, self._announce, watched=settings.watched)
        self.blobs = Objects(state.blobs, self.clock.now, self.azure.announce, names=BLOB, watched=azure.watched)
        self._resources = Resources(state.resources)
        self._processes = JobProcesses(
            state.jobs, env=self._environment(), now=self.clock.now, limit=settings.jobs_at_once
        )
        self.servers, self.traffic = Servers(state.servers, self._environment()), Traffic()
        self.vertex = Vertex(
            self._resources,
            self._processes,
            self.clock.now,
            servers=self.servers,
            traffic=self.traffic,
            cache=state.results,
            clock=state.clock,
        )
        self._azure_processes = JobProcesses(
            state.azure_jobs, env=self._environment(), now=self.clock.now, limit=settings.jobs_at_once, runner=RUNNER
        )
        self.azureml = AzureMl(
            self._resources,
            self._azure_processes,
            self.clock.now,
            blobs=self.blobs,
            blob_url=self.blob_url,
            account=self._account() or ANY_ACCOUNT,
            tell=self.azure.tell if settings.azure else lambda _: None,
            clock=state.clock,
            servers=self.servers,
            traffic=self.traffic,
            deployments=state.deployments,
        )

    @property
    def url(self) -> str:
        return self._claim.url

    def unready(self) -> list[str]:
        """What of the project's pipelines on Azure ML cannot run here, and what to do about it."""
        azure = self._settings.azure
        if azure is None or azure.azureml is None:
            return []
        told = "{} is not registered: put its YAML into components/ of the project, with this name and version"
        return [*azure.unfit, *self.azureml.refused, *map(told.format, self.azureml.missing(azure.azureml))]

    @property
    def blob_url(self) -> str:
        return self._claim.blob_url

    def environment_variables(self) -> dict[str, str]:
        return environment_variables(
            self.url, self.blob_url, self._claim.queue_url, self._settings.project, self._account()
        )

    def start(self) -> None:
        """Errors: HostFailed if the functions do not come up; everything is stopped then."""
        try:
            self._make_places()
            self.functions.start()
            queue_storage = storage_queue.routes(self.pulled, self.azure.hear)
            self._claim.serve(self._routes(), blob_http.routes(self.blobs), queue_storage)
            self.vertex.recover()
            self.azureml.recover()
            self.functions.wait_ready(_READY_WITHIN_S)
            self.delivery.start()
            self.scheduler.start()
        except BaseException:
            self.stop()
            raise
        started = rfc3339(datetime.now(UTC))
        folder = str(self._settings.project_folder)
        self._claim.announce(
            Process(
                pid=os.getpid(),
                url=self.url,
                blob_url=self.blob_url,
                queue_url=self._claim.queue_url,
                project_folder=folder,
                started=started,
            )
        )

    def wait(self) -> None:
        """Until somebody asks it to shut down."""
        self._shutdown.wait()

    def stop(self) -> None:
        """In reverse: nothing new, then what is in flight, then the processes, then the port and the folder."""
        self._shutdown.set()
        self.scheduler.stop()
        self.delivery.stop()
        self.functions.stop()
        self._processes.close()
        self._azure_processes.close()
        self.servers.close()
        self._claim.release()
        self.azureml.close()
        self.queues.close()
        self.pulled.close()
        self.objects.close()
        self.blobs.close()
        self._resources.close()

    def status(self) -> Mapping[str, Json]:
        now = self.clock.now()
        tallies: dict[str, Json] = {name: dict(counts) for name, counts in self.delivery.tallies().items()}
        return {
            "pid": os.getpid(),
            "url": self.url,
            "blob_url": self.blob_url,
            "queue_url": self._claim.queue_url,
            "project": self._settings.project,
            "project_folder": str(self._settings.project_folder),
            "now": rfc3339(now),
            "wound_s": self.clock.offset.total_seconds(),
            "functions": {"url": self.functions.url, "pid": self.functions.pid, "deaths": self.functions.deaths},
            "deliveries": tallies,
        }

    def advance(self, by: timedelta) -> datetime:
        return self.clock.advance(by)

    def fire(self, trigger: str) -> None:
        """Errors: KeyError for a trigger without a schedule."""
        self.scheduler.fire(trigger)

    def send(self, address: str, body: bytes, attributes: Mapping[str, str]) -> str:
        """Errors: QueueError."""
        return self.azure.send(address, body, attributes)

    def wait_idle(self, timeout: timedelta) -> bool:
        return self.delivery.wait_idle(timeout)

    def attempts(self, limit: int) -> list[Attempt]:
        return self.delivery.attempts(limit)

    def dead(self, limit: int) -> list[DeadLetter]:
        return self.delivery.dead(limit)

    def shut_down(self) -> None:
        self._shutdown.set()

    def _to_functions(self, name: str) -> Subscription:
        it = self._settings
        return Subscription(name=name, endpoint=self.functions.url + "/", policy=it.policy, copies=it.copies)

    def _announce(self, change: ObjectChange) -> None:
        headers, body = object_event(change)
        self.delivery.submit(_OBJECTS, headers, body, now=self.clock.now())

    def _make_places(self) -> None:
        azure = self._settings.azure or AzureSettings()
        for store, buckets in ((self.objects, self._settings.buckets), (self.blobs, azure.containers)):
            for bucket in buckets:
                with suppress(Conflict):  # made by an earlier run on this state folder
                    store.insert_bucket(bucket, {})
        for endpoint in self._settings.endpoints:
            self.vertex.ensure_endpoint(endpoint)
        self.azure.make_queues()
        if azure.azureml is not None:
            self.azureml.furnish(azure.azureml)
        if self._settings.outbox is not None:
            self.queues.ensure_topic(self._settings.outbox)
        for topic in self._settings.topics:
            self.queues.ensure_topic(topic)
            self.queues.attach(
                PushSubscription(
                    name=topic.replace("/topics/", "/subscriptions/eventarc-"),
                    topic=topic,
                    endpoint=self.functions.url + "/",
                    eventarc=True,
                    policy=self._settings.policy,
                    copies=self._settings.copies,
                )
            )

    def _function(self) -> Function | AzureApp:
        it = self._settings
        compiled = {"RETRIGGER_COMPILED": str(self._claim.state.compiled)}
        environment = {**self._environment(), **compiled, **it.function_environment}
        if it.azure is not None:
            return AzureApp(folder=it.function_source, environment=environment)
        return Function(source=it.function_source, target=it.function_target, environment=environment)

    def _environment(self) -> dict[str, str]:
        inherited = {k: v for k, v in self._settings.environment.items() if k not in NOT_INHERITED}
        return {**inherited, **self.environment_variables()}

    def _account(self) -> str | None:
        """The first storage account that the project names."""
        containers = self._settings.azure.containers if self._settings.azure else ()
        return next((container.partition("/")[0] for container in containers), None)

    def _routes(self) -> list[BaseRoute]:
        it = self._settings
        return [
            *control.routes(self),
            *gcs_json.routes(self.objects),
            *pubsub.routes(self.queues),
            *service_bus.routes(self.azure),
            *self.vertex.routes(),
            *self.azureml.routes(),
            *metadata.routes(metadata.Identity(it.project, it.location)),
            *gcs_xml.routes(self.objects),  # last: any path could begin with a bucket's name
        ]
