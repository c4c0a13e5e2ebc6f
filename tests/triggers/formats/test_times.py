from __future__ import annotations

from datetime import UTC, datetime

import pytest

from retrigger.triggers.errors import Malformed
from retrigger.triggers.formats import times


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-03-02T08:00:00Z", datetime(2026, 3, 2, 8, tzinfo=UTC)),
        ("2026-03-02t08:00:00z", datetime(2026, 3, 2, 8, tzinfo=UTC)),
        ("2026-03-02T08:00:00.5+05:30", datetime(2026, 3, 2, 2, 30, 0, 500_000, tzinfo=UTC)),
        ("2026-03-02T08:00:00.123456789-01:00", datetime(2026, 3, 2, 9, 0, 0, 123_456, tzinfo=UTC)),
    ],
)
def test_rfc_3339_times_become_aware_utc(text: str, time: datetime) -> None:
    read = times.instant(text, "The time")
    assert (read, read.tzinfo) == (time, UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lunchtime",
        "2026-03-02",
        "2026-03-02 08:00:00Z",
        "2026-03-02T08:00:00",
        "2026-03-02T08:00Z",
        "2026-03-02T08:00:00+05",
        "2026-03-02T08:00:00+25:00",
        "2026-W10-1T08:00:00Z",
        "20260302T080000Z",
        "2026-02-31T08:00:00Z",
        "2026-03-02T08:00:00.1234567890Z",
        "0001-01-01T00:00:00+14:00",
        "\u0662026-03-02T08:00:00Z",
        "2026-03-02T08:00:00Z\n",
    ],
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        times.instant(text, "The time")
    assert caught.value.code == "bad_time"
