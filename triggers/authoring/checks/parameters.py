"""What each source would send, against what the compiled pipeline takes.

A source's parameters override the launch's, so every source is a combination of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrigger.triggers import signature
from retrigger.triggers.authoring import scope
from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.expressions import check_value, expressions_in
from retrigger.triggers.spec import ObjectSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.triggers.authoring.project import Authored, Project
    from retrigger.triggers.authoring.yaml import At
    from retrigger.triggers.errors import Problem
    from retrigger.triggers.event import Json
    from retrigger.triggers.signature import Signature
    from retrigger.triggers.spec import Environment, Source


def check(project: Project, environment: Environment) -> Iterator[Problem]:
    for one in project.authored:
        pipeline = environment.pipelines.get(one.trigger.launch.pipeline)
        template = project.templates.get(pipeline.template) if pipeline else None
        lacking: dict[str, list[_Combination]] = {}
        combinations = [_Combination(one, at, source, environment) for at, source in one.sources]
        for combination in combinations:
            yield from combination.wrong_expressions()
            for misfit in combination.misfits(template.signature) if template else ():
                if misfit.code == "missing_parameter":
                    lacking.setdefault(misfit.message, []).append(combination)
                else:
                    yield combination.problem(misfit.parameter, misfit.code, misfit.message)
        for message, those in lacking.items():
            yield from _lacking(one, message, those, everywhere=len(those) == len(combinations))


def _lacking(one: Authored, message: str, those: list[_Combination], *, everywhere: bool) -> Iterator[Problem]:
    """A parameter that no source has is missing in the launch; else it is missing where it is not."""
    if everywhere:
        yield one.document.problem(("launch", "parameters"), "missing_parameter", message, on="key")
        return
    for combination in those:
        yield one.document.problem(combination.at, "missing_parameter", message, on="key")


@dataclass(frozen=True, slots=True)
class _Combination:
    """The launch's parameters under those of one source."""

    one: Authored
    at: At
    source: Source
    environment: Environment

    @property
    def values(self) -> Mapping[str, Json]:
        return {**self.one.trigger.launch.parameters, **self.source.parameters}

    @property
    def names(self) -> dict[str, str]:
        if isinstance(self.source, ObjectSource):
            return scope.of_window(self.one.trigger.window, self.source, self.environment)
        return scope.of_event(self.source, self.environment)

    def wrong_expressions(self) -> Iterator[Problem]:
        names = self.names
        for name, value in self.values.items():
            try:
                check_value(value, names)
            except ExpressionError as error:
                yield self.problem(name, error.code, f"`{name}`: {error}{self._why(error)}.")

    def _why(self, error: ExpressionError) -> str:
        if error.code != "unknown_name":
            return ""
        if isinstance(self.source, ObjectSource):
            return "; a windowed launch may use `window.*`, `vars.*`, and the `match.*` that the window's key fixes"
        return f"; source {self.at[1]} ({self.at[2]}) launches directly: it may use `event.*` and `vars.*`"

    def misfits(self, wanted: Signature) -> list[signature.Misfit]:
        """An expression that is wrong is told as that: here it is taken for a value of any type."""
        types: dict[str, str] = {}
        literals: dict[str, Json] = {}
        names = self.names
        for name, value in self.values.items():
            try:
                told = check_value(value, names)
                computed = any(expressions_in(value))
            except ExpressionError:
                told, computed = "dyn", True
            if computed:
                types[name] = told
            else:
                literals[name] = value
        return signature.check(wanted, types, literals)

    def problem(self, name: str, code: str, message: str) -> Problem:
        at = self.at if name in self.source.parameters else ("launch",)
        return self.one.document.problem((*at, "parameters", name), code, message)
