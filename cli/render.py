"""How output looks: JSON lines for programs; tables and trees for people, with colours on a terminal only.

Nothing is wrapped or cut. click leaves the colours out where the output is no terminal, and under NO_COLOR.
"""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Format = Literal["text", "json"]
_COLOURS: Final = {
    **dict.fromkeys(("succeeded", "launched", "gained", "pass", "ok"), "green"),
    **dict.fromkeys(("running", "deferred", "wait", "duplicate", "changed"), "yellow"),
    **dict.fromkeys(("failed", "rejected", "dead", "lost", "stop", "retry"), "red"),
    **dict.fromkeys(("ignored", "cancelled", "skipped", "-"), "bright_black"),
}
_NAME: Final = 20
"""Columns of a field's name, at least."""


def format_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option that every command with a result has."""
    choice = click.Choice(["text", "json"])
    option = click.option(
        "--format", "form", type=choice, default="text", help="For people, or one JSON object a line."
    )
    return option(command)


def examples(*lines: str) -> str:
    """An epilog that click does not rewrap."""
    return "\b\n" + "\n".join(("Examples:", *(f"  {line}" for line in lines)))


def json_line(value: Mapping[str, Any]) -> None:
    click.echo(json.dumps(value))


def say(line: str = "") -> None:
    """A line of the result, for people."""
    click.echo(line)


def note(line: str) -> None:
    """A line beside the result: on stderr, so that the result can be piped."""
    click.echo(line, err=True)


def visible(text: str) -> str:
    """Names come from outside: control characters, which could rewrite the terminal, become escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def paint(word: str) -> str:
    """A state, result or verdict in its colour."""
    colour = _COLOURS.get(word)
    return click.style(word, fg=colour) if colour else word


def dim(text: str) -> str:
    return click.style(text, fg="bright_black")


def field(name: str, value: str) -> None:
    """One field of what the line above names."""
    fields({name: value})


def fields(values: Mapping[str, str]) -> None:
    """Some at once, under each other however long a name is."""
    longest = max(_NAME, *map(width, values))
    for name, value in values.items():
        say(f"  {dim(name + ' ' * (longest - width(name)))} {visible(value)}")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns as wide as their widest cell, under a head; an empty cell is a `-`."""
    cells = [[visible(cell) or "-" for cell in row] for row in rows]
    widths = [max(width(row[at]) for row in [list(head), *cells]) for at in range(len(head))]
    say(dim(_padded(head, widths)))
    for row in cells:
        say(_padded(row, widths, paint))


def width(text: str) -> int:
    """Terminal columns: two for a wide character, none for one that combines."""
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text)


def verdict_line(verdict: Mapping[str, Any]) -> str:
    """`gate     stop  missing_column: the header lacks Customer_Age`."""
    reason = f": {visible(str(verdict['reason']))}" if verdict["reason"] else ""
    says = str(verdict["says"])
    return f"{verdict['stage']:<8} {paint(says)}{' ' * (4 - len(says))} {verdict['code']}{reason}"


def count(number: int, what: str) -> str:
    """`1 task`, `1,200 tasks`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def metrics_line(metrics: Mapping[str, float]) -> str:
    return " ".join(f"{name}={value:.4g}" for name, value in sorted(metrics.items()))


def time_of(rfc3339: str | None) -> str:
    """To the second: `2026-11-20T14:03:07Z`."""
    return "" if rfc3339 is None else rfc3339[:19] + "Z"


def _padded(row: Sequence[str], widths: Sequence[int], style: Callable[[str], str] = str) -> str:
    last = len(row) - 1
    cells = [style(cell) + (" " * (widths[at] - width(cell)) if at < last else "") for at, cell in enumerate(row)]
    return "  ".join(cells)


@dataclass(frozen=True, slots=True)
class Node:
    """A line of a tree, already visible and painted, and what hangs below it."""

    line: str
    below: Sequence[Node] = ()


def tree(node: Node, first: str = "", rest: str = "") -> None:
    say(f"{dim(first)}{node.line}")
    for child in node.below:
        last = child is node.below[-1]
        tree(child, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))
