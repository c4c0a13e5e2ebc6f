"""The text of expressions: its tokens, what it reads, what would make it unbounded, and where it stands in templates.

The language is CEL (https://github.com/google/cel-spec, doc/langdef.md#syntax). Its runtime is bounded in time by an
iteration budget, but not in memory, and building a list takes quadratic time; so what could grow is refused here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_SOURCE: Final = 4096
"""Characters of an expression."""
MAX_LOOPS: Final = 4
MAX_PATTERN: Final = 6000
"""The cost of the patterns of an expression; see `pattern_cost`."""
_CLASS: Final = 2000
ROOTS: Final = ("event", "match", "window", "vars")
LOOPS: Final = ("all", "exists", "exists_one", "existsOne", "filter", "map")
HAS_STAND_IN: Final = "hAs"
"""As long as `has`, which the type checker cannot apply to dotted variables."""

_LEXEMES: Final = r"""
      (?P<space> \s+ | //[^\n]* )
    | (?P<string>
          (?: [bB]?[rR] | [rR][bB] ) (?: \"{3}.*?\"{3} | '{3}.*?'{3} | "[^"\n]*" | '[^'\n]*' )
        | [bB]? (?: \"{3}(?:[^\\]|\\.)*?\"{3} | '{3}(?:[^\\]|\\.)*?'{3} | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' ) )
    | (?P<number> 0[xX][0-9a-fA-F]+[uU]? | [0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?[uU]? )
    | (?P<name> [A-Za-z_][A-Za-z0-9_]* | `[^`\n]+` )
    | (?P<sign> && | \|\| | [<>=!]= | [-+*/%<>!?:.,()\[\]{}] )
"""
"""In verbose notation. Compiled when the first expression is read: imports stay cheap."""


@dataclass(frozen=True, slots=True)
class Token:
    """`at` is the 0-based offset of `text` in the source."""

    kind: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Path:
    """`event.object.size` as it stands in the source; `guarded` inside `has(…)`."""

    names: tuple[str, ...]
    start: int
    end: int
    guarded: bool


@dataclass(frozen=True, slots=True)
class Hole:
    """The expression of one `${{ … }}`; `at` is its 0-based offset in the text around it."""

    source: str
    at: int


@lru_cache(maxsize=4096)
def tokens(source: str) -> tuple[Token, ...]:
    """The tokens without space and comments. Raise ExpressionError `syntax` or `too_complex`."""
    if len(source) > MAX_SOURCE:
        raise ExpressionError(f"the expression is longer than {MAX_SOURCE} characters", code="too_complex")
    return _dotted(source) or tuple(_scan(source, 0))


def _dotted(source: str) -> tuple[Token, ...]:
    """Of names with dots between, which most expressions are; else none. Compiling the lexemes takes 3 ms."""
    names = source.split(".")
    if not source.isascii() or not all(name.isidentifier() for name in names):
        return ()
    found: list[Token] = []
    at = 0
    for name in names:
        found += [Token("sign", ".", at - 1)] if found else []
        found.append(Token("name", name, at))
        at += len(name) + 1
    return tuple(found)


def _scan(source: str, at: int) -> Iterator[Token]:
    pattern = _lexemes()
    while at < len(source):
        found = pattern.match(source, at)
        if found is None:
            message = f"unexpected {source[at]!r}" + (": the text is not closed" if source[at] in "\"'" else "")
            raise ExpressionError(message, code="syntax", column=at + 1)
        if found.lastgroup != "space":
            yield Token(found.lastgroup or "", found[0], at)
        at = found.end()


@lru_cache(maxsize=1)
def _lexemes() -> re.Pattern[str]:
    return re.compile(_LEXEMES, re.VERBOSE | re.DOTALL)


def reads(source: str) -> list[tuple[str, ...]]:
    """The names of every field that an expression reads. Raise ExpressionError for text that is none."""
    return [path.names for path in paths(tokens(source))]


def paths(found: Sequence[Token]) -> list[Path]:
    """Every chain of fields that starts at one of `ROOTS`, without the method that may be called on it."""
    result = []
    texts = [token.text for token in found] + ["", ""]
    for at, token in enumerate(found):
        if token.text not in ROOTS or (at and texts[at - 1] == "."):
            continue
        last = at
        while texts[last + 1] == "." and found[last + 2 : last + 3] and found[last + 2].kind == "name":
            if texts[last + 3] == "(":
                break
            last += 2
        names = tuple(text.strip("`") for text in texts[at : last + 1 : 2])
        guarded = at > 1 and texts[at - 2 : at] == ["has", "("]
        result.append(Path(names, token.at, found[last].at + len(texts[last]), guarded))
    return result


def loops(found: Sequence[Token]) -> list[Token]:
    """The tokens inside the arguments of macros that iterate, with the brackets that open these."""
    inside: list[Token] = []
    depth = 0
    for at, token in enumerate(found):
        if depth or _is_loop(found, at):
            inside.append(token)
            depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
    return inside


def patterns(found: Sequence[Token]) -> list[Token]:
    """The text in quotes of every call of `matches`."""
    calls = [at for at, token in enumerate(found) if token.text == "matches" and _has_literal_pattern(found, at)]
    return [found[at + 2] for at in calls if found[at + 1 : at + 2] and found[at + 1].text == "("]


def pattern_cost(pattern: str) -> int:
    """About how large the machine is that runs it. RE2 takes linear time in the text, times this at the worst.

    Counts multiply: those of groups by each other, all others by each other's sum. A class of Unicode is a thousand
    ranges, and RE2 builds it anew for each use. https://github.com/google/re2/wiki/Syntax
    """
    groups, others = 1, 1
    for before, low, high in re.findall(r"(.)\{([0-9]{1,5})(?:,([0-9]{0,5}))?\}", pattern, re.DOTALL):
        count = int(high or low)
        if before == ")":
            groups *= max(count, 1)
        else:
            others += count
    return (len(pattern) + _CLASS * len(re.findall(r"\\[pP]", pattern))) * groups * others


def refuse_unbounded(found: Sequence[Token]) -> None:
    """Raise ExpressionError for what could take unbounded time or memory, or mean something else at run time."""
    open_brackets: list[str] = []
    loops = 0
    for at, token in enumerate(found):
        inside = "loop" in open_brackets
        match token.text:
            case "(" if _is_loop(found, at):
                loops += 1
                if inside:
                    _refuse(token, "a loop inside a loop: it could run for a very long time")
                if loops > MAX_LOOPS:
                    _refuse(token, f"more than {MAX_LOOPS} loops")
                if found[at + 1 : at + 2] and found[at + 1].text in ROOTS:
                    _refuse(found[at + 1], f"a loop variable cannot be called {found[at + 1].text}", code="syntax")
                open_brackets.append("loop")
            case "[" if not _is_operand(found, at - 1):
                open_brackets.append("list")
            case "{" if _is_operand(found, at - 1):
                _refuse(token, "message types are not part of trigger expressions", code="syntax")
            case "(" | "[" | "{" as bracket:
                if inside and bracket == "{":
                    _refuse(token, "a map built inside a loop: it could grow without bound")
                open_brackets.append(bracket)
            case ")" | "]" | "}":
                del open_brackets[-1:]
            case "+" if inside:
                _refuse(token, "+ inside a loop: it could grow without bound")
            case "." if not _is_operand(found, at - 1):
                _refuse(token, "a name cannot start with a dot", code="syntax")
            case "matches" if not _has_literal_pattern(found, at):
                _refuse(token, 'matches() takes one text in quotes: value.matches("^a+$")')
            case text if text == HAS_STAND_IN:
                _refuse(token, f"there is no function {HAS_STAND_IN}", code="unknown_name")
        if inside and open_brackets[-1:] == ["list"] and token.kind == "name":
            _refuse(token, "a list built from names inside a loop: it could grow without bound")


def _refuse(token: Token, message: str, code: str = "too_complex") -> None:
    raise ExpressionError(message, code=code, column=token.at + 1)


def _is_loop(found: Sequence[Token], at: int) -> bool:
    """Whether the bracket at `at` opens the arguments of a macro that iterates."""
    return found[at].text == "(" and at > 1 and found[at - 1].text in LOOPS and found[at - 2].text == "."


def _is_operand(found: Sequence[Token], at: int) -> bool:
    """Whether a value ends at `at`: what follows is an index, a call or a field, not something new."""
    return at >= 0 and found[at].text != "in" and (found[at].kind != "sign" or found[at].text in (")", "]", "}"))


def _has_literal_pattern(found: Sequence[Token], at: int) -> bool:
    """Whether a call of `matches` has its pattern from the author: a pattern from an event may be a hostile one."""
    if found[at + 1 : at + 2] and found[at + 1].text != "(":
        return True  # a field of that name
    around = [token.kind if token.kind == "string" else token.text for token in found[max(at - 1, 0) : at + 4]]
    return around == [".", "matches", "(", "string", ")"]


@lru_cache(maxsize=4096)
def template(text: str) -> tuple[str | Hole, ...]:
    """Text and the expressions in its `${{ … }}`, in order. Raise ExpressionError for a hole without an end."""
    parts: list[str | Hole] = []
    done = 0
    while (start := text.find("${{", done)) >= 0:
        end = _end(text, start + 3)
        parts += [text[done:start]] if start > done else []
        source = text[start + 3 : end]
        parts.append(Hole(source.strip(), start + 3 + len(source) - len(source.lstrip())))
        done = end + 2
    return (*parts, text[done:]) if done < len(text) else tuple(parts)


def _end(text: str, start: int) -> int:
    """Where the `}}` stands that closes a hole: not in quotes, not in a bracket of the expression."""
    close = text.find("}}", start)
    if close >= 0 and _dotted(text[start:close].strip()):
        return close
    depth = 0
    for token in _scan(text, start):
        if depth == 0 and text.startswith("}}", token.at):
            return token.at
        depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
    raise ExpressionError("${{ has no }} that closes it", code="syntax", column=start - 2)
