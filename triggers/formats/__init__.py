"""Wire formats: how an event looks when it arrives, and when the emulator or a test sends it.

`parse` raises nothing but Malformed, whatever the bytes and headers; its codes stand in `wire`. docs/events.md has a
row for each format. (Of a plug-in that is not there, see `parse`.)
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from retrigger.triggers.errors import Malformed
from retrigger.triggers.formats.routes import ROUTES, Parsed, saved
from retrigger.triggers.formats.wire import Request, asked_by_header, lower_names, plain_body, whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from retrigger.triggers.spec import PlugIn

__all__ = ["Parsed", "parse"]


def parse(
    headers: Mapping[str, str],
    body: bytes,
    route: str | None = None,
    *,
    now: datetime | None = None,
    plugins: Mapping[str, PlugIn] | None = None,
) -> Parsed:
    """The events of one request; of a batch, each member's event or what is wrong with it.

    `route` chooses the format: `events` (CloudEvents and Event Grid, else told by the body), `pubsub[/<channel>]`,
    `storage` (notifications alone), `background`, `schedule/<trigger>`; of Azure Functions' bindings `eventgrid`,
    `queue/<channel>`, `servicebus/<channel>`, `blob[/<container>/<name>]`, `timer/<trigger>`, whose metadata are the
    headers. None is for a saved payload: as `events`, and what lost its envelope on the way is read all the same.
    `now`, the time of receipt (aware UTC), stands in where the wire carries no time. `plugins`: the project's own
    formats by route. Raises Malformed where the request as a whole cannot be read, and RetriggerError
    `plugin_not_loaded` where the format's plug-in is not there: it may be read once that is mended.
    """
    lower = lower_names(headers)
    plain = plain_body(lower, body)
    head, _, place = (route or "").partition("/")
    reader = ROUTES.get(head) if route is not None else saved
    if reader is None and plugins and head in plugins:
        from retrigger.triggers.formats import plugged  # only its own deliveries pay for it

        reader = partial(plugged.read, plugins[head])
    if reader is None:
        message = (
            f"No format is read under the route {head[:40]!r}; take one of {', '.join([*ROUTES, *(plugins or ())])}."
        )
        raise Malformed(message, code="unknown_route")
    request = Request(headers=lower, body=plain, place=whole(place, "The route"), now=now)
    return asked_by_header(request) or reader(request)
