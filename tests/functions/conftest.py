"""A project in code, compiled for one function, over a ledger that can be taken away."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.adapters.memory import MemoryRecords
from retrigger.handlers.ledger import Ledger
from retrigger.handlers.ports import in_turn
from retrigger.triggers.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from retrigger.handlers.ports import Entry, Record
    from retrigger.triggers.event import Json

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)


class NoRecords:
    """A ledger that cannot be reached."""

    def __init__(self, retry_after: float | None = None) -> None:
        self._retry_after = retry_after

    def get(self, key: str) -> Record | None:
        raise self._gone(key)

    def get_many(self, keys: Iterable[str]) -> Iterator[Record]:
        return (record for key in keys if (record := self.get(key)) is not None)

    def create(self, key: str, body: Mapping[str, Json]) -> Record | None:
        raise self._gone(key, body)

    create_all = in_turn

    def swap(self, old: Record, body: Mapping[str, Json]) -> Record | None:
        raise self._gone(old.key, body)

    def list(self, prefix: str, limit: int | None = None) -> Iterator[Entry]:
        raise self._gone(prefix, limit)

    def delete(self, keys: Iterable[str]) -> None:
        raise self._gone(*keys)

    def now(self) -> datetime:
        return NOW

    def _gone(self, *_: object) -> Unavailable:
        return Unavailable("the ledger is gone; look for it", code="ledger_unavailable", retry_after=self._retry_after)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(MemoryRecords(lambda: NOW), "test")
