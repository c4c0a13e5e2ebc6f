"""Four workers and whoever kills them: deliveries are handed out, and handed out again until they are acknowledged."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Final, Self

from tests.benchmarks.once.worker import TICK, work

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable
    from multiprocessing.process import BaseProcess

    from tests.benchmarks.once.project import Place

_WORKERS: Final = 4
# What a worker needs, imported once: whoever takes the place of a killed one begins with a fork.
_PRELOADED: Final = (
    "tests.benchmarks.once.worker",
    "retrigger.handlers.adapters.buckets",
    "retrigger.handlers.tick",
    "cel_expr_python.cel",
)
_LIVES_S: Final = 0.004  # the mean from handing out to the kill: some die before they begin, some after they answered


@dataclass(slots=True)
class Worker:
    """`holds`: the delivery that it has not acknowledged yet. `dies_at`: by the monotonic clock."""

    process: BaseProcess
    connection: Connection
    holds: int | None = None
    dies_at: float | None = None


class Fleet:
    """Hands deliveries to workers. Counts deliveries, kills, and ledger operations of what was acknowledged."""

    def __init__(self, place: Place, chance: random.Random) -> None:
        self.kills = self.delivered = self.operations = 0
        self._place = place
        self._chance = chance
        self._waiting: deque[int] = deque()
        self._context = get_context("forkserver")
        self._context.set_forkserver_preload([*_PRELOADED])
        self._workers: list[Worker] = []

    def __enter__(self) -> Self:
        self._workers = [self._hired() for _ in range(_WORKERS)]
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            self._end(worker)

    def deliver(self, numbers: Iterable[int], *, deadly: float) -> None:
        """Until every delivery was acknowledged. `deadly`: the share of them that a kill is aimed at."""
        self._waiting.extend(numbers)
        while self._waiting or any(worker.holds is not None for worker in self._workers):
            for worker in self._workers:
                if worker.holds is None and self._waiting:
                    self._hand_out(worker, deadly)
            self._listen()

    def _hand_out(self, worker: Worker, deadly: float) -> None:
        worker.holds = self._waiting.popleft()
        worker.connection.send(worker.holds)
        self.delivered += worker.holds != TICK
        if self._chance.random() < deadly:
            worker.dies_at = time.monotonic() + self._chance.expovariate(1 / _LIVES_S)

    def _listen(self) -> None:
        now = time.monotonic()
        ends = [worker.dies_at for worker in self._workers if worker.dies_at is not None]
        busy = {worker.connection: worker for worker in self._workers if worker.holds is not None}
        ready = wait(list(busy), timeout=max(0.0, min(ends) - now) if ends else None)
        for connection in ready:
            assert isinstance(connection, Connection)
            acknowledged, operations = connection.recv()
            worker = busy[connection]
            self.operations += operations
            if not acknowledged:
                assert worker.holds is not None
                self._waiting.append(worker.holds)
            worker.holds = None
        for number, worker in enumerate(self._workers):
            if worker.dies_at is not None and worker.dies_at <= time.monotonic():
                self._workers[number] = self._killed(worker)

    def _killed(self, worker: Worker) -> Worker:
        """SIGKILL; what it held comes again, whether it was done or not: nobody heard."""
        self._end(worker)
        self.kills += 1
        if worker.holds is not None:
            self._waiting.append(worker.holds)
        return self._hired()

    def _hired(self) -> Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=work, args=(theirs, self._place), daemon=True)
        process.start()
        theirs.close()
        return Worker(process, ours)

    def _end(self, worker: Worker) -> None:
        worker.process.kill()
        worker.process.join()
        worker.connection.close()
