"""What a job is asked to do, as it stands in its folder: `request.json`. Each platform has its own form of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from retrigger.local_emulator.state import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "request.json"


class Request(Protocol):
    """What the process of a job reads."""

    def write(self, folder: Path) -> None: ...


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One run of a compiled Kubeflow pipeline, as Vertex AI is asked for it.

    `name` is the resource name (`projects/P/locations/L/pipelineJobs/ID`), `spec` the PipelineSpec, `parameters` hold
    every value that the pipeline takes (`values.bind`), `artifacts` its input artifacts (`Artifact.as_json`),
    `root` the output directory (`gs://…` or a local path). `cache` and `clock` are paths: of the result cache ("" =
    off), and of the emulator's clock ("" = the host's time).
    """

    name: str
    spec: Mapping[str, Any]
    root: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fail_fast: bool = False
    cache: str = ""
    clock: str = ""

    @property
    def job_id(self) -> str:
        return self.name.rsplit("/", 1)[-1]

    def write(self, folder: Path) -> None:
        write_atomically(folder / FILE, json.dumps(asdict(self)))

    @classmethod
    def read(cls, folder: Path) -> JobRequest:
        """Errors: FileNotFoundError if the folder holds no request."""
        return cls(**json.loads((folder / FILE).read_text(encoding="utf-8")))


def is_in(folder: Path) -> bool:
    """Tell whether a folder holds a request, of either platform."""
    return (folder / FILE).exists()
