"""The data gate: opens the object that an event announced, looks for as long as a function may, and says why not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from retrigger.handlers.outcome import Verdict
from retrigger.handlers.validate.csv_gate import GATE_BYTES, GATE_SECONDS, gate_csv
from retrigger.triggers.errors import Refused

if TYPE_CHECKING:
    from retrigger.handlers.ports import Objects
    from retrigger.triggers.event import Object
    from retrigger.triggers.spec import ObjectCheck


def gate_object(objects: Objects, payload: Object, check: ObjectCheck) -> tuple[Verdict, int | None]:
    """Read at most 64 MiB, for at most 5 s. -> (verdict, rows under the header or None if not all was read).

    Raises Unavailable where the store did not answer: that says nothing about the data.
    """
    until = time.monotonic() + GATE_SECONDS
    try:
        chunks = objects.read(payload.place, payload.name, version=payload.version, limit=GATE_BYTES)
        report = gate_csv(chunks, check, size=payload.size, deadline=lambda: time.monotonic() > until)
    except Refused as error:
        return Verdict("gate", "stop", error.code, str(error)), None
    return report.verdict, report.rows
