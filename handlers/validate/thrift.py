"""Thrift's compact protocol, read without trust.

Format: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md. Who reads a struct goes
through its `fields` and, at each of them, takes the value or skips it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_TRUE: Final = 1
_FALSE: Final = 2
_INTEGERS: Final = frozenset({4, 5, 6})
_BINARY: Final = 8
_LISTS: Final = frozenset({9, 10})
_MAP: Final = 11
_STRUCT: Final = 12
_BOOLS: Final = frozenset({_TRUE, _FALSE})
_FIXED: Final = {3: 1, 7: 8, 13: 16}  # a byte, a double, a UUID
_DEEPEST: Final = 32


class Damaged(Exception):
    """The bytes are not what they should be. The text says what is wrong, without values."""


class TooMuch(Exception):
    """There are more values than may be read."""


class Reader:
    """Goes through bytes once. Every method may raise Damaged and, once `most` values were met, TooMuch."""

    def __init__(self, data: bytes, *, most: int) -> None:
        self._data = data
        self._at = 0
        self._left = most

    def fields(self) -> Iterator[tuple[int, int]]:
        """(id, kind) of each field, to the end of the struct. Take the value before asking for the next."""
        field = 0
        while header := self._byte():
            delta = header >> 4
            field = field + delta if delta else self._zigzag()
            self._count()
            yield field, header & 15

    def structs(self, kind: int) -> Iterator[int]:
        """The number of each struct in a list, from 0. Take the struct before asking for the next."""
        item, size = self._list(kind)
        if size and item != _STRUCT:
            raise Damaged("a list holds other things than structs")
        for number in range(size):
            self._count()
            yield number

    def struct(self, kind: int) -> Iterator[tuple[int, int]]:
        """The fields of a struct that is a field itself."""
        if kind != _STRUCT:
            raise Damaged("a struct is of another kind")
        return self.fields()

    def integer(self, kind: int) -> int:
        if kind not in _INTEGERS:
            raise Damaged("a number is of another kind")
        return self._zigzag()

    def text(self, kind: int) -> str:
        if kind != _BINARY:
            raise Damaged("a text is of another kind")
        size = self._varint()
        self._forward(size)
        try:
            return self._data[self._at - size : self._at].decode()
        except UnicodeDecodeError as exc:
            raise Damaged("a text is not UTF-8") from exc

    def skip(self, kind: int, depth: int = 0) -> None:
        """Pass over the value of a field, whatever it holds."""
        if depth > _DEEPEST:
            raise Damaged("it is nested too deep")
        if kind in _INTEGERS:
            self._varint()
        elif kind == _BINARY:
            self._forward(self._varint())
        elif kind == _STRUCT:
            for _, inner in self.fields():
                self.skip(inner, depth + 1)
        elif kind in _LISTS:
            item, size = self._list(kind)
            self._skip_items(size, (item,), depth)
        elif kind == _MAP:
            if size := self._varint():
                kinds = self._byte()
                self._skip_items(size, (kinds >> 4, kinds & 15), depth)
        elif kind in _FIXED:
            self._forward(_FIXED[kind])
        elif kind not in _BOOLS:  # those of a field are their kind, and nothing follows
            raise Damaged(f"there is no kind {kind}")

    def _skip_items(self, size: int, kinds: tuple[int, ...], depth: int) -> None:
        for _ in range(size):
            self._count()
            for kind in kinds:
                if kind in _BOOLS:
                    self._byte()
                else:
                    self.skip(kind, depth + 1)

    def _list(self, kind: int) -> tuple[int, int]:
        """The kind of the items, and how many they are."""
        if kind not in _LISTS:
            raise Damaged("a list is of another kind")
        header = self._byte()
        size = header >> 4
        return header & 15, self._varint() if size == 15 else size

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TooMuch

    def _byte(self) -> int:
        if self._at >= len(self._data):
            raise Damaged("it ends too early")
        byte = self._data[self._at]
        self._at += 1
        return byte

    def _forward(self, size: int) -> None:
        if size > len(self._data) - self._at:
            raise Damaged("it ends too early")
        self._at += size

    def _varint(self) -> int:
        """At most 64 bits."""
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise Damaged("a number is too long")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
