"""The one folder that holds everything the emulator knows. Deleting it forgets everything."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class State:
    """Paths below the state folder; each belongs to one module, named here so that no two collide."""

    root: Path

    @classmethod
    def at(cls, root: Path) -> State:
        """Open or create a state folder, readable by its owner only: it holds data and tokens."""
        root = root.resolve()
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for sub in ("objects", "blobs", "jobs", "logs"):
            (root / sub).mkdir(exist_ok=True)
        (root / ".gitignore").write_text("*\n", encoding="utf-8")  # nothing of it belongs into a repository
        return cls(root)

    @property
    def process(self) -> Path:
        """What `status` and `down` read: pid, base URL, project folder."""
        return self.root / "emulator.json"

    @property
    def lock(self) -> Path:
        """Held for as long as an emulator runs on this folder."""
        return self.root / "lock"

    @property
    def clock(self) -> Path:
        return self.root / "clock.json"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.sqlite3"

    @property
    def objects(self) -> Path:
        """Object bytes, one file a generation, beside their index `objects.sqlite3`."""
        return self.root / "objects"

    @property
    def blobs(self) -> Path:
        """Those of Blob, kept alike."""
        return self.root / "blobs"

    @property
    def queues(self) -> Path:
        return self.root / "queues.sqlite3"

    @property
    def pulled(self) -> Path:
        """Queues whose readers fetch: Queue Storage's."""
        return self.root / "pulled.sqlite3"

    @property
    def jobs(self) -> Path:
        """One folder a pipeline job: its request, its state, its tasks' logs and outputs."""
        return self.root / "jobs"

    @property
    def azure_jobs(self) -> Path:
        """Those of Azure ML, kept alike."""
        return self.root / "azure_jobs"

    @property
    def servers(self) -> Path:
        """Logs of the servers behind online endpoints."""
        return self.root / "servers"

    @property
    def deployments(self) -> Path:
        """What online deployments of Azure ML serve: their models, code and plans."""
        return self.root / "deployments"

    @property
    def resources(self) -> Path:
        """What the control planes know: jobs, models, evaluations."""
        return self.root / "resources.sqlite3"

    @property
    def results(self) -> Path:
        """Results of pipeline tasks, by what went into them: a cached task is not run again."""
        return self.root / "results"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def compiled(self) -> Path:
        """The compiled project that the local functions load."""
        return self.root / "compiled.json"


def write_atomically(path: Path, text: str) -> None:
    """Replace a small file so that a reader, or a crash, sees the old text or the new, never half of it."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
