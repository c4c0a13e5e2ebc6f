"""Is a new deployment well enough to go on? What the platform measured decides, or else our own probes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.handlers.endpoints import Health

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrigger.handlers.jobs import RolloutJob


def is_bounded(job: RolloutJob) -> bool:
    """Whether anything is watched at all."""
    return job.error_rate is not None or job.p95_ms is not None


def is_well(status: int) -> bool:
    """Whether a request was served."""
    return 200 <= status < 300


def of_probes(probes: Sequence[Sequence[int]]) -> Health | None:
    """Of probes as [status, latency in ms]; None where there are none. The percentile is the nearest rank."""
    if not probes:
        return None
    latencies = sorted(latency for _, latency in probes)
    failed = sum(not is_well(status) for status, _ in probes)
    rank = -(-95 * len(latencies) // 100)
    return Health(error_rate=failed / len(probes), p95_ms=latencies[rank - 1])


def over(job: RolloutJob, health: Health | None) -> str | None:
    """Which bound is passed, in words; None: all is well, or nothing is known."""
    if health is None:
        return None
    if job.error_rate is not None and health.error_rate > job.error_rate:
        return f"{health.error_rate:.1%} of its requests failed, and {job.error_rate:.1%} may"
    if job.p95_ms is not None and health.p95_ms > job.p95_ms:
        return f"its 95th percentile is {health.p95_ms} ms, and {job.p95_ms} ms it may be"
    return None
