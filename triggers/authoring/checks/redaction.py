"""What `redact` points to: something that a sender wrote, and that an event of this trigger can have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrigger.triggers.archive import steps
from retrigger.triggers.authoring.bodies import fields
from retrigger.triggers.authoring.wording import closest
from retrigger.triggers.spec import LifecycleSource, MessageSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.event import Json
    from retrigger.triggers.spec import Source, Trigger

_WRITTEN: Final[dict[str, tuple[type[Source], tuple[str, ...]]]] = {
    "message": (MessageSource, ("json", "body", "attributes", "ordering_key")),
    "lifecycle": (LifecycleSource, ("tags", "properties")),
}
"""Kind of event -> the sources that give it, and what its sender wrote in it. All else is what it is known by."""


def check(project: Project) -> Iterator[Problem]:
    for one in project.authored:
        for number, pointer in enumerate(one.trigger.redact):
            reason = _reason(one.trigger, pointer)
            if reason is not None:
                code, told = reason
                yield one.document.problem(("redact", number), code, f"`{pointer}` {told}.")


def _reason(trigger: Trigger, pointer: str) -> tuple[str, str] | None:
    """Why there is nothing there to redact: a code, and words."""
    kind, field, *inner = steps(pointer)
    if kind not in _WRITTEN or field not in _WRITTEN[kind][1]:
        places = " or ".join(f"/{name}/{part}" for name, (_, parts) in _WRITTEN.items() for part in parts)
        told = f"is no part of an event that its sender writes: point into {places}, or write `archive: none`"
        return "not_redactable", told
    source, _ = _WRITTEN[kind]
    sources = [it for it in trigger.sources if isinstance(it, source)]
    if not sources:
        return "unknown_field", f"is in no event of this trigger: it has no {kind} source"
    if field != "json":
        return None
    lacking = [_lacking(it.schema, inner) for it in sources if isinstance(it, MessageSource)]
    if None in lacking:
        return None
    name, known = next(it for it in lacking if it is not None)
    return "unknown_field", f"is in no message: the schema has no `{name}`{closest(name, known)}"


def _lacking(schema: Json, names: Sequence[str]) -> tuple[str, list[str]] | None:
    """The first name that no message of this schema can have, and those that it can. None: it may have all of them."""
    inner = schema
    for name in names:
        known, closed = fields(inner, schema)
        if name not in known:
            return (name, list(known)) if closed and known else None
        inner = known[name]
    return None
