from __future__ import annotations

from tests.benchmarks import hostile


def test_what_is_made_to_take_long_is_refused_or_done() -> None:
    """In a process that may use a minute of CPU: it takes two seconds, and one case without a bound hours."""
    assert {case: got for case, (got, _) in hostile.found().items()} == hostile.EXPECTED
