"""Outcome: what became of one event for one trigger, and the chain of verdicts that led there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from retrigger.triggers.frozen import dataclass

if TYPE_CHECKING:
    from retrigger.triggers.event import Json

Stage = Literal["match", "filter", "check", "claim", "gate", "window", "slot", "throttle", "launch", "record"]
Result = Literal["launched", "duplicate", "ignored", "rejected", "deferred", "skipped", "dead", "retry"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one stage said. `code` is stable; `reason` is for people and never holds a cell's or a secret's value."""

    stage: Stage
    says: Literal["pass", "wait", "stop"]
    code: str
    reason: str = ""

    def to_json(self) -> dict[str, Json]:
        return {"stage": self.stage, "says": self.says, "code": self.code, "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`run` and `window` are ids where there is one. A `duplicate` carries the result that was stored before.

    `claim` names the record that stands behind it, for who tells of it; None: nothing was written.
    """

    event: str
    trigger: str | None
    result: Result
    run: str | None = None
    window: str | None = None
    stored: Result | None = None
    verdicts: tuple[Verdict, ...] = ()
    claim: str | None = None

    def to_json(self) -> dict[str, Json]:
        return {
            "event": self.event,
            "trigger": self.trigger,
            "result": self.result,
            "run": self.run,
            "window": self.window,
            "stored": self.stored,
            "verdicts": [verdict.to_json() for verdict in self.verdicts],
        }
