"""What becomes of an event under old triggers and under new ones: the launches that are gained, lost or changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from retrigger.cli.dry_run import explain_event
from retrigger.triggers.event import FIRED, Event, Schedule
from retrigger.triggers.formats.schedule import TYPE as WAKE_UP
from retrigger.triggers.schedule import times
from retrigger.triggers.spec import ScheduleSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retrigger.cli.dry_run import Explanation
    from retrigger.triggers.compiled import Compiled
    from retrigger.triggers.event import Json

Kind = Literal["gained", "lost", "changed", "unchanged", "no_launch"]
_LAUNCHES: Final = {"launched", "deferred"}
"""Over an empty ledger only the marker of a window is deferred: it closes the window, which then launches."""
_DERIVED: Final = {"display_name", "fingerprint"}
_OURS: Final = "retrigger-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One event at one trigger. `changes`: name -> (old, new), None where a side has none.

    `no_launch`: on neither side, and for no other reason. `reason` is the last verdict of the side without a launch.
    """

    trigger: str
    kind: Kind
    changes: Mapping[str, tuple[Json, Json]]
    reason: Mapping[str, Json] | None


def differences(old: Compiled, new: Compiled, event: Event) -> Iterator[Difference]:
    """One for each trigger that the event meets on either side, by name."""
    before = _met(old, event)
    after = _met(new, replace(event, type=WAKE_UP) if _struck_only_before(old, new, event) else event)
    for trigger in sorted({*before, *after}):
        yield _compared(trigger, before.get(trigger), after.get(trigger))


def _met(compiled: Compiled, event: Event) -> dict[str, Explanation]:
    return {found.trigger: found for found in explain_event(compiled, event) if found.trigger is not None}


def _struck_only_before(old: Compiled, new: Compiled, event: Event) -> bool:
    """A time that fired would launch whatever the schedule says: where it was the old one's, the new one is asked."""
    if not isinstance(event.payload, Schedule) or event.type != FIRED:
        return False
    return _strikes(old, event.payload) and not _strikes(new, event.payload)


def _strikes(compiled: Compiled, schedule: Schedule) -> bool:
    trigger, at = compiled.trigger(schedule.name), schedule.scheduled_for
    sources = [source for source in trigger.sources if isinstance(source, ScheduleSource)] if trigger else []
    since = at - timedelta(seconds=1)
    return any(at in times(source.cron, source.timezone, since, at) for source in sources)


def _compared(trigger: str, old: Explanation | None, new: Explanation | None) -> Difference:
    before, after = _told(old), _told(new)
    names = [*before, *(name for name in after if name not in before)]
    pairs = {name: (before.get(name), after.get(name)) for name in names}
    changes = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    match _launches(old), _launches(new):
        case True, False:
            return Difference(trigger=trigger, kind="lost", changes=changes, reason=_reason(new))
        case False, True:
            return Difference(trigger=trigger, kind="gained", changes=changes, reason=_reason(old))
        case True, True:
            return Difference(trigger=trigger, kind="changed" if changes else "unchanged", changes=changes, reason=None)
        case _:
            asked = changes and (_asks(old) or _asks(new))
            kind: Kind = "changed" if asked else "no_launch"
            return Difference(trigger=trigger, kind=kind, changes=changes if asked else {}, reason=None)


def _launches(found: Explanation | None) -> bool:
    return found is not None and found.result in _LAUNCHES


def _asks(found: Explanation | None) -> bool:
    """Whether a run is described, though it may be only observed."""
    return found is not None and found.job is not None


def _told(found: Explanation | None) -> dict[str, Json]:
    """What makes a launch this one and no other. The run's id follows from it, so it is left out."""
    if found is None:
        return {}
    told: dict[str, Json] = {"result": found.result}
    if not (_launches(found) or _asks(found)):
        return told
    told |= {"identity": found.identity, "window key": found.window_key, "waits": found.waits}
    told["names"] = [[member.uri, member.result, member.window_key] for member in found.members] or None
    if found.job is None:
        return told | {"verdict": _reason(found)["reason"] if found.verdicts else None}
    for name, value in found.job.items():
        if isinstance(value, dict):
            told |= {f"{name}.{part}": it for part, it in value.items() if not part.startswith(_OURS)}
        elif name not in _DERIVED:
            told[name.replace("_", " ")] = value
    return told


def _reason(found: Explanation | None) -> Mapping[str, Json]:
    if found is None:
        return {"stage": "match", "says": "stop", "code": "no_match", "reason": "it does not listen to this"}
    nothing: dict[str, Json] = {"stage": "launch", "says": "stop", "code": found.result, "reason": ""}
    return found.verdicts[-1] if found.verdicts else nothing
