"""Patterns that Python's `re` reads as a JSON Schema's validator does, and in bounded time.

They begin with `^` and hold known characters: letters, digits, escaped signs and classes of these, with counts, groups
and alternatives. A count stands behind one character or class, never behind a group: so backtracking is bounded by the
product of the counts. Everything else is for the validator. Where the two may differ, in what a digit or a line is, the
narrower is taken: what matches here matches there.
"""

from __future__ import annotations

import re
from typing import Final

_SIGN: Final = r"\\[.\-/+*?()\[\]{}^$|\\rnt]"
_IN_CLASS: Final = rf"[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9 _./:@+=,]|{_SIGN}"
_PART: Final = (
    rf"(?P<one>[A-Za-z0-9 _/:@,;!%&=~#\"'<>-]|\.|{_SIGN}|\\[dw]|\[(?:{_IN_CLASS}|\\[dw])+-?\]|\[\^(?:{_IN_CLASS})+-?\])"
    r"(?P<count>[?*+]|\{[0-9]{1,4}(?:,[0-9]{0,4})?\})?(?![?*+{])"
    r"|(?P<open>\((?:\?:)?)|(?P<close>\))(?![?*+{])|(?P<or>\|)|(?P<end>\$)\Z"
)
_ANY: Final = r"[^\r\n\u2028\u2029]"


def read(pattern: str, longest: int) -> tuple[re.Pattern[str], int] | None:
    """For `match`: and in how many ways it tries a text of at most `longest` characters; None: it is not plain."""
    if not pattern.startswith("^"):
        return None
    text, at = "", 1
    groups: list[list[int]] = [[0, 1]]  # of each open group: the ways of its finished branches, and of the one it is in
    while at < len(pattern):
        found = re.compile(_PART).match(pattern, at)
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
            case "end":
                pass
            case _:
                return None
        text += {".": _ANY, "$": r"\Z"}.get(found[0][0], found[0][0]) + found[0][1:]
    try:
        return (re.compile(text, re.ASCII), sum(groups[0])) if len(groups) == 1 else None
    except re.error:  # [z-a], a{2,1}
        return None


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
