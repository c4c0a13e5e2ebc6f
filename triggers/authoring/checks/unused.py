"""Names of retrigger.yaml that nothing uses: left over, or misspelt where they are used.

A name counts as used if a trigger has it as a text of its own, wherever that stands; in a trigger file that cannot be
understood, if its text holds the name at all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from retrigger.triggers.authoring.wording import closest
from retrigger.triggers.authoring.yaml import texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.problems import Problem
    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.authoring.yaml import At

_KINDS: Final = {"stores": "store", "channels": "channel", "pipelines": "pipeline"}
_WORDS: Final = re.compile(r"[\w.-]+")


def check(project: Project) -> Iterator[Problem]:
    if not project.authored:
        return
    used, declared = _used(project), list(_declared(project))
    unknown = used.difference(str(at[-1]) for at, _ in declared)
    for at, kind in declared:
        name = str(at[-1])
        if name not in used and not closest(name, unknown):  # a name that is misspelt is told where it is
            told = f"No trigger uses the {kind} `{name}` of environment `{at[1]}`: use it, or leave it out."
            yield project.document.problem(at, "unused_name", told, on="key")


def _used(project: Project) -> set[str]:
    used: set[str] = set()
    for one in project.authored:
        used.update(text for at, text in texts((), one.document.data) if at not in (("name",), ("description",)))
    for at, text in texts((), project.document.data):
        if len(at) == 3 and at[-1] == "outbox":
            used.add(text)
    for text in project.misread:
        used.update(_WORDS.findall(text))
    return used


def _declared(project: Project) -> Iterator[tuple[At, str]]:
    """Every name with its place and kind, of environments that are wrong too."""
    for at in project.document.keys:
        match at:
            case ("environments", _, str(part), _) if part in _KINDS:
                yield at, _KINDS[part]
