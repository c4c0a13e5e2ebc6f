"""What the core needs of the world: a place for records, a platform that launches, and objects to look at.

What is launched is in `jobs`; the port of online endpoints is in `endpoints`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from typing import Protocol

    from retrigger.handlers.jobs import Job, JobStatus, Request
    from retrigger.triggers.environment import Environment
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Trigger
else:
    Protocol = object  # who runs them has no use for protocols, and each takes 0.4 ms of a cold start to make


@dataclass(frozen=True, slots=True)
class Record:
    """A stored body. `version` changes with every write; `time` is the store's, when this version was written.

    Only a record that was read has a time: an object store does not tell it to those who write.
    """

    key: str
    version: str
    body: Mapping[str, Json]
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A listed record, without its body. `version` changes with every write, but may be another than the Record's."""

    key: str
    version: str
    time: datetime


class Records(Protocol):
    """Mechanism only: the protocol above it is written once. Linearizable per key.

    A key is segments joined by `/`: none is empty, `.` or `..`, and none holds a control character. Every method
    raises Unavailable if the store did nothing, and Unknown if it may have done it.
    """

    def get(self, key: str) -> Record | None: ...

    def get_many(self, keys: Iterable[str]) -> Iterator[Record]:
        """Each as `get` reads it, in order of `keys`; those that are not there are left out."""

    def create(self, key: str, body: Mapping[str, Json]) -> Record | None:
        """Write a new key; None if it exists."""

    def create_all(self, bodies: Mapping[str, Mapping[str, Json]]) -> Record | None:
        """Create the first key, and where it is new the others after it, unless they exist; the first, or None.

        At once where the store can; elsewhere a crash, or a failure, may leave a beginning of them.
        """

    def swap(self, old: Record, body: Mapping[str, Json]) -> Record | None:
        """Replace exactly the version that was read; None if it changed."""

    def list(self, prefix: str, limit: int | None = None) -> Iterable[Entry]:
        """Entries in key order; holds everything that was created before the call.

        `prefix` is empty or ends with `/`.
        """

    def delete(self, keys: Iterable[str]) -> None:
        """Unconditional and idempotent: only for keys that are never used again."""

    def now(self) -> datetime:
        """The store's clock: never ahead of the times that it stamps, and seldom more than a second behind."""


def in_turn(records: Records, bodies: Mapping[str, Mapping[str, Json]]) -> Record | None:
    """`Records.create_all` of a store that writes a key at a time."""
    first, *others = bodies
    created = records.create(first, bodies[first])
    if created is not None:
        for key in others:
            records.create(key, bodies[key])
    return created


class Launcher(Protocol):
    """A platform that accepts our id for a pipeline, so that a second submission of the same changes nothing.

    A BatchJob is submitted once, and looked for by its labels. `template` is a pipeline's compiled form, None where
    the kind of job has none.
    """

    def request(self, job: Job, template: Mapping[str, Json] | None) -> Request:
        """Pure: what `submit` would send."""

    def submit(self, job: Job, template: Mapping[str, Json] | None) -> Literal["created", "adopted", "conflict"]:
        """Launch. `adopted`: a job of this id and fingerprint exists; `conflict`: of this id, but another fingerprint.

        Raises Refused (permanent), Unavailable (it did not happen) or Unknown (the answer was lost). Of a BatchJob
        anything but a certain no is Unknown.
        """

    def status(self, job: Job) -> JobStatus:
        """`lost` if the platform knows no such job."""

    def cancel(self, job: Job) -> None:
        """Ask the platform to stop it; idempotent, and no promise that it has stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStat:
    """An object as its store knows it now. `size` in bytes; `written`: when this version was, aware UTC, if known."""

    name: str
    version: str
    size: int
    checksum: str | None = None
    content_type: str | None = None
    written: datetime | None = None


class Objects(Protocol):
    """Reads objects of a bucket (of Blob: ACCOUNT/CONTAINER), and writes manifests."""

    def read(
        self, bucket: str, name: str, *, version: str | None = None, start: int = 0, limit: int
    ) -> Iterator[bytes]:
        """Chunks of the object's bytes from `start` on, `limit` at the most; none where it ends before `start`.

        Raises Refused with code `object_gone` if it is not there.
        """

    def stat(self, bucket: str, name: str) -> ObjectStat | None:
        """The live version, None if there is none. Raises Refused or Unavailable where the store does not say."""

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectStat]: ...

    def write(self, bucket: str, name: str, data: bytes) -> None:
        """Create; writing the same name again with the same bytes changes nothing."""


class Publisher(Protocol):
    """Sends to one channel, at most once a call."""

    def publish(self, data: bytes, attributes: Mapping[str, str]) -> None:
        """Raises Refused (for good), Unavailable (it was not sent) or Unknown (the answer was lost)."""


class Catalog(Protocol):
    """What was compiled: the environment, its triggers by name, and the pipelines' templates by hash."""

    @property
    def environment(self) -> Environment: ...

    def trigger(self, name: str) -> Trigger | None:
        """None: no such trigger (any more)."""

    def template(self, sha256: str) -> Mapping[str, Json]: ...
