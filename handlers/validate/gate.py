"""The data gate: opens the object that an event announced, looks for as long as a function may, and says why not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from retrigger.handlers.outcome import Verdict
from retrigger.handlers.validate.stream import MOST_BYTES
from retrigger.triggers.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from retrigger.handlers.ports import Objects
    from retrigger.handlers.validate.report import GateReport
    from retrigger.triggers.event import Object
    from retrigger.triggers.spec import ObjectCheck

GATE_SECONDS: Final = 5.0


def gate_object(objects: Objects, payload: Object, check: ObjectCheck) -> tuple[Verdict, int | None]:
    """Read at most 64 MiB, for at most 5 s. -> (verdict, rows of data or None if not all was read).

    Raises Unavailable where the store did not answer: that says nothing about the data.
    """
    until = time.monotonic() + GATE_SECONDS
    try:
        report = _GATES[check.format](objects, payload, check, lambda: time.monotonic() > until)
    except Refused as error:
        return Verdict("gate", "stop", error.code, str(error)), None
    return report.verdict, report.rows


# Each is loaded when its format is met: a cold start pays for one.


def _csv(objects: Objects, payload: Object, check: ObjectCheck, deadline: Callable[[], bool]) -> GateReport:
    from retrigger.handlers.validate.csv_gate import gate_csv

    chunks = objects.read(payload.place, payload.name, version=payload.version, limit=MOST_BYTES)
    return gate_csv(chunks, check, size=payload.size, deadline=deadline)


def _jsonl(objects: Objects, payload: Object, check: ObjectCheck, deadline: Callable[[], bool]) -> GateReport:
    from retrigger.handlers.validate.jsonl_gate import gate_jsonl

    chunks = objects.read(payload.place, payload.name, version=payload.version, limit=MOST_BYTES)
    return gate_jsonl(chunks, check, size=payload.size, deadline=deadline)


def _parquet(objects: Objects, payload: Object, check: ObjectCheck, deadline: Callable[[], bool]) -> GateReport:
    from retrigger.handlers.validate.parquet_gate import gate_parquet

    def read(start: int, limit: int) -> Iterator[bytes]:
        return objects.read(payload.place, payload.name, version=payload.version, start=start, limit=limit)

    size = _listed_size(objects, payload) if payload.size is None else payload.size
    return gate_parquet(read, check, size=size, deadline=deadline)


def _listed_size(objects: Objects, payload: Object) -> int:
    """In bytes: the footer is found from the end, and not every event says where that is."""
    first = next(iter(objects.list(payload.place, payload.name)), None)  # no name sorts before its own beginning
    if first is None or first.name != payload.name or payload.version not in {None, first.version}:
        raise Refused(f"{payload.uri} is gone, or was replaced; look for its newest version", code="object_gone")
    return first.size


_GATES: Final[Mapping[str, Callable[[Objects, Object, ObjectCheck, Callable[[], bool]], GateReport]]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "parquet": _parquet,
}
