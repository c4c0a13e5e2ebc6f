"""Where a character of a YAML scalar stands in the file: a problem inside of a value is told at its column.

Quotes, folding and escapes change what white space there is and how long a character is written, but neither the order
nor the number of the other characters. So the n-th that is not white space of the value is the n-th of the source.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_WHITE: Final = " \t\r\n\x85\u2028\u2029"
_ESCAPED_WHITE: Final = frozenset("ntrNLP \t\r\n\x85\u2028\u2029")
_CHARACTER: Final = re.compile(rf"[^{_WHITE}]")
_IN_SINGLE: Final = re.compile(rf"''|[^{_WHITE}]")
_IN_DOUBLE: Final = re.compile(rf"\\(?:x[0-9a-fA-F]{{2}}|u[0-9a-fA-F]{{4}}|U[0-9a-fA-F]{{8}}|.)|[^{_WHITE}]", re.DOTALL)
_BREAK: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")


class Scalar(NamedTuple):
    """Where a text begins in the file (0-based), and how it is written: `'`, `"`, `|`, `>`, or plain (``)."""

    start: int
    style: str


def steps(text: str, scalar: Scalar, value: str, offset: int) -> tuple[int, int]:
    """How many lines below the scalar's start `value[offset]` stands, and how many columns right of it.

    Columns count from the line's beginning where it is another line. What has no character of its own, such as white
    space or the end, stands behind the character before it.
    """
    if text[scalar.start] == "&":
        return 0, 0  # the name of an anchor stands between the start and the text
    source = text[scalar.start : _index(text, scalar, value, offset)]
    breaks = list(_BREAK.finditer(source))
    return (len(breaks), len(source) - breaks[-1].end()) if breaks else (0, len(source))


def _index(text: str, scalar: Scalar, value: str, offset: int) -> int:
    pattern, end = _CHARACTER, scalar.start
    match scalar.style:
        case "'":
            pattern, end = _IN_SINGLE, end + 1
        case '"':
            pattern, end = _IN_DOUBLE, end + 1
        case "|" | ">":
            head = _BREAK.search(text, end)
            end = head.end() if head else end
    before = sum(char not in _WHITE for char in value[:offset])
    own = offset < len(value) and value[offset] not in _WHITE
    for unit in pattern.finditer(text, end):
        if _is_white(unit[0]):
            continue
        if before == 0:
            return unit.start() if own else end
        before -= 1
        end = unit.end()
    return end


def _is_white(unit: str) -> bool:
    """Whether an escape means white space, or nothing at all: a line that goes on."""
    if unit[0] != "\\" or len(unit) == 1:
        return False
    digits = unit[2:]
    return chr(int(digits, 16)) in _WHITE if digits else unit[1] in _ESCAPED_WHITE
