"""A process that decides on events until it is killed. It says which delivery it has acknowledged, and nothing else."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

from retrigger.handlers.wiring import assemble, cloud_of, compiled_at, records_of
from retrigger.triggers.errors import RetriggerError
from tests.benchmarks.measure import CountingRecords
from tests.benchmarks.once.project import event

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from retrigger.handlers.wiring import App
    from tests.benchmarks.once.project import Place

TICK: Final = -1


def work(connection: Connection, place: Place) -> None:
    """Receives event numbers, or TICK; answers (acknowledged, ledger operations) for each."""
    logging.disable()  # what is deferred or tried again is expected here, a thousand times
    counting, app = _app(place)
    while True:
        try:
            number = connection.recv()
        except EOFError:
            return
        try:
            if number == TICK:
                app.tick().run()
            else:
                app.core.handle(event(number))
            acknowledged = True
        except RetriggerError:
            acknowledged = False
        connection.send((acknowledged, sum(counting.taken().values())))


def _app(place: Place) -> tuple[CountingRecords, App]:
    compiled = compiled_at(place.compiled)
    environ = dict(os.environ)
    counting = CountingRecords(records_of(place.ledger, environ, compiled.environment.services))
    return counting, assemble(compiled, counting, *cloud_of(compiled.environment, environ))
