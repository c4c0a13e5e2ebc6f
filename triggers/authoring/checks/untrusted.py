"""Events give values of parameters and nothing else: no expression chooses what runs, where, or as whom.

A rule for one document: it is told of files whose shape is wrong too, in place of what the shape says of the same text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrigger.triggers.authoring.yaml import texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.yaml import At, Document

CODE: Final = "untrusted_data"
_HOLE: Final = "${{"


def check(document: Document) -> Iterator[Problem]:
    for at, text in texts((), document.data):
        if _HOLE in text and at and not _evaluated(at):
            yield document.problem(at, CODE, _told(at))
    for at in document.keys:
        if _HOLE in str(at[-1]) and not _evaluated(at):
            yield document.problem(at, CODE, _told(at), on="key")


def alone(problems: Iterable[Problem]) -> list[Problem]:
    """Without what else is wrong with the same text: one mistake is told once."""
    found = list(problems)
    taken = {(problem.path, problem.line, problem.column) for problem in found if problem.code == CODE}
    return [it for it in found if it.code == CODE or (it.path, it.line, it.column) not in taken]


def _evaluated(at: At) -> bool:
    """Whether an expression may stand there, or another rule tells how it is written."""
    match at:
        case ("environments", *_):
            return False
        case ("description",) | ("launch" | "defaults" | "source" | "admit", *_, "filter" | "key" | "by" | "members"):
            return True
        case ("filter",) | ("launch", "parameters" | "artifacts", *_) | ("source", _, _, "parameters", *_):
            return True
        case ("launch", "batch_prediction", "input" | "output" | "parameters", *_):
            return True
        case _:
            return at == ("launch", "online_deployment", "model", "version")


def _told(at: At) -> str:
    hint = "; to choose among pipelines, write `pipeline: {by: …, from: {…}}`" if at[-1] == "pipeline" else ""
    return f"An expression cannot stand here: what an event says only ever becomes the value of a parameter{hint}."
