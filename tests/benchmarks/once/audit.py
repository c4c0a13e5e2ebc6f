"""What the platform was really asked to run, against what should have run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.benchmarks.once.project import is_message, what

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.benchmarks.once.platform import Submitted


@dataclass(frozen=True, slots=True)
class Audit:
    """`lost`: events that no run was for and no dead letter tells of. `doubled`: those that more than one run was for.

    A file may be in a run that failed, and in the one that it was carried over to.
    """

    lost: int
    doubled: int


def audit(events: int, jobs: Iterable[Submitted], dead: set[str]) -> Audit:
    """`dead`: what stands in dead letters, as the platform would have called it."""
    ran: Counter[str] = Counter()
    for job in jobs:
        if "what" in job.parameters:
            ran[job.parameters["what"]] += 1
        elif not job.failed:
            ran.update(job.parameters["files"])
    expected = [what(number) for number in range(events)]
    strangers = set(ran) - set(expected)
    assert not strangers, f"runs of what was never delivered: {sorted(strangers)[:3]}"
    lost = [it for number, it in enumerate(expected) if not ran[it] and (is_message(number) or it not in dead)]
    return Audit(lost=len(lost), doubled=sum(times > 1 for times in ran.values()))
