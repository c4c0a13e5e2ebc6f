"""What the graphs of all platforms share: an order in which no task waits for a later one, and how a task ends."""

from __future__ import annotations

import asyncio
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from retrigger.local_emulator.runners.errors import PipelineError
from retrigger.local_emulator.runners.record import Finished, TaskRecord, TaskState

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Mapping


def in_order(dependencies: Mapping[str, Collection[str]]) -> list[str]:
    """Order tasks; each is given with those that it waits for. Errors: PipelineError for one that is not there."""
    for name, producers in dependencies.items():
        if missing := set(producers) - dependencies.keys():
            raise PipelineError(f"task {name!r} depends on {min(missing)!r}, which is not in its graph")
    try:
        return list(TopologicalSorter(dependencies).static_order())
    except CycleError as error:
        raise PipelineError(f"tasks depend on each other in a circle: {' -> '.join(error.args[1])}") from error


async def settled(record: TaskRecord, work: Coroutine[Any, Any, Finished]) -> Finished:
    """Await one task's end and record it, whichever way it ends."""
    try:
        finished = await work
    except PipelineError as error:
        finished = Finished(TaskState.FAILED, error=str(error))
    except asyncio.CancelledError:
        record.finish(Finished(TaskState.CANCELLED))
        raise
    record.finish(finished)
    return finished
