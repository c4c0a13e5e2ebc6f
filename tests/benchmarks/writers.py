"""Processes that write to one SQLite ledger at once: claims and members of files that wait in one window."""

from __future__ import annotations

import time
from itertools import count
from multiprocessing import get_context
from typing import TYPE_CHECKING, Self

from retrigger.handlers.adapters.sqlite import SqliteRecords
from tests.benchmarks.scenes import WINDOWED, Scene, dropped

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from pathlib import Path


class Writers:
    """Started once, so that a round finds the ledger as it is in the middle of a long day."""

    def __init__(self, path: Path, processes: int) -> None:
        context = get_context("forkserver")
        context.set_forkserver_preload([__name__])
        self._working: list[tuple[BaseProcess, Connection]] = []
        for number in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=_write, args=(theirs, path, str(number)), daemon=True)
            process.start()
            theirs.close()
            self._working.append((process, ours))

    def __enter__(self) -> Self:
        for _, connection in self._working:
            connection.recv()
        return self

    def __exit__(self, *_: object) -> None:
        for process, connection in self._working:
            connection.close()
            process.join()

    def seconds(self, events: int) -> float:
        """How long they take together; each has its share."""
        began = time.perf_counter()
        for number, (_, connection) in enumerate(self._working):
            connection.send(len(range(number, events, len(self._working))))
        for _, connection in self._working:
            connection.recv()
        return time.perf_counter() - began


def _write(connection: Connection, path: Path, who: str) -> None:
    """Says that it is ready, and then after every share; ends when nobody listens any more."""
    core = Scene(SqliteRecords(path), WINDOWED).app.core
    names = (f"in/dt=1/{who}-{number}.csv" for number in count())
    share = 1
    while True:
        for _ in range(share):
            core.handle(dropped(next(names)))
        connection.send("done")
        try:
            share = connection.recv()
        except EOFError:
            return
