"""`python -m retrigger.local_emulator.runners.azureml JOBDIR`: runs one pipeline job in the process `job` describes."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from retrigger.local_emulator.runners import job
from retrigger.local_emulator.runners.azureml.blobs import Mount
from retrigger.local_emulator.runners.azureml.commands import Job
from retrigger.local_emulator.runners.azureml.graph import Graph
from retrigger.local_emulator.runners.azureml.pipelines import BLOB_ENDPOINT, PipelineRequest

if TYPE_CHECKING:
    from pathlib import Path

    from retrigger.local_emulator.runners.record import Finished, Record


def read(folder: Path) -> job.Work:
    request = PipelineRequest.read(folder)
    mount = Mount(folder / "blobs", os.environ[BLOB_ENDPOINT])
    work = Job(request, folder, mount, job.slots())

    async def run(record: Record) -> Finished:
        return await Graph(work, record).run()

    return job.Work(request.clock, run)


if __name__ == "__main__":
    sys.exit(job.main(read))
