from __future__ import annotations

import pytest

from retrigger.handlers.endpoints import Health
from retrigger.handlers.rollout.judging import is_well, of_probes, over
from tests.handlers.adapters.azureml.test_endpoints import a_rollout


def test_probes_give_a_share_and_the_nearest_rank() -> None:
    probes = [[200, latency] for latency in range(1, 20)] + [[503, 1000]]
    assert of_probes(probes) == Health(error_rate=0.05, p95_ms=19)
    assert of_probes([[200, 7]]) == Health(error_rate=0.0, p95_ms=7)
    assert of_probes([]) is None


@pytest.mark.parametrize(("status", "well"), [(199, False), (200, True), (299, True), (300, False), (0, False)])
def test_only_2xx_is_served(status: int, well: bool) -> None:
    assert is_well(status) is well


@pytest.mark.parametrize(
    ("health", "told"),
    [
        (Health(error_rate=0.01, p95_ms=300), None),
        (Health(error_rate=0.011, p95_ms=1), "1.1% of its requests failed, and 1.0% may"),
        (Health(error_rate=0.0, p95_ms=301), "its 95th percentile is 301 ms, and 300 ms it may be"),
        (None, None),
    ],
)
def test_a_bound_is_passed_by_what_is_over_it(health: Health | None, told: str | None) -> None:
    assert over(a_rollout(error_rate=0.01, p95_ms=300), health) == told


def test_without_bounds_nothing_is_over() -> None:
    assert over(a_rollout(), Health(error_rate=1.0, p95_ms=10_000)) is None
