"""A frozen window becomes a run: its checks, its manifest, and the request that will be sent."""

from __future__ import annotations

import json
import os.path
from typing import TYPE_CHECKING, Any, TypeAlias

from retrigger.handlers.datasets import dataset_id, frozen_dataset
from retrigger.handlers.ledger import from_ms
from retrigger.handlers.manifests import written
from retrigger.handlers.outcome import Verdict
from retrigger.handlers.requests import chosen_pipeline, frozen_job
from retrigger.triggers import keys
from retrigger.triggers.environment import Store
from retrigger.triggers.errors import Refused
from retrigger.triggers.event import rfc3339
from retrigger.triggers.frozen import replace
from retrigger.triggers.launches import PipelineLaunch
from retrigger.triggers.spec import ObjectSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrigger.handlers.ledger import Ledger
    from retrigger.handlers.listing import Listing
    from retrigger.handlers.ports import Catalog, Objects
    from retrigger.handlers.records import Manifest, Run, RunOutcome
    from retrigger.triggers.event import Json
    from retrigger.triggers.launches import Parameters
    from retrigger.triggers.spec import Trigger

Members: TypeAlias = "Mapping[str, Mapping[str, Any]]"
_URIS_AT_MOST = 10_000
_DEAD = {"bad_parameters"}
"""Refusals that a person must mend, so that the run becomes a dead letter."""


class Freezing:
    """Makes the run record of a frozen window's chunk: ready to be sent, or ended because it must not run."""

    def __init__(self, ledger: Ledger, catalog: Catalog, objects: Objects, listing: Listing) -> None:
        self._ledger = ledger
        self._catalog = catalog
        self._objects = objects
        self._listing = listing

    def window_run(self, name: str, run: Run, trigger: Trigger, manifest: Manifest) -> Run:
        """`run` with its frozen request, or ended as `rejected` (a check of the window) or `dead` (bad parameters)."""
        assert run.window is not None
        members = manifest.of(run)
        counted = f"{len(members)} member{'' if len(members) == 1 else 's'}"
        verdicts = [Verdict("window", "pass", manifest.cause, counted)]
        try:
            verdicts += self._checked(trigger, manifest, members)
            window = self._window(trigger, name, manifest, members)
            job = frozen_job(
                self._catalog,
                trigger,
                name,
                event=keys.digest(run.window),
                source=_of_sources(trigger),
                scope={"match": manifest.captures, "window": window},
                dataset=_dataset(trigger, name, window),
            )
        except Refused as error:
            said = [verdict.to_json() for verdict in (*verdicts, _stopped(error))]
            outcome: RunOutcome = "dead" if error.code in _DEAD else "rejected"
            if outcome == "dead":
                self._ledger.bury(
                    f"run:{name}", str(error), {"code": error.code, "window": run.window, "chunk": run.chunk}
                )
            now = self._ledger.now_ms()
            return replace(run, state="ended", outcome=outcome, error=str(error), ended_ms=now, verdicts=said)
        return replace(run, job=job, verdicts=[verdict.to_json() for verdict in verdicts])

    def _checked(self, trigger: Trigger, manifest: Manifest, members: Members) -> list[Verdict]:
        """Checks of the whole window. Raises Refused where it must not run."""
        said = []
        wanted = trigger.window_check.min_rows if trigger.window_check else None
        counts = [entry["rows"] for entry in manifest.entries.values()]
        if wanted is not None and None in counts:
            said.append(Verdict("window", "pass", "rows_not_counted", "not every member was read to its end"))
        elif wanted is not None and sum(counts) < wanted:
            raise Refused(f"{sum(counts)} rows in the window, at least {wanted} are wanted", code="too_few_rows")
        if _mentions(_asked(trigger), "window.folder"):
            said += self._folder(trigger, manifest, members)
        return said

    def _folder(self, trigger: Trigger, manifest: Manifest, members: Members) -> list[Verdict]:
        """A run that reads a folder reads all of it: say what else lies there, and refuse what was turned away."""
        bucket = str(next(iter(members.values()))["bucket"])
        folder = folder_of(sorted(str(entry["uri"]) for entry in members.values()))
        mine = {str(entry["name"]) for entry in members.values()}
        extra = self._listing.others(trigger, bucket, folder_of(sorted(mine)), mine)
        rejected = self._listing.rejected(trigger, manifest.captures, extra)
        if rejected:
            raise Refused(
                f"{folder} also holds {_some(rejected)}, which the data gate rejected: the run would read it. "
                "Replace or remove it, or pass window.manifest or window.uris instead of window.folder",
                code="folder_holds_rejected",
            )
        if extra:
            return [Verdict("window", "pass", "folder_holds_more", f"{folder} also holds {_some(extra)}")]
        return []

    def _window(self, trigger: Trigger, name: str, manifest: Manifest, members: Members) -> dict[str, object]:
        """The variable `window`. Its manifest is written only for a launch that asks for it, or registers it."""
        uris = sorted(str(entry["uri"]) for entry in members.values())
        rows = [entry["rows"] for entry in members.values()]
        counted = [count for count in rows if count is not None]
        window: dict[str, object] = {
            "folder": folder_of(uris),
            "since": rfc3339(from_ms(manifest.first_ms)),
            "until": rfc3339(from_ms(manifest.last_ms)),
            "rows": sum(counted) if len(counted) == len(rows) else None,
            "count": len(uris),
        }
        if len(uris) == 1:
            window["uri"] = uris[0]
        if len(uris) <= _URIS_AT_MOST:
            window["uris"] = uris
        registers = _registers(trigger)
        if registers:
            window["dataset"] = dataset_id(self._catalog.environment, name, trigger.window.manifest)
        if registers or _mentions(_asked(trigger), "window.manifest"):
            window["manifest"] = self._write_manifest(trigger, name, manifest, members)
        return window

    def _write_manifest(self, trigger: Trigger, name: str, manifest: Manifest, members: Members) -> str:
        """-> the URI that the run is given. It lies under the root of the pipeline, which the run can read."""
        environment = self._catalog.environment
        assert isinstance(trigger.launch, PipelineLaunch)  # `check` lets nothing else ask for a manifest
        chosen = chosen_pipeline(trigger.launch, {"match": manifest.captures, "vars": environment.vars})
        store = Store.at(environment.pipelines[chosen].root)
        file = written(members.values(), trigger.window.manifest)
        folder = f"{store.prefix}retrigger/{name}/"
        self._objects.write(store.place, folder + file.path, file.data)
        return store.uri(folder + file.named)


