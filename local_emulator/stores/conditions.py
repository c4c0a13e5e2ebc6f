"""What a request asks of an object before it may touch it; Cloud Storage's four preconditions.

Semantics: https://cloud.google.com/storage/docs/request-preconditions. Whoever changes something checks them under the
same lock as the change; that is what makes one winner of many racers. Blob's are in `blob_conditions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from retrigger.local_emulator.stores.errors import NotModified, PreconditionFailed

if TYPE_CHECKING:
    from retrigger.local_emulator.stores.resource import StoredObject


class Conditions(Protocol):
    """Both raise StoreError for what does not hold; `current` is the live object, None if there is none."""

    def check_write(self, current: StoredObject | None) -> None: ...
    def check_read(self, current: StoredObject) -> None: ...


@dataclass(frozen=True, slots=True)
class Preconditions:
    """None asks nothing. A generation of 0 stands for "there is no live object"."""

    generation: int | None = None
    generation_not: int | None = None
    metageneration: int | None = None
    metageneration_not: int | None = None

    def check_write(self, current: StoredObject | None) -> None:
        """Errors: PreconditionFailed."""
        if not self._match(current) or not self._differ(current):
            raise PreconditionFailed("At least one of the pre-conditions you specified did not hold.")

    def check_read(self, current: StoredObject) -> None:
        """Errors: PreconditionFailed; NotModified for the two negative ones, which is how a cache asks."""
        if not self._match(current):
            raise PreconditionFailed("At least one of the pre-conditions you specified did not hold.")
        if not self._differ(current):
            raise NotModified("The object is the one that you have.")

    def _match(self, current: StoredObject | None) -> bool:
        generation, metageneration = _numbers(current)
        return self.generation in (None, generation) and self.metageneration in (None, metageneration)

    def _differ(self, current: StoredObject | None) -> bool:
        generation, metageneration = _numbers(current)
        return self.generation_not != generation and self.metageneration_not != metageneration


ALWAYS = Preconditions()


def _numbers(current: StoredObject | None) -> tuple[int, int]:
    return (current.generation, current.metageneration) if current else (0, 0)
