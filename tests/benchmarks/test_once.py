"""The audit of `exactly_once` sees what it is there to see."""

from __future__ import annotations

import pytest

from tests.benchmarks.once.audit import Audit, audit
from tests.benchmarks.once.platform import Submitted
from tests.benchmarks.once.project import what


def asked(number: int) -> Submitted:
    return job({"what": what(number)})


def trained(*numbers: int, failed: bool = False) -> Submitted:
    return job({"files": [what(number) for number in numbers]}, failed=failed)


def job(parameters: dict[str, object], *, failed: bool = False) -> Submitted:
    ends = "PIPELINE_STATE_FAILED" if failed else "PIPELINE_STATE_SUCCEEDED"
    return Submitted("j", {"runtimeConfig": {"parameterValues": parameters}}, ends)


@pytest.mark.parametrize(
    ("jobs", "dead", "found"),
    [
        pytest.param([asked(0), trained(1, 2)], set(), Audit(lost=0, doubled=0), id="each once"),
        pytest.param([asked(0), trained(1)], set(), Audit(lost=1, doubled=0), id="a file forgotten"),
        pytest.param([trained(1, 2)], set(), Audit(lost=1, doubled=0), id="a message forgotten"),
        pytest.param([asked(0), asked(0), trained(1, 2)], set(), Audit(lost=0, doubled=1), id="a message twice"),
        pytest.param([asked(0), trained(1), trained(1, 2)], set(), Audit(lost=0, doubled=1), id="a file twice"),
        pytest.param([asked(0), trained(1, failed=True), trained(1, 2)], set(), Audit(lost=0, doubled=0), id="carried"),
        pytest.param([asked(0), trained(1, 2, failed=True)], set(), Audit(lost=2, doubled=0), id="failed, not carried"),
        pytest.param([asked(0), trained(1, failed=True), trained(2)], {what(1)}, Audit(lost=0, doubled=0), id="buried"),
    ],
)
def test_what_is_lost_or_doubled_is_counted(jobs: list[Submitted], dead: set[str], found: Audit) -> None:
    assert audit(3, jobs, dead) == found


def test_a_run_of_what_was_never_delivered_is_told() -> None:
    with pytest.raises(AssertionError, match="never delivered"):
        audit(1, [asked(0), trained(1)], set())
