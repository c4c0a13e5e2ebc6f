from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.authoring import compile as compiling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Write = Callable[[Mapping[str, str]], Path]


TRIGGER = """\
name: churn
source:
  - schedule: {cron: "CRON", timezone: ZONE}
launch: {pipeline: train, parameters: {data: "${{ vars.table }}"}}
"""


@pytest.mark.parametrize(
    ("cron", "zone", "lost"),
    [
        ("30 2 * * *", "Europe/Paris", True),
        ("30 2 * * *", "UTC", False),
        ("30 2 * * *", "Asia/Kolkata", False),
        ("30 3 * * *", "Europe/Paris", False),
        ("0 * * * *", "Europe/Paris", False),
        ("*/15 * * * *", "Europe/Paris", False),
        ("0 2,3 * * *", "Europe/Paris", False),
        ("0 0-2 * * *", "Europe/Paris", True),
        ("30 2 * * MON", "Europe/Paris", False),
        ("30 2 * * SUN", "Europe/Paris", True),
        ("30 2 31 3 *", "Europe/Paris", True),  # in some years that is the day
        ("30 2 1 3 *", "Europe/Paris", False),
        ("30 2 * * *", "America/New_York", True),
        ("0 0 * * *", "America/Santiago", True),
        ("15 2 * * *", "Australia/Lord_Howe", True),  # half an hour
        ("45 2 * * *", "Australia/Lord_Howe", False),
        ("61 2 * * *", "Europe/Paris", False),  # no cron expression: another rule's matter
        ("30 2 * * *", "Europe/Pari", False),
    ],
)
def test_a_firing_that_a_day_lacks_is_told(write: Write, cron: str, zone: str, *, lost: bool) -> None:
    root = write({"triggers/churn.yaml": TRIGGER.replace("CRON", cron).replace("ZONE", zone)})
    found = [(it.line, it.column) for it in compiling.check(root) if it.code == "dst_gap"]
    assert found == ([(3, 22)] if lost else [])
