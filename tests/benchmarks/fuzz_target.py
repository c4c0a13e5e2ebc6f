"""What the fuzzer runs: one request, from bytes, through `parse`. Started by `fuzz`, as a process of its own.

An input is a request as people write it down: the route on a line, headers on lines of their own, an empty line, the
body. So a mutation of one part leaves the others whole.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import atheris

with atheris.instrument_imports(include=["retrigger.triggers"]):
    from retrigger.triggers.errors import Malformed
    from retrigger.triggers.formats import audit, azure, background, bindings, parse, wire
    from retrigger.triggers.formats.wire import Handshake

if TYPE_CHECKING:
    from retrigger.triggers.event import Event

_NOW: Final = datetime(2026, 1, 5, 9, tzinfo=UTC)
LAZY: Final = (audit, azure, background, bindings)
"""Imported here so that they are instrumented too: `parse` would import them uninstrumented."""


def one_request(data: bytes) -> None:
    """Events, a handshake or Malformed with a documented code: anything else is a finding."""
    head, _, body = data.partition(b"\n\n")
    route, *lines = head.decode("utf-8", "surrogateescape").split("\n")
    headers = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    try:
        parsed = parse(headers, body, route or None, now=_NOW)
    except Malformed as error:
        parsed = [error]
    if isinstance(parsed, Handshake):
        parsed.code.encode()
        return
    for each in parsed:
        _check(each)


def _check(each: Event | Malformed) -> None:
    if isinstance(each, Malformed):
        if f"    {each.code} " not in (wire.__doc__ or ""):
            raise AssertionError(each.code)
    else:
        json.dumps(each.to_json(), ensure_ascii=False, allow_nan=False).encode()


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_request)
    atheris.Fuzz()
