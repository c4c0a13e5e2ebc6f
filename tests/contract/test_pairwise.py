from __future__ import annotations

from itertools import combinations, product

from tests.contract.pairwise import every_pair


def test_every_two_values_of_two_options_meet_in_far_fewer_rows_than_there_are_combinations() -> None:
    options = {"a": range(5), "b": range(3), "c": range(3), "d": range(2), "e": range(2)}
    rows = every_pair(options)
    for one, other in combinations(options, 2):
        assert {(row[one], row[other]) for row in rows} == set(product(options[one], options[other]))
    assert (rows, len(rows) < 25) == (every_pair(options), True)
