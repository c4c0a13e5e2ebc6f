"""What is wrong in an author's files, with the places."""

from __future__ import annotations

from typing import NamedTuple

from retrigger.triggers.errors import RetriggerError


class Problem(NamedTuple):
    """One mistake in an author's file. `line` and `column` are 1-based; 0 where there is no such place."""

    path: str
    line: int
    column: int
    code: str
    message: str

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.path, self.line, self.column) if part)
        return f"{place}: {self.code}: {self.message}"


class ProjectError(RetriggerError):
    """All problems of a project at once, in file order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems), code="invalid_project")
        self.problems = problems
