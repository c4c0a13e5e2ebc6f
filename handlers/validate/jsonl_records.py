"""Bytes as they come -> the lines of a JSON Lines file, and a line -> the object in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from retrigger.handlers.validate.report import Unreadable
from retrigger.handlers.validate.stream import Reading, refuse_other_formats

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Never

    from retrigger.triggers.event import Json

# In bytes. Parsed, hostile text takes thirty times as much memory.
LINE_LIMIT: Final = 1024 * 1024
DEEPEST: Final = 64
_BOM: Final = b"\xef\xbb\xbf"
_BLANK: Final = b" \t\r\n"


class BadLine(Exception):
    """A line that is not one JSON object. `rule` is the same for all lines that are wrong in the same way."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule


class Lines(Reading):
    """The lines of a file, with their numbers: the first is row 1. Blank lines count, and are not given out.

    A line that was cut off is not given out either.
    """

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Raises Unreadable where a line is too long, or the file is of another format."""
        buffered, row = self._raw.buffered(), 0
        while line := buffered.readline(LINE_LIMIT + 1):
            row += 1
            if row == 1:
                refuse_other_formats(line, expected="JSON Lines")
            if len(line) > LINE_LIMIT:
                raise Unreadable(f"row {row}: longer than {LINE_LIMIT:,} bytes; write one object a line")
            if self.cut and not line.endswith(b"\n"):
                return
            content = line.removeprefix(_BOM) if row == 1 else line
            if content.strip(_BLANK):
                yield row, content


def parse(line: bytes) -> Mapping[str, Json]:
    """The object of a line. Raises BadLine, whatever the bytes are.

    A key that stands twice in one object is refused: every reader takes another of its values.
    """
    try:
        value = _DECODER.decode(line.decode())
    except UnicodeDecodeError as exc:
        raise BadLine("utf-8", "not UTF-8; save the file as UTF-8") from exc
    except json.JSONDecodeError as exc:
        told = f"not valid JSON: {exc.msg} (character {exc.pos + 1}); write one object a line"
        raise BadLine("json", told) from exc
    except RecursionError as exc:
        raise _too_deep() from exc
    except ValueError as exc:  # int() refuses more than 4,300 digits
        raise BadLine("digits", "a number has too many digits") from exc
    if not isinstance(value, dict):
        raise BadLine("object", "no JSON object; write one object a line")
    if line.count(b"{") + line.count(b"[") > DEEPEST and _is_deep(value):
        raise _too_deep()
    return value


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise BadLine("twice", "a key stands twice in the same object; keep one")
    return made


def _no_constant(_: str) -> Never:
    raise BadLine("constant", "NaN and Infinity are no JSON; write null")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)


def _is_deep(value: Json) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [child for item in level for child in _containers(item)]
    return bool(level)


def _containers(value: Json) -> list[Json]:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [child for child in children if isinstance(child, dict | list)]


def _too_deep() -> BadLine:
    return BadLine("deep", f"nested more than {DEEPEST} levels deep")
