"""Patterns that Python's `re` reads as a JSON Schema's validator does, and in bounded time.

They begin with `^` and hold known characters: letters, digits, escaped signs and classes of these, with counts, groups
and alternatives. A count stands behind one character or class, never behind a group: so backtracking is bounded by the
product of the counts. Everything else is for the validator. Where the two may differ, in what a digit or a line is, the
narrower is taken: what matches here matches there.
"""

from __future__ import annotations

import re
from string import ascii_letters, digits
from typing import Final

_WORD: Final = ascii_letters + digits
_PLAIN: Final = frozenset(_WORD + " _/:@,;!%&=~#\"'<>-")
_IN_CLASS: Final = frozenset(_WORD + " _./:@+=,")
_ESCAPED: Final = frozenset(".-/+*?()[]{}^$|\\rnt")
_COUNTS: Final = ("?", "*", "+", "{")
_ANY: Final = r"[^\r\n\u2028\u2029]"


class _NotPlainError(Exception):
    """It has something that only the validator reads."""


def read(pattern: str, longest: int) -> tuple[re.Pattern[str], int] | None:
    """For `match`: and in how many ways it tries a text of at most `longest` characters; None: it is not plain."""
    try:
        text, ways = _read(pattern, longest)
        return re.compile(text, re.ASCII), ways
    except (_NotPlainError, re.error):  # the latter: [z-a], a{2,1}
        return None


def _read(pattern: str, longest: int) -> tuple[str, int]:
    text, at = "", 1
    groups: list[list[int]] = [[0, 1]]  # of each open group: the ways of its finished branches, and of the one it is in
    if not pattern.startswith("^"):
        raise _NotPlainError
    while at < len(pattern):
        part = _part(pattern, at)
        at += len(part)
        match part:
            case "(" | "(?:":
                groups.append([0, 1])
            case ")" if len(groups) > 1 and not pattern.startswith(_COUNTS, at):
                groups[-2][1] *= sum(groups.pop())
            case "|" if len(groups) > 1:  # outside of a group it would part the anchors
                groups[-1] = [sum(groups[-1]), 1]
            case "$" if at == len(pattern):
                part = r"\Z"
            case ")" | "|" | "$":
                raise _NotPlainError
            case _:
                count = _count(pattern, at)
                at += len(count)
                groups[-1][1] *= _ways(count, longest)
                part = (_ANY if part == "." else part) + count
        text += part
    if len(groups) > 1:
        raise _NotPlainError
    return text, groups[0][1]


def _part(pattern: str, at: int) -> str:
    """A character, a class, or the sign of a group."""
    char = pattern[at]
    if char in _PLAIN or char in ".)|$":
        return char
    if char == "(":
        return "(?:" if pattern.startswith("(?:", at) else "("
    if char == "\\":
        return _escaped(pattern, at, besides="dw")
    if char == "[":
        return _class(pattern, at)
    raise _NotPlainError


def _class(pattern: str, at: int) -> str:
    """`[a-z0-9_.-]`, `[^/]`. A hyphen stands between two ends of a range, or last."""
    negated = pattern.startswith("[^", at)
    first = now = at + 1 + negated
    while not pattern.startswith(("]", "-]"), now):
        char = pattern[now : now + 1]
        if char == "\\":  # of what is no digit, the validator may take less
            now += len(_escaped(pattern, now, besides="" if negated else "dw"))
        elif char not in _IN_CLASS or not char:
            raise _NotPlainError
        else:
            ranged = char in _WORD and pattern[now + 1 : now + 2] == "-" and pattern[now + 2 : now + 3] in set(_WORD)
            now += 3 if ranged else 1
    if now == first:
        raise _NotPlainError
    return pattern[at : pattern.index("]", now) + 1]


def _escaped(pattern: str, at: int, *, besides: str) -> str:
    sign = pattern[at + 1 : at + 2]
    if sign not in _ESCAPED and sign not in set(besides):
        raise _NotPlainError
    return pattern[at : at + 2]


def _count(pattern: str, at: int) -> str:
    """How often what stands before may come; empty for once."""
    if not pattern.startswith(_COUNTS, at):
        return ""
    count = pattern[at : pattern.find("}", at) + 1] if pattern[at] == "{" else pattern[at]
    low, _, high = count[1:-1].partition(",")
    known = count in _COUNTS or (len(count) <= 11 and low.isdecimal() and (high or "0").isdecimal())
    if not known or not count.isascii() or pattern.startswith(_COUNTS, at + len(count)):
        raise _NotPlainError
    return count


def _ways(count: str, longest: int) -> int:
    match count:
        case "":
            return 1
        case "?":
            return 2
        case "*" | "+":
            return longest + 1
        case _:
            low, _, high = count[1:-1].partition(",")
            most = longest if count.endswith(",}") else int(high or low)
            return max(most - int(low), 0) + 1
