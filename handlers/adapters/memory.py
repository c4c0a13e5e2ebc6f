"""A ledger, a store and a platform in memory: what tests and the Sandbox run on, held to the real ones' contracts."""

from __future__ import annotations

import bisect
import json
import threading
from typing import TYPE_CHECKING, Literal

from retrigger.handlers.endpoints import Answer, Deployment, Endpoint
from retrigger.handlers.jobs import BatchJob, JobStatus, Request
from retrigger.handlers.ports import Entry, ObjectStat, Record, in_turn
from retrigger.triggers import keys
from retrigger.triggers.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from retrigger.handlers.endpoints import Health, Split
    from retrigger.handlers.jobs import Job, RolloutJob
    from retrigger.triggers.event import Json


class MemoryRecords:
    """Linearizable and thread-safe. Bodies go through JSON: nothing is shared that a real store would not share."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._rows: dict[str, tuple[int, datetime, str]] = {}
        self._keys: list[str] = []
        self._version = 0
        self._last = clock()

    def get(self, key: str) -> Record | None:
        row = self._rows.get(key)
        return row and Record(key, str(row[0]), json.loads(row[2]), row[1])

    def get_many(self, keys: Iterable[str]) -> Iterator[Record]:
        return (record for key in keys if (record := self.get(key)) is not None)

    def create(self, key: str, body: Mapping[str, Json]) -> Record | None:
        with self._lock:
            if key in self._rows:
                return None
            bisect.insort(self._keys, key)
            return self._write(key, body)

    create_all = in_turn

    def swap(self, old: Record, body: Mapping[str, Json]) -> Record | None:
        with self._lock:
            row = self._rows.get(old.key)
            if row is None or str(row[0]) != old.version:
                return None
            return self._write(old.key, body)

    def list(self, prefix: str, limit: int | None = None) -> Iterator[Entry]:
        with self._lock:
            start = bisect.bisect_left(self._keys, prefix)
            keys = self._keys[start : bisect.bisect_left(self._keys, prefix + "\U0010ffff", start)][:limit]
            rows = [(key, self._rows[key]) for key in keys]
        return iter([Entry(key, str(version), time) for key, (version, time, _) in rows])

    def delete(self, keys: Iterable[str]) -> None:
        with self._lock:
            for key in keys:
                if self._rows.pop(key, None) is not None:
                    del self._keys[bisect.bisect_left(self._keys, key)]

    def now(self) -> datetime:
        return max(self._clock(), self._last)

    def _write(self, key: str, body: Mapping[str, Json]) -> Record:
        self._version += 1
        self._last = self.now()
        text = json.dumps(body)
        self._rows[key] = (self._version, self._last, text)
        return Record(key, str(self._version), json.loads(text))


class MemoryObjects:
    """A store that holds what it is given. Generations count up from 1, by object name."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], tuple[int, bytes]] = {}

    def put(self, bucket: str, name: str, data: bytes) -> ObjectStat:
        version = self._objects.get((bucket, name), (0, b""))[0] + 1
        self._objects[bucket, name] = (version, data)
        return _stat(name, version, data)

    def read(
        self, bucket: str, name: str, *, version: str | None = None, start: int = 0, limit: int
    ) -> Iterator[bytes]:
        found = self._objects.get((bucket, name))
        if found is None or (version is not None and version != str(found[0])):
            raise Refused(f"gs://{bucket}/{name} of generation {version} is gone", code="object_gone")
        yield found[1][start : start + limit]

    def stat(self, bucket: str, name: str) -> ObjectStat | None:
        found = self._objects.get((bucket, name))
        return None if found is None else _stat(name, *found)

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectStat]:
        for (place, name), (version, data) in sorted(self._objects.items()):
            if place == bucket and name.startswith(prefix):
                yield _stat(name, version, data)

    def write(self, bucket: str, name: str, data: bytes) -> None:
        existing = self._objects.get((bucket, name))
        if existing is not None and existing[1] != data:
            raise Refused(f"gs://{bucket}/{name} exists with other content", code="object_exists")
        if existing is None:
            self.put(bucket, name, data)


