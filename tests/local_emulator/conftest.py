from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from retrigger.local_emulator.app import Emulator
from retrigger.local_emulator.claim import Claim
from retrigger.local_emulator.settings import Settings
from retrigger.local_emulator.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from retrigger.local_emulator.scheduler import TriggerSchedule


@dataclass(frozen=True)
class Laptop:
    """A state folder, the recording function, and emulators on them, one after the other."""

    folder: Path

    @property
    def state(self) -> State:
        return State.at(self.folder / "state")

    @property
    def hang(self) -> Path:
        return self.folder / "hang"

    def settings(self, schedules: tuple[TriggerSchedule, ...] = (), copies: int = 1) -> Settings:
        return Settings(
            project="local-project",
            location="europe-west4",
            project_folder=self.folder,
            function_source=Path(__file__).with_name("recorder.py"),
            environment={**os.environ, "RECORD": str(self.folder / "record"), "HANG": str(self.hang)},
            buckets=("landing", "other"),
            watched=("landing",),
            topics=("projects/local-project/topics/retrain",),
            schedules=schedules,
            tick_every=timedelta(hours=1),
            copies=copies,
        )

    def up(self, schedules: tuple[TriggerSchedule, ...] = (), copies: int = 1) -> Emulator:
        emulator = Emulator(Claim.take(self.state), self.settings(schedules, copies))
        emulator.start()
        return emulator

    def requests(self) -> list[dict[str, Any]]:
        """What the function was asked; its ticks left out."""
        record = self.folder / "record"
        lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
        return [request for request in map(json.loads, lines) if request["path"] != "/tick"]


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(tmp_path)


@pytest.fixture
def emulator(laptop: Laptop) -> Iterator[Emulator]:
    emulator = laptop.up()
    yield emulator
    emulator.stop()


def eventually(holds: Callable[[], bool], timeout: float = 10) -> None:
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold in time"
        time.sleep(0.01)
