"""Rows of options in which every two values of two options meet: most faults need no more than two."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def every_pair(options: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """The same rows each time. Each begins with a pair that has not met, and takes what meets most of the others."""
    missing = {
        ((one, i), (other, j)): None
        for one, other in combinations(options, 2)
        for i in range(len(options[one]))
        for j in range(len(options[other]))
    }
    rows = []
    while missing:
        row = dict(next(iter(missing)))
        for name in options:
            if name not in row:
                row[name] = max(range(len(options[name])), key=lambda at, name=name: _met(missing, row, name, at))
        for pair in combinations(((name, row[name]) for name in options), 2):
            missing.pop(pair, None)
        rows.append({name: values[row[name]] for name, values in options.items()})
    return rows


def _met(missing: Mapping[Any, None], row: Mapping[str, int], name: str, at: int) -> int:
    """How many pairs that have not met would meet by this value."""
    here = (name, at)
    return sum((here, there) in missing or (there, here) in missing for there in row.items())
