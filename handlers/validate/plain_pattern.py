"""Patterns that Python's `re` reads as a JSON Schema's validator does, and in bounded time.

They match a whole text of known characters: letters, digits, escaped signs and classes of these, with counts, groups
and alternatives. A count stands behind one character or class, never behind a group: so backtracking is bounded by the
product of the counts, which is the cost. Everything else is for the validator.
"""

from __future__ import annotations

import re
from typing import Final

_PART: Final = (
    r"(?P<one>[A-Za-z0-9 _/:@,;!%&=~#\"'<>-]|\\[.\-/+*?()\[\]{}^$|\\rnt]"
    r"|\[\^?(?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9 _./:@+=,]|\\[.\-/+*?()\[\]{}^$|\\rnt])+-?\])"
    r"(?P<count>[?*+]|\{[0-9]{1,4}(?:,[0-9]{0,4})?\})?(?![?*+{])"
    r"|(?P<open>\((?:\?:)?)|(?P<close>\))(?![?*+{])|(?P<or>\|)"
)


def cost(pattern: str, longest: int) -> int | None:
    """In how many ways a text of at most `longest` characters is tried at the most; None: it is not plain."""
    if not pattern.startswith("^") or not pattern.endswith("$") or pattern.endswith("\\$"):
        return None
    inner, at = pattern[1:-1], 0
    groups: list[list[int]] = [[0, 1]]  # of each open group: the ways of its finished branches, and of the one it is in
    while at < len(inner):
        found = re.compile(_PART).match(inner, at)
        if found is None:
            return None
        at = found.end()
        match found.lastgroup:
            case "open":
                groups.append([0, 1])
            case "close" if len(groups) > 1:
                groups[-2][1] *= sum(groups.pop())
            case "or" if len(groups) > 1:  # outside of a group it would part the anchors
                groups[-1] = [sum(groups[-1]), 1]
            case "one" | "count":
                groups[-1][1] *= _ways(found["count"], longest)
            case _:
                return None
    try:
        re.compile(inner)
    except re.error:  # [z-a], a{2,1}
        return None
    return sum(groups[0]) if len(groups) == 1 else None


def matches(pattern: str, text: str) -> bool:
    """Whether a text matches a pattern that has a cost."""
    return re.fullmatch(pattern[1:-1], text) is not None


def _ways(count: str | None, longest: int) -> int:
    match count:
        case None:
            return 1
        case "?":
            return 2
        case "*" | "+":
            return longest + 1
        case _:
            low, _, high = count[1:-1].partition(",")
            most = longest if count.endswith(",}") else int(high or low)
            return max(most - int(low), 0) + 1
