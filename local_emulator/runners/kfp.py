"""Runs a compiled Kubeflow pipeline in the process that `job` describes; its artifacts are in the folder `gcs/`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from retrigger.local_emulator.runners import job
from retrigger.local_emulator.runners.cache import Cache
from retrigger.local_emulator.runners.dag import Graph
from retrigger.local_emulator.runners.gcs import Mount
from retrigger.local_emulator.runners.request import JobRequest
from retrigger.local_emulator.runners.tasks import Job

if TYPE_CHECKING:
    from retrigger.local_emulator.runners.record import Finished, Record


def read(folder: Path) -> job.Work:
    request = JobRequest.read(folder)
    mount = Mount(folder / "gcs", os.environ.get("STORAGE_EMULATOR_HOST"))
    cache = Cache(Path(request.cache), mount) if request.cache else None

    async def run(record: Record) -> Finished:
        return await Graph(Job(request, folder, mount, cache, job.slots(), record.timestamp()), record).run()

    return job.Work(request.clock, run)


if __name__ == "__main__":
    sys.exit(job.main(read))
