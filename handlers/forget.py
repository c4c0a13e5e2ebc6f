"""`forget`: what people sent is taken out of the ledger; that it came stays known, so that it remains a duplicate.

Claims, runs and dead letters are swapped in place: a tombstone with the hash of what was there. What lies elsewhere is
named, since the ledger cannot reach it.
"""

from __future__ import annotations

import hashlib
import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from retrigger.handlers.journal import subject_of
from retrigger.handlers.runs_by_member import RunsByMember
from retrigger.triggers.archive import stand_in
from retrigger.triggers.frozen import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.handlers.ledger import Ledger, Stored
    from retrigger.handlers.records import Claim, Run
    from retrigger.triggers.event import Json

_VALUES: Final[Mapping[str, Json]] = MappingProxyType({"parameters": {}, "artifacts": {}, "input": [], "output": ""})
"""What of a frozen request may come from an event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What became of one claimed event. `why_not`: it is still needed. `left`: where more of it lies, in words."""

    claim: str
    trigger: str
    records: int
    left: tuple[str, ...]
    why_not: str | None = None


def forget(ledger: Ledger, target: str, *, dry_run: bool = False) -> Iterator[Forgotten]:
    """Each claim of an event's id or an object's URI, forgotten unless it still waits or runs. May be broken off."""
    runs = RunsByMember(ledger)
    for stored in list(ledger.claims.list()):
        if target in {stored.value.event["id"], subject_of(stored.value.event)}:
            yield _forgotten(ledger, stored, runs.of(stored), dry_run=dry_run)


def is_forgotten(event: Mapping[str, Any]) -> bool:
    """Whether only a tombstone is left of a claim's event."""
    return "forgotten" in event


def _forgotten(ledger: Ledger, stored: Stored[Claim], window_run: str | None, *, dry_run: bool) -> Forgotten:
    claim, name = stored.value, ledger.claims.name(stored)
    own = [run for run in (claim.run, *(before["run"] for before in claim.replays)) if run is not None]
    told = Forgotten(claim=name, trigger=claim.trigger, records=0, left=tuple(_left(ledger, claim, own, window_run)))
    why_not = _needed(ledger, claim, [*own, *([window_run] if window_run else [])])
    if why_not is not None:
        return replace(told, why_not=why_not)
    tomb = _tombstone(claim.event)
    letters = _forget_letters(ledger, name, own, tomb, dry_run=dry_run)
    if not dry_run:
        for run in own:
            ledger.runs.update(run, lambda it: None if it.job is None else replace(it, job=_bare(it.job)))
        # The claim comes last: until then the event is found by its name, should this be broken off.
        job = None if claim.job is None else _bare(claim.job)
        if ledger.claims.swap(stored, replace(claim, event=tomb, job=job, content=None)) is None:
            return replace(told, why_not="it changed at this moment: ask again")
    return replace(told, records=1 + len(own) + letters)


def _needed(ledger: Ledger, claim: Claim, runs: list[str]) -> str | None:
    """Why the event cannot be forgotten yet."""
    if claim.state in {"gate", "open"}:
        return "it is not settled: cancel its run, or wait"
    if claim.state in {"member", "marker"} and ledger.manifests.get(claim.window or "") is None:
        return f"it waits in window {claim.window}"
    going = [run for run in runs if (stored := ledger.runs.get(run)) and stored.value.state != "ended"]
    return f"run {going[0]} has not ended: cancel it, or wait" if going else None


def _left(ledger: Ledger, claim: Claim, own: list[str], window_run: str | None) -> Iterator[str]:
    if claim.window is not None and claim.state in {"member", "marker"}:
        yield f"the manifest of window {claim.window}, in the ledger and, where runs ask for one, below their root"
    launched = [run for run in (*own, window_run) if run and _was_launched(ledger.runs.get(run))]
    for run in launched:
        yield f"the job of run {run} on the platform: its parameters and labels, and whatever it wrote"
    for run in launched:
        if (stored := ledger.runs.get(run)) is not None and stored.value.chained:
            yield f"the end of run {run}, with its parameters, as an event of other triggers: `retrigger forget {run}`"
    if claim.event["kind"] == "object":
        yield "the object itself"
    yield "what the platform's queues, dead letters and logs keep of the event"


def _was_launched(run: Stored[Run] | None) -> bool:
    return run is not None and bool(run.value.launched_ms)


def _forget_letters(ledger: Ledger, name: str, runs: list[str], tomb: dict[str, Any], *, dry_run: bool) -> int:
    """Every letter about the claim or its runs."""
    flat, count = name.rsplit("/", 1)[1], 0
    exact = {f"claim:{name}", *(f"run:{run}" for run in runs)}
    for entry in list(ledger.records.list("d/")):
        record = ledger.records.get(entry.key)
        if record is None:
            continue
        what = str(record.body["what"])
        if what in exact or what.startswith(f"conflict:c/{name}:") or what.endswith(f":{flat}"):
            count += 1
            if not dry_run:
                ledger.records.swap(record, _without(record.body, what, name, tomb))
    return count


def _without(body: Mapping[str, Json], what: str, name: str, tomb: dict[str, Any]) -> dict[str, Json]:
    kept = dict(body)
    if what.startswith("conflict:"):
        kept["what"] = f"conflict:c/{name}:{tomb['forgotten']}"  # an event's id is its sender's
    if "event" in kept:
        kept["event"] = tomb
    if isinstance(member := kept.get("member"), dict):
        kept["member"] = {**member, "uri": subject_of(tomb), "name": "", "checksum": None}
    if isinstance(job := kept.get("job"), dict):
        kept["job"] = _bare(job)
    return kept


def _bare(job: Mapping[str, Any]) -> dict[str, Any]:
    """A frozen request without its values: it is not sent again."""
    return {**job, **{name: empty for name, empty in _VALUES.items() if name in job}}


def _tombstone(event: Mapping[str, Any]) -> dict[str, Any]:
    """What is left of a canonical event: its kind, its time and its hash."""
    if is_forgotten(event):
        return dict(event)
    digest = hashlib.sha256(json.dumps(event, sort_keys=True).encode()).hexdigest()
    return {**stand_in(event, f"forgotten:{digest[:16]}"), "forgotten": digest}
