"""A validator for scenes: it refuses bad files and bad messages, and breaks on others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers.event import Message
from tests.handlers.protocol.world import BAD

if TYPE_CHECKING:
    from retrigger.handlers.validate.reader import ObjectReader
    from retrigger.handlers.validate.validators import Validator
    from retrigger.triggers.event import Event


def judge() -> Validator:
    return judged


def judged(event: Event, data: ObjectReader | None) -> str | None:
    if data is not None:
        return "the file is bad" if data.read() == BAD else None
    assert isinstance(event.payload, Message)
    if event.payload.id.startswith("broken"):
        raise KeyError(event.payload.id)
    return "the message is bad" if event.payload.id.startswith("bad") else None
