"""What an object must satisfy has to be something that it can, and that its format lets a gate see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.authoring.yaml import At

_OBJECT: Final[At] = ("validate", "object")


def check(project: Project) -> Iterator[Problem]:
    for one in project.authored:
        rule = one.trigger.object_check
        if rule is None:
            continue
        if rule.format == "parquet":
            for name in (name for name, column in rule.columns.items() if column.one_of):
                told = "Only the footer of a Parquet file is read, no cell: leave `one_of` out; check it in the run."
                at: At = (*_OBJECT, "columns", name, "one_of")
                yield one.document.problem(at, "not_in_footer", told, on="key")
        if rule.format == "jsonl" and rule.max_null_ratio is not None and not rule.columns:
            told = "Of JSON Lines only the declared `columns` can lack a value: declare some, or leave this out."
            yield one.document.problem((*_OBJECT, "max_null_ratio"), "unused_key", told, on="key")
        if rule.min_rows is not None and rule.max_rows is not None and rule.min_rows > rule.max_rows:
            told = f"`max_rows` is less than `min_rows` ({rule.min_rows:,}), so every object would be rejected."
            yield one.document.problem((*_OBJECT, "max_rows"), "bad_value", told)
