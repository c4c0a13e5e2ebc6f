"""What a world says when something is not as it must be."""

from __future__ import annotations


class Violation(BaseException):
    """What must never be, was. No `except Exception` of the product may hide it."""


def require(holds: bool | None, what: str) -> None:  # reads as the sentence that it is
    if not holds:
        raise Violation(what)
