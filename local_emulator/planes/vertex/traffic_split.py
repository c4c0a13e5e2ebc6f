"""The rules of an endpoint's traffic split: percentages by the ids of deployed models. Pure.

Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retrigger.local_emulator.planes.resources import Invalid, Precondition

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

NEW = "0"
"""What stands in a split for the model that is being deployed."""

_WHOLE = 100


def checked(split: Any, deployed: Collection[str]) -> dict[str, int]:
    """A split as it was sent: empty (or null), or 100 % over models that are deployed. Errors: Invalid."""
    if split is None:
        return {}
    if not isinstance(split, dict) or not all(type(share) is int and 0 <= share <= _WHOLE for share in split.values()):
        raise Invalid("traffic_split must be an object of whole percentages, 0 to 100.")
    if unknown := sorted(split.keys() - set(deployed)):
        raise Invalid(f"The following DeployedModel ID(s) [{', '.join(unknown)[:200]}] do not exist.")
    if split and sum(split.values()) != _WHOLE:
        raise Invalid(f"The percentages of traffic_split must add up to {_WHOLE}, not to {sum(split.values())}.")
    return split


def with_new(split: Mapping[str, int], new: str) -> dict[str, int]:
    """The split with the id of the new model in its place."""
    return {new if key == NEW else key: share for key, share in split.items()}


def without(split: Mapping[str, int], gone: str, left: Collection[str], wanted: Any) -> dict[str, int]:
    """The split when `gone` is undeployed and `left` are left; `wanted` is the one that was asked for, if any.

    Errors: Precondition while it has traffic; Invalid for a split that is none.
    """
    if not left:
        return {}
    after = checked(wanted, {gone, *left}) or split
    if after.get(gone):
        raise Precondition(f"DeployedModel {gone} has {after[gone]} % of the traffic: give that to another one first.")
    return {key: share for key, share in after.items() if key != gone}
