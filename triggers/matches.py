"""What an index finds: that a trigger listens to an event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal


@dataclass(frozen=True, slots=True)
class Match:
    """`trigger` listens to the event with its source number `source`; -1 where the event is its window's marker."""

    trigger: str
    role: Literal["source", "marker"]
    source: int
    captures: Mapping[str, str]