def _asked(trigger: Trigger) -> Parameters:
    """Every value of a windowed launch."""
    return {**trigger.launch.values, **_of_sources(trigger)}


def _of_sources(trigger: Trigger) -> Parameters:
    """The parameters of the object sources: `check` sees to it that those of one window have the same."""
    return next((source.parameters for source in trigger.sources if isinstance(source, ObjectSource)), {})


def _registers(trigger: Trigger) -> bool:
    return isinstance(trigger.launch, PipelineLaunch) and trigger.launch.register is not None


def _dataset(trigger: Trigger, run: str, window: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is registered before the run is launched; None where its trigger registers nothing."""
    if not _registers(trigger):
        return None
    about = {"trigger": trigger.name, "run": run, "members": window["count"]}
    about |= {name: window[name] for name in ("since", "until")}
    return frozen_dataset(window["dataset"], window["manifest"], trigger.window.manifest, about)


def _stopped(error: Refused) -> Verdict:
    return Verdict("window", "stop", error.code, str(error))


def folder_of(names: Sequence[str]) -> str:
    """The common prefix up to the last `/`, of URIs or names in order: the first and the last say it all."""
    common = os.path.commonprefix([names[0], names[-1]])  # noqa: RUF071  # of names, not of paths
    return common[: common.rfind("/") + 1]


def _mentions(parameters: Mapping[str, Json], name: str) -> bool:
    return name in json.dumps(dict(parameters))


def _some(names: list[str]) -> str:
    return ", ".join(sorted(names)[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
