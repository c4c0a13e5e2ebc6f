from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from retrigger.local_emulator.runners.routing import Traffic, pick

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
EVER = (NOON - timedelta(days=9), NOON + timedelta(days=9))


@pytest.mark.parametrize("split", [{"blue": 90, "green": 10}, {"a": 1, "b": 2, "c": 97}, {"blue": 100}])
def test_of_a_hundred_requests_each_deployment_gets_its_percentage(split: dict[str, int]) -> None:
    assert Counter(pick(split, draw) for draw in range(100)) == split


def test_deployments_take_turns() -> None:
    taken = [draw for draw in range(200) if pick({"blue": 90, "green": 10}, draw % 100) == "green"]
    assert max(later - earlier for earlier, later in pairwise(taken)) <= 20


@pytest.mark.parametrize("split", [{}, {"blue": 0}])
def test_a_split_without_a_share_picks_nobody(split: dict[str, int]) -> None:
    assert pick(split, 7) is None


def test_each_endpoint_counts_its_own_requests() -> None:
    traffic = Traffic()
    assert [traffic.draw("one") for _ in range(101)] == [*range(100), 0]
    assert traffic.draw("two") == 0


def test_requests_are_counted_by_deployment_and_time() -> None:
    traffic = Traffic()
    for status, latency, at in ((200, 4.0, 0), (200, 300.0, 59), (503, 90_000.0, 60), (404, 1.0, 61)):
        traffic.count("churn", "blue", status, latency, NOON + timedelta(seconds=at))
    traffic.count("churn", "green", 200, 1.0, NOON)
    first = traffic.of("churn", "blue", NOON, NOON + timedelta(minutes=1))
    assert (first.requests, first.failures, first.statuses) == (2, 0, {200: 2})
    assert (first.quantile_ms(0.5), first.quantile_ms(0.95)) == (5, 300)
    both = traffic.of("churn", "blue", *EVER)
    assert (both.requests, both.failures, both.quantile_ms(1.0)) == (4, 1, 60_000)
    assert [at.minute for at in traffic.minutes("churn", "blue", *EVER)] == [0, 1]


def test_what_was_not_asked_has_no_latency() -> None:
    traffic = Traffic()
    traffic.count("churn", "blue", 200, 1.0, NOON)
    traffic.forget("churn")
    assert traffic.of("churn", "blue", *EVER).quantile_ms(0.95) is None


def test_only_two_days_are_kept() -> None:
    traffic = Traffic()
    for minute in range(3 * 24 * 60):
        traffic.count("churn", "blue", 200, 1.0, NOON + timedelta(minutes=minute))
    assert traffic.of("churn", "blue", NOON, NOON + timedelta(days=3)).requests == 2 * 24 * 60
