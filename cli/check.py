"""`retrigger check`: every problem, with the line where it stands."""

from __future__ import annotations

import gc
import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from retrigger.cli.errors import NO
from retrigger.cli.offline import offline_option, templates_of
from retrigger.cli.render import Format, count, dim, examples, format_option, json_line, note, say, visible, width

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.schema import Kind

_SHOWN: Final = 160


@click.command(
    epilog=examples(
        "retrigger check examples/churn",
        "retrigger check --compiled compiled-dev.json",
        "retrigger check --format json | jq -r .path",
        "retrigger check --schema trigger",
    )
)
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--compiled",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A file of `retrigger compile`: is it still what the project says? May be given again.",
)
@format_option
@click.option(
    "--schema",
    "kind",
    type=click.Choice(["trigger", "project"]),
    help="Print the JSON Schema of this kind of file, for editors, and check nothing.",
)
@offline_option
@click.pass_context
def check(
    ctx: click.Context, folder: Path, files: tuple[Path, ...], *, form: Format, kind: Kind | None, offline: bool
) -> None:
    """Report every mistake of every file of a project: triggers, environments, schemas, templates.

    DIR is the project's folder or one inside it. Silence and exit code 0 if all is right; else 1.
    """
    if kind is not None:
        from retrigger.triggers.authoring.schema import json_schema

        say(json.dumps(json_schema(kind), indent=2, ensure_ascii=False))
        return
    with _uncollected():
        from retrigger.triggers.authoring.compile import checked
        from retrigger.triggers.authoring.project import find_root

        root = find_root(folder)
        project, problems = checked(root, templates_of(root, offline=offline))
    problems = problems or [problem for file in files for problem in _stale(root, file)]
    if form == "json":
        for problem in _seen_from_here(root, problems):
            json_line(problem._asdict())
    else:
        show(root, problems)
    if problems:
        ctx.exit(NO)
    if not sys.stderr.isatty():
        return
    triggers, environments = len(project.triggers), len(project.environments)
    note(f"{count(triggers, 'trigger')}, {count(environments, 'environment')}: no problems")


@contextmanager
def _uncollected() -> Iterator[None]:
    """Nothing that a check reads is garbage before its end; to look for some takes a sixth of its time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # or the first look after this one would go through all of it
        gc.enable()


def _stale(root: Path, file: Path) -> list[Problem]:
    from retrigger.triggers.authoring import stale
    from retrigger.triggers.authoring.project import load_project

    return stale.check(load_project(root), file.read_bytes().decode(errors="replace"), str(file.resolve()))


def show(root: Path, problems: Sequence[Problem]) -> None:
    """Each problem on one line, as compilers write them, and below it the line that it is about."""
    from retrigger.triggers.authoring.checks import secrets

    secret = {(problem.path, problem.line) for problem in problems if problem.code == secrets.CODE}
    for problem, here in zip(problems, _seen_from_here(root, problems), strict=True):
        say(visible(str(here)))
        if (problem.path, problem.line) not in secret:  # logs have more readers than the file
            for line in excerpt(root, problem):
                say(line)


def excerpt(root: Path, problem: Problem) -> Iterator[str]:
    """The line of a problem and a caret under its column; nothing where it names no line that can be read."""
    if problem.line < 1:
        return  # nothing was read: it may be a pipe or a device, which would never end
    try:
        lines = (root / problem.path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    if problem.line > len(lines):
        return
    text, at = lines[problem.line - 1].replace("\t", " "), problem.column - 1
    start = max(0, at - _SHOWN // 2)
    shown, before = visible(text[start : start + _SHOWN]), visible(text[start : max(at, 0)])
    number = str(problem.line)
    yield f"{dim(f'{number:>5} |')} {shown}"
    if problem.column:
        yield f"{dim('      |')} {' ' * width(before)}{click.style('^', fg='red')}"


def _seen_from_here(root: Path, problems: Iterable[Problem]) -> Iterator[Problem]:
    """With paths that can be opened from here."""
    here = Path.cwd()
    for problem in problems:
        path = root / problem.path
        yield problem._replace(path=str(path.relative_to(here) if path.is_relative_to(here) else path))
