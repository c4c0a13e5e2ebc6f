from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from retrigger.local_emulator.runners.record import JobState, Record, read_state
from retrigger.local_emulator.runners.values import Values

if TYPE_CHECKING:
    from pathlib import Path


def test_a_job_that_has_ended_is_not_cancelled_by_what_comes_after(tmp_path: Path) -> None:
    async def end_then_stop() -> None:
        record = Record(tmp_path, lambda: datetime(2026, 1, 5, tzinfo=UTC), asyncio.get_running_loop())
        record.finish(JobState.SUCCEEDED, Values(), "")
        record.cancelling()

    asyncio.run(end_then_stop())
    assert read_state(tmp_path)["state"] == JobState.SUCCEEDED
