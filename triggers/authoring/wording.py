"""How problems are worded."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def closest(name: str, known: Iterable[str]) -> str:
    """` (did you mean `x`?)`, or nothing where nothing is near."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f" (did you mean `{near[0]}`?)" if near else ""


def said_of(key: str | int, reason: str) -> str:
    """A sentence about a key, from a reason that another module gave."""
    return f"`{key}`: {reason.rstrip('.')}."
