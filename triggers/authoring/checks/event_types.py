"""The type of a lifecycle event, misspelt: of a known publisher's, only some are ever read as one.

Another publisher's own type is its own matter (docs/adr/0009): nothing is said of it.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from retrigger.triggers.authoring.yaml import texts
from retrigger.triggers.formats import audit, azureml, blob, storage
from retrigger.triggers.spec import LifecycleSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Project

_KNOWN: Final = (*azureml.TYPES, audit.TYPE)
_OF_OBJECTS: Final = frozenset({*blob.CHANGES, *storage.CHANGES})
_PUBLISHERS: Final = ("microsoft.", "google.cloud.")
_ALIKE: Final = 0.9
_WHOLE: Final = ("microsoft.machinelearningservices.", "google.cloud.audit.")
"""Of what begins so, every type that is read is known."""


def check(project: Project) -> Iterator[Problem]:
    for one in project.authored:
        for at, source in one.sources:
            if not isinstance(source, LifecycleSource) or not any(map(_mistake, source.types)):
                continue
            for place, type_ in texts((), one.document.data):
                mistake = _mistake(type_) if place[:4] == (*at, "type") else None
                if mistake:
                    yield one.document.problem(place, "unknown_type", mistake)


def _mistake(type_: str) -> str | None:
    if type_ in _KNOWN:
        return None
    if type_ in _OF_OBJECTS:
        return f"`{type_}` is what an object's event says: listen with an `object` source."
    small, known = type_.lower(), {one.lower(): one for one in _KNOWN}
    whole = small.startswith(_WHOLE)
    near = get_close_matches(small, known, 1, 0.6 if whole else _ALIKE)
    if not (whole or (near and small.startswith(_PUBLISHERS))):
        return None
    hint = f" (did you mean `{known[near[0]]}`?)" if near else ""
    return f"No lifecycle event is of the type `{type_}`{hint}: take one that docs/events.md lists."
