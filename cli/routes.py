"""A route with a channel's name in place of its address: `pubsub/requests`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.triggers.environment import Channel, Environment

_OF_CHANNELS: Final = ("pubsub", "queue", "servicebus")
_LISTED: Final = 20


def with_address(route: str | None, environment: Environment) -> str | None:
    """The route by the channel's address: it may be named as in retrigger.yaml, or by the address's last part.

    Raises UsageError unless exactly one channel of the environment fits. A route with an address stays as it is.
    """
    head, _, name = (route or "").lstrip("/").partition("/")
    if head not in _OF_CHANNELS or not name or "/" in name:
        return route
    named = environment.channels.get(name)
    fitting = {it.address for it in environment.channels.values() if _is_called(it, name)}
    addresses = [named.address] if named else sorted(fitting)
    if len(addresses) != 1:
        several = f"{len(addresses)} channels fit" if addresses else "no channel fits"
        raise click.UsageError(
            f"Of the route {head}/{name} {several} in environment `{environment.name}`: name one of "
            f"{_listed(environment.channels)}."
        )
    return f"{head}/{addresses[0]}"


def _is_called(channel: Channel, name: str) -> bool:
    return any(address.rpartition("/")[2] == name for address in channel.addresses)


def _listed(channels: Mapping[str, Channel]) -> str:
    listed = [f"{name} ({channel.address})" for name, channel in list(channels.items())[:_LISTED]]
    more = len(channels) - len(listed)
    return ", ".join([*listed, f"{more} more"] if more else listed) or "its channels: it has none"
