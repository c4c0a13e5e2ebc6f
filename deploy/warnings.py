"""What a deployed function would do other than its author expects, told before anybody deploys it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.deploy.bundle import Cloud
    from retrigger.triggers.environment import Environment


def warnings(environment: Environment, cloud: Cloud) -> Iterator[str]:
    """Whole sentences, each with what to do."""
    if environment.ledger.startswith("sqlite:"):
        yield (
            f"The ledger {environment.ledger} is a file of one machine, and a function runs on several: an event would "
            "launch a run on each. Keep it where all of them reach it."
        )
    if cloud == "gcp" and not environment.callers:
        yield (
            "The environment declares no `callers`: deployed, the function would refuse everybody. Behind Cloud Run's "
            "own check write `callers: platform`; docs/auth.md has the others."
        )
