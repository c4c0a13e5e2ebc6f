from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from retrigger.handlers.adapters.store_clock import StoreClock

STAMP = datetime(2026, 11, 20, 10, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_it_goes_on_from_a_stamp_as_fast_as_time_passes_here() -> None:
    clock = StoreClock(SECOND)
    before = time.monotonic()
    clock.saw(STAMP)
    shown = clock.now()
    passed = timedelta(seconds=time.monotonic() - before)
    assert STAMP <= shown <= STAMP + passed


def test_the_latest_stamp_counts_and_it_never_goes_back() -> None:
    clock = StoreClock(SECOND)
    clock.saw(STAMP)
    clock.saw(STAMP + 5 * SECOND)
    clock.saw(STAMP + SECOND)
    assert STAMP + 5 * SECOND <= clock.now() < STAMP + 10 * SECOND


def test_only_a_stamp_that_is_known_to_be_new_makes_it_good() -> None:
    clock = StoreClock(60 * SECOND)
    clock.saw(STAMP - 3600 * SECOND)  # of a record that somebody wrote at some time
    assert not clock.is_good
    clock.saw(STAMP, new=True)
    assert clock.is_good


def test_a_stamp_that_fits_what_is_known_keeps_it_good() -> None:
    clock = StoreClock(timedelta(milliseconds=50))
    clock.saw(STAMP, new=True)
    _until_bad(clock)
    clock.saw(STAMP - 60 * SECOND)
    assert not clock.is_good
    clock.saw(STAMP - SECOND)
    assert clock.is_good


def test_a_clock_that_can_be_wound_is_never_good_for_long() -> None:
    clock = StoreClock(timedelta())
    clock.saw(STAMP, new=True)
    assert not clock.is_good


def _until_bad(clock: StoreClock) -> None:
    deadline = time.monotonic() + 5
    while clock.is_good:
        assert time.monotonic() < deadline
        time.sleep(0.01)
