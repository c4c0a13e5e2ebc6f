"""What the demo plays on: an emulator of its own in a folder that is thrown away, and hands to move things there."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from retrigger.handlers.journal import Journal
from retrigger.handlers.ledger import Ledger
from retrigger.handlers.wiring import records_of
from retrigger.handlers.wiring_google import api_of, launcher_of, objects_of
from retrigger.local_emulator.claim import Claim
from retrigger.local_emulator.project import emulator_for
from retrigger.local_emulator.state import State
from retrigger.triggers import compiled
from retrigger.triggers.authoring.project import load_project
from retrigger.triggers.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from retrigger.handlers.jobs import Job
    from retrigger.handlers.journal import RunView
    from retrigger.local_emulator.app import Emulator
    from retrigger.local_emulator.project import Options
    from retrigger.triggers.event import Json

_ROUNDS = 40
_LOOK_EVERY_S = 0.5


class Stage:
    """One project on one emulator: drop, publish, wait, watch, count."""

    def __init__(self, emulator: Emulator, state: State) -> None:
        self.emulator = emulator
        self.environment = compiled.load(state.compiled.read_text(encoding="utf-8")).environment
        self._api = api_of(self.environment, {})
        self._objects = objects_of(self.environment, self._api)
        self._launcher = launcher_of(self.environment, self._api)
        self._killed: set[int] = set()
        records = records_of(self.environment.ledger, {}, self.environment.services)
        self.journal = Journal(Ledger(records, self.environment.name))

    @classmethod
    @contextmanager
    def set(cls, project: Path, folder: Path, options: Options) -> Iterator[Stage]:
        """Start the project's emulator on free ports; stop it in the end."""
        state = State.at(folder)
        emulator = emulator_for(load_project(project), Claim.take(state), options)
        emulator.start()
        try:
            yield cls(emulator, state)
        finally:
            emulator.stop()

    def drop(self, store: str, name: str, data: bytes) -> str:
        """Upload as any client would; the store announces it."""
        place = self.environment.stores[store]
        self._objects.write(place.bucket, place.prefix + name, data)
        return f"gs://{place.bucket}/{place.prefix}{name}"

    def publish(self, channel: str, body: Mapping[str, Json]) -> str:
        """-> the message's id."""
        message = {"data": base64.b64encode(json.dumps(body).encode()).decode()}
        url = f"{self.emulator.url}/v1/{self.environment.channels[channel].address}:publish"
        sent = json.dumps({"messages": [message]}).encode()
        answer: Any = self._api.call("POST", url, body=sent, write=True).json()
        return str(answer["messageIds"][0])

    def kill_the_function(self) -> int:
        """As a platform may, at any moment: SIGKILL to a function that serves, workers and all. -> the process.

        One that was killed before is waited for: the host brings up another.
        """
        for _ in range(_ROUNDS):
            pid = self.emulator.functions.pid
            if pid is not None and pid not in self._killed and self._serves():
                os.killpg(pid, signal.SIGKILL)
                self._killed.add(pid)
                return pid
            time.sleep(_LOOK_EVERY_S)
        raise Unavailable("the function does not come up again; see its log", code="not_settled")

    def _serves(self) -> bool:
        place = urlsplit(self.emulator.functions.url)
        try:
            socket.create_connection((place.hostname, place.port), timeout=1).close()
        except OSError:
            return False
        return True

    def settle(self) -> None:
        """Until every delivery was acknowledged, winding the clock over the pauses between tries.

        Raises Unavailable if one never is.
        """
        for _ in range(_ROUNDS):
            self.emulator.wait_idle(timedelta(seconds=30))
            counts = self.emulator.delivery.tallies().values()
            if all(_all_ended(it) for it in counts):
                return
            self.emulator.advance(timedelta(seconds=30))
        raise Unavailable("some events were never acknowledged; see the functions' log", code="not_settled")

    def watch(self, run: RunView) -> Iterator[Mapping[str, str]]:
        """The states of the run's tasks as they change, its retries' too, until it has ended and the ledger knows."""
        while run.state == "running":
            yield from self._watch_job(self.journal.job(run.id))
            run = self._after(run)

    def _watch_job(self, job: Job) -> Iterator[Mapping[str, str]]:
        seen: Mapping[str, str] = {}
        while True:
            status = self._launcher.status(job)
            tasks = {name: state for name, state in status.tasks.items() if name != job.id}
            if tasks != seen:
                yield tasks
                seen = tasks
            if status.state != "running":
                return
            time.sleep(_LOOK_EVERY_S)

    def _after(self, run: RunView) -> RunView:
        """What the ledger knows of a run once the tick has seen its job end: it has ended, or its retry runs."""
        for _ in range(_ROUNDS):
            known = self.journal.run(run.id)
            if known is not None and (known.state != "running" or (known.phase == "launched" and known.job != run.job)):
                return known
            self.emulator.advance(timedelta(minutes=2))  # the tick asks the platform every few minutes
            self.settle()
        raise Unavailable(f"the tick did not see the end of {run.job}", code="not_settled")

    def models(self) -> list[tuple[str, str, dict[str, float]]]:
        """(name, version, metrics) of what is registered."""
        parent = f"projects/{self.environment.project}/locations/{self.environment.location}"
        listed: Any = self._api.call("GET", f"{self.emulator.url}/v1/{parent}/models").json()
        found = []
        for model in listed.get("models", []):
            answer: Any = self._api.call("GET", f"{self.emulator.url}/v1/{model['name']}/evaluations").json()
            metrics = [it.get("metrics", {}) for it in answer.get("modelEvaluations", [])]
            found.append((model["displayName"], model["versionId"], metrics[-1] if metrics else {}))
        return found

    def counts(self) -> dict[str, int]:
        """Deliveries that were acknowledged, by what became of them; ticks are not events."""
        counts = dict.fromkeys(("received", "launched", "duplicate", "deferred", "rejected"), 0)
        for attempt in self.emulator.attempts(50_000):
            answer = attempt.answer
            outcomes = answer.get("outcomes") if isinstance(answer, dict) else None
            if not isinstance(outcomes, list):
                continue
            counts["received"] += 1
            for outcome in outcomes:
                assert isinstance(outcome, dict)
                result = str(outcome.get("result", "dead"))  # what is no event lies among the dead letters
                counts[result] = counts.get(result, 0) + 1
        return counts


def _all_ended(tally: Mapping[str, int]) -> bool:
    return tally.get("accepted", 0) == sum(tally.get(end, 0) for end in ("delivered", "dead", "dropped"))