class MemoryLauncher:
    """A platform that takes every job and runs none: `finish` says how a job ended."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self._statuses: dict[str, JobStatus] = {}

    def request(self, job: Job, template: Mapping[str, Json] | None) -> Request:
        return Request(
            method="POST",
            url=f"memory://jobs/{job.id}",
            body={"template": None if template is None else dict(template)},
        )

    def submit(self, job: Job, template: Mapping[str, Json] | None) -> Literal["created", "adopted", "conflict"]:
        del template
        if isinstance(job, BatchJob) and job.id in self.jobs:  # the same once more is another job
            self.jobs[f"{job.id} again, {len(self.jobs)}"] = job
            return "created"
        known = self.jobs.setdefault(job.id, job)
        if known is job:
            self._statuses[job.id] = JobStatus(state="running")
            return "created"
        return "adopted" if known.fingerprint == job.fingerprint else "conflict"

    def status(self, job: Job) -> JobStatus:
        return self._statuses.get(job.id, JobStatus(state="lost"))

    def cancel(self, job: Job) -> None:
        if self.status(job).state == "running":
            self._statuses[job.id] = JobStatus(state="cancelled")

    def finish(self, job_id: str, status: JobStatus) -> None:
        """Say how a job ended. KeyError if there is no such job."""
        self._statuses[self.jobs[job_id].id] = status


class MemoryEndpoints:
    """Online endpoints where every change is done at once. `answers`: deployment -> what it answers, else 200.

    `measured`: deployment -> what the platform measured of it, else nothing. `idle_answer`: whether a deployment
    without traffic can be asked, as on Azure ML; on Vertex AI it cannot. `failing`: models that never come up.
    """

    def __init__(self) -> None:
        self.deployments: dict[str, dict[str, Deployment]] = {}
        self.splits: dict[str, dict[str, int]] = {}
        self.answers: dict[str, Answer] = {}
        self.mirrors: dict[str, dict[str, int]] = {}
        self.measured: dict[str, Health] = {}
        self.idle_answer = True
        self.failing: set[str] = set()
        self.asked: list[tuple[str, str, Json]] = []

    def put(self, endpoint: str, models: Mapping[str, str], split: Split) -> None:
        """An endpoint with deployments, by name -> model."""
        self.deployments[endpoint] = {name: Deployment(state="ready", model=it) for name, it in models.items()}
        self.splits[endpoint] = dict(split)

    def deployment_of(self, job: RolloutJob) -> str:
        return f"rt-{keys.digest(job.id)[:24]}"

    def model_of(self, job: RolloutJob) -> str:
        return f"{job.model}:{job.version}"

    def request(self, job: RolloutJob) -> Request:
        url = f"memory://endpoints/{job.endpoint}/deployments/{self.deployment_of(job)}"
        return Request(method="PUT", url=url, body={"model": self.model_of(job)})

    def look(self, endpoint: str) -> Endpoint:
        deployments = dict(self._known(endpoint))
        split = {name: share for name, share in sorted(self.splits[endpoint].items()) if share}
        return Endpoint(deployments=deployments, split=split, mirror=self.mirrors.get(endpoint, {}))

    def deploy(self, job: RolloutJob, since_ms: int) -> None:
        del since_ms
        model = self.model_of(job)
        made = Deployment(state="failed" if model in self.failing else "ready", model=model)
        self._known(job.endpoint).setdefault(self.deployment_of(job), made)

    def shift(self, endpoint: str, split: Split, seen: Endpoint) -> bool:
        if seen.split != self.look(endpoint).split:
            return False
        gone = set(split) - set(self._known(endpoint))
        if gone:
            raise Refused(f"no deployment {min(gone)} of {endpoint} gets traffic: it is not there", code="not_found")
        if set(split) & set(self.mirrors.get(endpoint, {})):
            raise Refused("what gets a copy of the traffic gets none of it", code="bad_request")
        self.splits[endpoint] = dict(split)
        return True

    def invoke(self, endpoint: str, deployment: str, body: Json) -> Answer | None:
        if deployment not in self._known(endpoint):
            raise Refused(f"{endpoint} has no deployment {deployment}", code="not_found")
        if not (self.idle_answer or self.splits[endpoint].get(deployment)):
            return None
        self.asked.append((endpoint, deployment, body))
        return self.answers.get(deployment, Answer(status=200, latency_ms=1))

    def mirror(self, endpoint: str, mirror: Mapping[str, int], seen: Endpoint) -> bool:
        if seen != self.look(endpoint):
            return False
        if any(self.splits[endpoint].get(name) for name in mirror):
            raise Refused("what has traffic gets no copy of it", code="bad_request")
        self.mirrors[endpoint] = dict(mirror)
        return True

    def remove(self, endpoint: str, deployment: str) -> None:
        if self.splits[endpoint].get(deployment) or deployment in self.mirrors.get(endpoint, {}):
            raise Refused(f"deployment {deployment} gets traffic", code="in_use")
        self._known(endpoint).pop(deployment, None)

    def health(self, endpoint: str, deployment: str, since_ms: int, until_ms: int) -> Health | None:
        del endpoint, since_ms, until_ms
        return self.measured.get(deployment)

    def _known(self, endpoint: str) -> dict[str, Deployment]:
        if endpoint not in self.deployments:
            raise Refused(f"there is no endpoint {endpoint}", code="not_found")
        return self.deployments[endpoint]


class MemoryPublisher:
    """The port `Publisher`: `sent` has what was published, data and attributes, oldest first."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, dict[str, str]]] = []

    def publish(self, data: bytes, attributes: Mapping[str, str]) -> None:
        self.sent.append((data, dict(attributes)))


def _stat(name: str, version: int, data: bytes) -> ObjectStat:
    return ObjectStat(name=name, version=str(version), size=len(data))
