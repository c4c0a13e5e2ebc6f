"""`pipeline: {by, from}` against the message's schema: keys that no message has, and values that have no key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers import expression_text
from retrigger.triggers.authoring import bodies
from retrigger.triggers.authoring.wording import closest
from retrigger.triggers.errors import ExpressionError
from retrigger.triggers.launches import Choice, PipelineLaunch
from retrigger.triggers.spec import MessageSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Authored, Project
    from retrigger.triggers.authoring.yaml import At
    from retrigger.triggers.event import Json

_FROM: At = ("launch", "pipeline", "from")


def check(project: Project) -> Iterator[Problem]:
    for one in project.authored:
        match one.trigger.launch:
            case PipelineLaunch(pipeline=Choice() as choice):
                names = bodies.plain_field(choice.by)
                if names:
                    yield from _unchosen(one, choice, names)
                    yield from _without_key(one, choice, names)


def _unchosen(one: Authored, choice: Choice, names: tuple[str, ...]) -> Iterator[Problem]:
    """Told only if every source has a schema that lists the values."""
    listed: list[Json] = []
    for _, source in one.launching:
        values = bodies.values(source.schema, names) if isinstance(source, MessageSource) else None
        if values is None:
            return
        listed += values
    texts = [value for value in listed if isinstance(value, str)]
    for key in choice.among:
        if key not in texts:
            hint = closest(key, texts) or f": it is one of {', '.join(map(repr, texts[:12]))}"
            told = f"No message that its schema allows has `{key}` for `{names[-1]}`{hint}."
            yield one.document.problem((*_FROM, key), "unknown_choice", told, on="key")


def _without_key(one: Authored, choice: Choice, names: tuple[str, ...]) -> Iterator[Problem]:
    for _, source in one.launching:
        if not isinstance(source, MessageSource) or _filtered(one, source, names):
            continue
        values = bodies.values(source.schema, names) or ()
        lacking = [value for value in values if isinstance(value, str) and value not in choice.among]
        if lacking and bodies.all_may_come(source.schema, names):
            told = (
                f"The message's schema allows `{lacking[0]}` for `{names[-1]}`, which chooses no pipeline: such a "
                "message would be rejected; add the key, or keep the value out by the schema or a `filter`."
            )
            yield one.document.problem(_FROM, "missing_choice", told, on="key")


def _filtered(one: Authored, source: MessageSource, names: tuple[str, ...]) -> bool:
    """Whether a filter reads the field, or what holds it, and so may keep a value out."""
    field = (*bodies.BODY, *names)
    try:
        read = [path for text in (source.filter, one.trigger.filter) if text for path in expression_text.reads(text)]
    except ExpressionError:
        return True  # told by the rule for expressions
    return any(field[: len(path)] == path for path in read)
