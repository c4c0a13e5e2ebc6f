"""How an endpoint's traffic is shared between a new deployment and those that were there before. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

    from retrigger.handlers.endpoints import Split


def with_share(before: Split, new: str, percent: int) -> dict[str, int]:
    """`percent` for the new deployment; the rest as it was shared before. All for the new one where there was none."""
    if not before:
        return {new: 100}
    return without_none({new: percent, **_shared(before, 100 - percent)})


def remaining(before: Split, there: Container[str]) -> dict[str, int]:
    """The split among those that are still there, in the proportions that they had."""
    left = {name: share for name, share in before.items() if name in there}
    return without_none(_shared(left, 100)) if left else {}


def without_none(split: Split) -> dict[str, int]:
    """Without those that get nothing, in order of their names: so that equal splits are equal."""
    return {name: share for name, share in sorted(split.items()) if share}


def _shared(weights: Split, total: int) -> dict[str, int]:
    """`total` in whole percent, by weight: what is lost by rounding goes to the largest remainders."""
    whole = sum(weights.values())
    shares = {name: weight * total // whole for name, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda name: (-(weights[name] * total % whole), name))
    for name in by_remainder[: total - sum(shares.values())]:
        shares[name] += 1
    return shares
