"""The real function, which kills its own process at a chosen operation: a platform may do so at any.

The file named by RETRIGGER_TEST_KILL holds `before|after OPERATION PREFIX`, the operation being one of the ledger's, or
`submit` of the platform. The process that meets it removes the file and dies by SIGKILL.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from retrigger.functions.gcp.main import main
from retrigger.handlers import wiring, wiring_google
from retrigger.handlers.ports import in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from retrigger.handlers.jobs import Job, JobStatus, Request
    from retrigger.handlers.ports import Entry, Launcher, Record, Records
    from retrigger.triggers.event import Json

ORDER = Path(os.environ["RETRIGGER_TEST_KILL"])


def die_if_ordered(when: str, operation: str, key: str) -> None:
    try:
        wanted_when, wanted_operation, prefix = ORDER.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return
    if (wanted_when, wanted_operation) == (when, operation) and key.startswith(prefix):
        ORDER.unlink(missing_ok=True)
        os.kill(os.getpid(), signal.SIGKILL)


class MortalRecords:
    """Records under which the process may die before or after any write."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def get(self, key: str) -> Record | None:
        return self._records.get(key)

    def get_many(self, keys: Iterable[str]) -> Iterator[Record]:
        return (record for key in keys if (record := self.get(key)) is not None)

    def create(self, key: str, body: Mapping[str, Json]) -> Record | None:
        die_if_ordered("before", "create", key)
        created = self._records.create(key, body)
        die_if_ordered("after", "create", key)
        return created

    create_all = in_turn

    def swap(self, old: Record, body: Mapping[str, Json]) -> Record | None:
        # a seal is the swap of a head that fills `prev`
        operation = "seal" if old.key.startswith("w/") and body.get("prev") != old.body.get("prev") else "swap"
        die_if_ordered("before", operation, old.key)
        swapped = self._records.swap(old, body)
        die_if_ordered("after", operation, old.key)
        return swapped

    def list(self, prefix: str, limit: int | None = None) -> Iterable[Entry]:
        return self._records.list(prefix, limit)

    def delete(self, keys: Iterable[str]) -> None:
        self._records.delete(keys)

    def now(self) -> datetime:
        return self._records.now()


class MortalLauncher:
    """A launcher under which the process may die before or after the job was posted."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher

    def request(self, job: Job, template: Mapping[str, Json] | None) -> Request:
        return self._launcher.request(job, template)

    def submit(self, job: Job, template: Mapping[str, Json] | None) -> Literal["created", "adopted", "conflict"]:
        die_if_ordered("before", "submit", job.id)
        submitted = self._launcher.submit(job, template)
        die_if_ordered("after", "submit", job.id)
        return submitted

    def status(self, job: Job) -> JobStatus:
        return self._launcher.status(job)

    def cancel(self, job: Job) -> None:
        self._launcher.cancel(job)


def _mortal_records(make: Callable[..., Records]) -> Callable[..., Records]:
    return lambda *settings: MortalRecords(make(*settings))


def _mortal_launcher(make: Callable[..., Launcher]) -> Callable[..., Launcher]:
    return lambda *settings, **options: MortalLauncher(make(*settings, **options))


wiring.records_of = _mortal_records(wiring.records_of)
wiring_google.launcher_of = _mortal_launcher(wiring_google.launcher_of)

__all__ = ["main"]
