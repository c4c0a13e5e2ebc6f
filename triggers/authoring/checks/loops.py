"""What a run or the ledger writes must not wake a trigger: that would be a loop that costs money."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrigger.triggers import glob
from retrigger.triggers.authoring.settle import store
from retrigger.triggers.spec import ObjectSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrigger.triggers.authoring.project import Project
    from retrigger.triggers.errors import Problem
    from retrigger.triggers.spec import Environment, Store


def check(project: Project, environment: Environment) -> Iterator[Problem]:
    written = {f"The root of pipeline `{name}`": it.root for name, it in environment.pipelines.items()}
    written["The ledger"] = environment.ledger
    for one in project.authored:
        for at, source in one.sources:
            listened = environment.stores.get(source.store) if isinstance(source, ObjectSource) else None
            if not isinstance(source, ObjectSource) or listened is None:
                continue
            for what, address in written.items():
                if may_match(listened, source.match, store(address)):
                    told = f"{what} in environment `{environment.name}` ({address}) is where this source listens: "
                    step = "write elsewhere, or listen to a narrower glob."
                    yield one.document.problem((*at, "match"), "loop", told + step)


def may_match(listened: Store, match: str, written: Store) -> bool:
    """Whether some object below `written` has a name that the glob in `listened` matches."""
    if listened.bucket != written.bucket:
        return False
    if listened.prefix.startswith(written.prefix):
        return True
    if not written.prefix.startswith(listened.prefix):
        return False
    folders = written.prefix.removeprefix(listened.prefix).split("/")[:-1]
    return _below(match.split("/"), folders)


def _below(segments: list[str], folders: list[str]) -> bool:
    """Folder by folder: a glob with no segment left for the object's own name matches nothing below the folders."""
    for segment, folder in zip(segments, folders, strict=False):
        if segment == "**":
            return True
        if glob.parse(segment).match(folder) is None:
            return False
    return len(segments) > len(folders)
