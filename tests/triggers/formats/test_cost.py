"""What a sender can make us do grows with what it sends, and no faster. Steps are counted, never seconds.

Code of the interpreter's own (JSON, base64, zlib, regular expressions) takes no steps here: that it does not backtrack
or rescan is told by large requests coming to an end at all.
"""

from __future__ import annotations

import gzip
import json
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from retrigger.triggers.errors import Malformed
from retrigger.triggers.formats import parse, wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

NOW = datetime(2026, 3, 2, tzinfo=UTC)
STRUCTURED = {"content-type": "application/cloudevents+json"}
GZIP = {"content-encoding": "gzip"}
BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
EVENT = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":'
UNWRAPPED = {"x-goog-pubsub-message-id": "1", "x-goog-pubsub-subscription-name": "s"}


def filled(before: bytes, unit: bytes, after: bytes, size: int) -> bytes:
    return before + unit * ((size - len(before) - len(after)) // len(unit)) + after


REQUESTS: dict[str, Callable[[int], tuple[dict[str, str], bytes]]] = {
    "open lists": lambda size: ({}, b"[" * size),
    "open objects": lambda size: ({}, filled(b"", b'{"a":', b"", size)),
    "flat lists": lambda size: ({}, filled(EVENT + b"[[]", b",[]", b"]}", size)),
    "nested lists": lambda size: ({}, filled(EVENT + b"[0", b"," + b"[" * 40 + b"]" * 40, b"]}", size)),
    "one key again and again": lambda size: ({}, filled(b"{", b'"a":1,', b'"specversion":"1.0"}', size)),
    "numbers": lambda size: ({}, filled(EVENT + b"[1", b"," + b"9" * 4000, b"]}", size)),
    "fraction": lambda size: ({}, filled(EVENT + b"0.", b"1", b"}", size)),
    "escapes": lambda size: ({}, filled(EVENT + b'"', b"\\ud83d\\ude00", b'"}', size)),
    "half characters": lambda size: ({}, filled(EVENT + b'"', b"\\ud83d", b'"}', size)),
    "white space": lambda size: ({}, filled(b"", b" ", b"{}", size)),
    "base64": lambda size: ({}, filled(EVENT[:-8] + b',"data_base64":"', b"AAAA", b'"}', size)),
    "members": lambda size: ({}, filled(b"[1", b",1", b"]", size)),
    "gzip": lambda size: ({**GZIP, **STRUCTURED}, gzip.compress(filled(EVENT + b'"', b"a", b'"}', size), 1)),
    "bomb": lambda size: (GZIP, gzip.compress(b" " * 4 * size, 1)),
    "attributes": lambda size: (
        {},
        json.dumps(
            {"message": {"messageId": "1", "attributes": {str(n): "" for n in range(size // 16)}}, "subscription": "s"}
        ).encode(),
    ),
    "log entry": lambda size: (
        {},
        filled(b'{"protoPayload":{"methodName":"', b".a", b'"},"logName":"l","insertId":"i"}', size),
    ),
    "background": lambda size: (
        {},
        filled(b'{"eventId":"1","eventType":"', b"/", b'","data":{}}', size),
    ),
    "header of quotes": lambda size: ({**BINARY, "ce-subject": '""' * (size // 2)}, b""),
    "header of percent signs": lambda size: ({**BINARY, "ce-subject": "%20a" * (size // 4)}, b""),
    "header of parameters": lambda size: ({**BINARY, "content-type": "a/b" + "; " * (size // 2)}, b""),
    "header of charsets": lambda size: ({**BINARY, "content-type": "application/json;" + " ;" * (size // 2)}, b"1"),
    "header of encodings": lambda size: ({"content-encoding": "gzip, " * (size // 6)}, b""),
    "header of an origin": lambda size: ({"webhook-request-origin": "a." * (size // 2)}, b""),
    "header of a time": lambda size: ({**BINARY, "ce-time": "1" * size}, b""),
    "header of an attribute": lambda size: ({**UNWRAPPED, "a": "\u00c3\u00a9" * (size // 2)}, b""),
    "headers without number": lambda size: ({**UNWRAPPED, **{f"accept{n}": "" for n in range(size // 16)}}, b""),
}


def settle(headers: dict[str, str], body: bytes) -> None:
    with suppress(Malformed):
        parse(headers, body, now=NOW)


def steps(headers: dict[str, str], body: bytes) -> int:
    """Lines run. The least of two: whatever is imported or cached the first time is not counted."""
    counted = 0

    def trace(_: FrameType, event: str, __: Any) -> Any:  # what sys.settrace asks for
        nonlocal counted
        counted += event == "line"
        return trace

    def once() -> int:
        nonlocal counted
        counted = 0
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            settle(headers, body)
        finally:
            sys.settrace(before)
        return counted

    return min(once(), once())


@pytest.mark.parametrize("name", REQUESTS)
def test_steps_grow_no_faster_than_the_request(name: str) -> None:
    make = REQUESTS[name]
    small, large = steps(*make(4 * 1024)), steps(*make(32 * 1024))
    assert large <= 9 * small


@pytest.mark.parametrize("name", REQUESTS)
def test_a_large_request_comes_to_an_end(name: str) -> None:
    settle(*REQUESTS[name](wire.MAX_HEADERS // 2 if name.startswith("header") else wire.MAX_BODY // 4))


def test_more_headers_than_that_are_refused_unread() -> None:
    with pytest.raises(Malformed) as caught:
        parse({"a": "a" * wire.MAX_HEADERS}, b"{}")
    assert caught.value.code == "too_large"
