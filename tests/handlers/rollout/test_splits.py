from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from retrigger.handlers.rollout.splits import remaining, with_share

names = st.sampled_from(["blue", "red", "grey", "pink"])


@st.composite
def splits(draw: st.DrawFn) -> dict[str, int]:
    """A whole split among one to four deployments."""
    cuts = sorted({0, 100, *draw(st.lists(st.integers(1, 99), max_size=3))})
    shares = [high - low for low, high in itertools.pairwise(cuts)]
    return dict(zip(["blue", "red", "grey", "pink"], shares, strict=False))


@given(splits(), st.integers(1, 100))
def test_a_split_is_whole_and_the_new_one_has_its_share(before: dict[str, int], percent: int) -> None:
    after = with_share(before, "green", percent)
    assert (sum(after.values()), after["green"], 0 in after.values()) == (100, percent, False)


@given(splits(), st.integers(1, 99))
def test_nobody_gains_and_the_larger_stays_the_larger(before: dict[str, int], percent: int) -> None:
    after = with_share(before, "green", percent)
    assert all(after.get(name, 0) <= share for name, share in before.items())
    assert all(
        after.get(one, 0) >= after.get(other, 0) for one in before for other in before if before[one] > before[other]
    )


@given(splits(), st.sets(names, min_size=1))
def test_those_that_are_left_share_it_all(before: dict[str, int], there: set[str]) -> None:
    after = remaining(before, there)
    assert sum(after.values()) == (100 if there & set(before) else 0)
    assert set(after) <= there & set(before)


def test_an_endpoint_without_traffic_gives_all_of_it_to_the_first() -> None:
    assert with_share({}, "green", 10) == {"green": 100}
