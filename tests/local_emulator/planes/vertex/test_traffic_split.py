from __future__ import annotations

import re
from typing import Any

import pytest

from retrigger.local_emulator.planes.resources import Invalid, Precondition
from retrigger.local_emulator.planes.vertex.traffic_split import checked, with_new, without


@pytest.mark.parametrize("split", [{}, {"1": 100}, {"1": 90, "0": 10}, {"1": 0, "0": 100}])
def test_a_split_is_empty_or_100_percent_of_what_is_deployed(split: dict[str, int]) -> None:
    assert checked(split, {"0", "1"}) == split
    assert checked(None, {"0", "1"}) == {}


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"1": 99}, "The percentages of traffic_split must add up to 100, not to 99."),
        ({"1": 0}, "The percentages of traffic_split must add up to 100, not to 0."),
        ({"1": 60, "0": 60}, "The percentages of traffic_split must add up to 100, not to 120."),
        ({"1": 50, "9": 25, "8": 25}, "The following DeployedModel ID(s) [8, 9] do not exist."),
        ({"1": 110, "0": -10}, "traffic_split must be an object of whole percentages, 0 to 100."),
        ({"1": 99.5, "0": 0.5}, "traffic_split must be an object of whole percentages, 0 to 100."),
        ({"1": True, "0": 99}, "traffic_split must be an object of whole percentages, 0 to 100."),
        ([["1", 100]], "traffic_split must be an object of whole percentages, 0 to 100."),
        ([], "traffic_split must be an object of whole percentages, 0 to 100."),
    ],
)
def test_another_split_is_refused(split: Any, message: str) -> None:
    with pytest.raises(Invalid, match=f"^{re.escape(message)}$"):
        checked(split, {"0", "1"})


def test_zero_stands_for_the_model_that_is_being_deployed() -> None:
    assert with_new({"0": 10, "1": 90}, "2") == {"2": 10, "1": 90}
    assert with_new({"1": 100}, "2") == {"1": 100}


def test_what_has_no_traffic_or_is_the_last_may_go() -> None:
    assert without({"1": 100, "2": 0}, "2", ["1"], {}) == {"1": 100}
    assert without({"1": 100}, "2", ["1"], {}) == {"1": 100}
    assert without({"1": 100}, "1", [], {}) == {}


def test_what_has_traffic_may_go_when_a_new_split_takes_that_away() -> None:
    assert without({"1": 90, "2": 10}, "1", ["2"], {"2": 100}) == {"2": 100}
    assert without({"1": 90, "2": 10}, "1", ["2"], {"1": 0, "2": 100}) == {"2": 100}
    for wanted in ({}, {"1": 50, "2": 50}):
        with pytest.raises(Precondition, match=r"^DeployedModel 1 has [59]0 % of the traffic: give that to another"):
            without({"1": 90, "2": 10}, "1", ["2"], wanted)
