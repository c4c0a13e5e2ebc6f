"""What the outbox can be, and what a trigger that follows it must say: its own outcomes leave there, too.

Each is a message there, at least once, also the outcome of that message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers import expression_text
from retrigger.triggers.authoring.wording import closest
from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.spec import MessageSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.environment import Channel, Environment
    from retrigger.triggers.spec import Trigger


def check(project: Project, environment: Environment) -> Iterator[Problem]:
    if environment.outbox is None:
        return
    outbox = environment.channels.get(environment.outbox)
    yield from _told(project, environment, environment.outbox, outbox)
    if outbox is None:
        return
    for one in project.authored:
        for at, source in one.sources:
            if isinstance(source, MessageSource) and environment.channels.get(source.channel) == outbox:
                for code, told in _followed(one.trigger, source, outbox):
                    yield one.document.problem((*at, "in"), code, told)


def _told(project: Project, environment: Environment, name: str, outbox: Channel | None) -> Iterator[Problem]:
    place = ("environments", environment.name, "outbox")
    if outbox is None:
        told = f"There is no channel `{name}` here{closest(name, environment.channels)}: add it to `channels`."
        yield project.document.problem(place, "unknown_channel", told)
    elif outbox.service is None:
        told = f"Nothing can be sent to the channel `{name}`: name a topic of Pub/Sub, a queue or topic of Service Bus,"
        yield project.document.problem(place, "outbox_channel", f"{told} or a storage queue.")


def _followed(trigger: Trigger, source: MessageSource, outbox: Channel) -> Iterator[tuple[str, str]]:
    """Codes, and what to say."""
    filters = [text for text in (source.filter, trigger.filter) if text is not None]
    if not any(_reads(text, "event") for text in filters):
        yield "loop", "This source listens to the outbox, where its own outcomes leave: give it a `filter`."
    # What comes from a queue of Azure is the event itself, whose identity is its own.
    if source.key is None and outbox.service == "pubsub":
        told = "What leaves by the outbox may be told twice: write `key: event.message.attributes['ce-id']`."
        yield "outbox_key", told
    read = [*filters, *([source.key] if source.key else [])]
    if outbox.service == "queue" and any(_reads(text, "event", "message", "attributes") for text in read):
        told = "What leaves by a storage queue has no attributes there: read `event.type` and `event.id` instead."
        yield "outbox_attributes", told


def _reads(expression: str, *names: str) -> bool:
    try:
        return any(read[: len(names)] == names for read in expression_text.reads(expression))
    except ExpressionError:
        return names == ("event",)  # that it is wrong is told by the rule for expressions, and that is enough
