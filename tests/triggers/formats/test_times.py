from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

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


RFC3339 = r"(?ai)\d{4}-\d\d-\d\dt\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:z|[+-]\d\d:\d\d)"
parts = st.sampled_from(
    [*"0123456789-+:.TtZz \n", "2026-03-02T08:00:00", ".123456789", "+05:30", "-00:00", "\u0660", "\u00b2"]
)
shaped = st.from_regex(RFC3339, fullmatch=True)


@st.composite
def nearly_shaped(draw: st.DrawFn) -> str:
    """With a few signs changed, put in or taken out."""
    text = draw(shaped)
    for _ in range(draw(st.integers(0, 3))):
        at, more = draw(st.integers(0, len(text))), draw(st.integers(0, 2))
        text = text[:at] + draw(parts | st.just("")) + text[at + more :]
    return text


@given(shaped | nearly_shaped() | st.lists(parts).map("".join) | st.text())
@example("2026-03-02T08:00:00+05:30")
@example("2026-03-02T08:00:00.0+00:00.")
@example("2026-03-02T08:00:00.")
@example("2026-03-02T08:00:00..0Z")
@example("2026-03-02T08:00:00.Z")
@example("2026-03-02T08:00:000Z")
@example("2026-03-02T08:00:00.1234567890Z")
@example("2026-03-02T08:00:00Z.")
@example("")
def test_a_time_has_the_shape_if_the_grammar_says_so(text: str) -> None:
    assert times._is_rfc3339(text) == (re.fullmatch(RFC3339, text) is not None)
