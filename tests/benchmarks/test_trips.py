"""What a ledger in a bucket costs in round trips: they are what its speed is bounded by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks.trips import trips

if TYPE_CHECKING:
    from pathlib import Path


def test_round_trips_of_each_kind_of_event_and_of_an_idle_tick(tmp_path: Path) -> None:
    assert trips(tmp_path) == {
        "windowed_first": {"PUT": 6, "GET": 1, "LIST": 1, "DELETE": 1},  # three of these ask the store for its time
        "windowed": {"PUT": 2, "GET": 1},
        "windowed_duplicate": {"PUT": 2, "GET": 2},
        "direct_first": {"PUT": 8, "GET": 9},
        "direct": {"PUT": 6, "GET": 9},
        "direct_duplicate": {"PUT": 1, "GET": 1},
        "idle_tick": {"LIST": 9, "PUT": 2, "GET": 1, "DELETE": 1},  # and of these
    }
