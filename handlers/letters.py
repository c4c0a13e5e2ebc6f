"""Dead letters as people see them: what died and why, how often it was tried, and whether somebody has replayed it.

A letter's record is create-only, one a day for each thing that died: the first and the last of them say since when and
until when; how often it was tried is said by the claim or the run that it is about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from retrigger.handlers.journal import subject_of
from retrigger.handlers.ledger import from_ms
from retrigger.triggers import keys
from retrigger.triggers.event import rfc3339
from retrigger.triggers.frozen import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrigger.handlers.ledger import Ledger
    from retrigger.handlers.records import Run
    from retrigger.triggers.event import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One dead letter. `first`, `last`: RFC 3339; `event` is the canonical event, `body` the letter as it was kept.

    `kind`: a claimed event that could not be decided, a run, a member of a failed run, a second event of one identity
    with other content, or a request that was no event. `claim` and `run` name the records that it is about.
    `state`: `dead`, or `replayed` once somebody had it tried again; `kept` where there is nothing to try again.
    """

    id: str
    kind: Literal["event", "run", "member", "conflict", "malformed"]
    state: Literal["dead", "replayed", "kept"]
    trigger: str | None
    subject: str
    code: str
    reason: str
    attempts: int
    first: str
    last: str
    claim: str | None
    run: str | None
    event: Mapping[str, Json] | None
    body: Mapping[str, Json]


def letters(ledger: Ledger) -> list[Letter]:
    """Every dead letter, by when it was first written. Reads them all: for people, not for the hot path."""
    first: dict[str, int] = {}
    bodies: dict[str, Mapping[str, Any]] = {}
    for entry in ledger.records.list("d/"):
        record = ledger.records.get(entry.key)
        if record is not None:
            body: Mapping[str, Any] = record.body
            name = keys.digest(body["what"])
            first.setdefault(name, body["at_ms"])
            bodies[name] = body
    found = [_letter(ledger, name, first[name], body) for name, body in bodies.items()]
    return sorted(found, key=lambda letter: letter.first)


def _letter(ledger: Ledger, name: str, first_ms: int, body: Mapping[str, Any]) -> Letter:
    kind, _, about = str(body["what"]).partition(":")
    letter = Letter(
        id=name,
        kind="malformed",
        state="kept",
        trigger=None,
        subject=about,
        code=str(body.get("code", "")),
        reason=str(body["reason"]),
        attempts=1,
        first=rfc3339(from_ms(first_ms)),
        last=rfc3339(from_ms(body["at_ms"])),
        claim=None,
        run=None,
        event=body.get("event"),
        body=body,
    )
    if "member" in body:
        return _of_member(ledger, letter, trigger=kind, member=about)
    match kind:
        case "claim":
            return _of_claim(ledger, letter, about)
        case "run":
            return _of_run(ledger, letter, about)
        case "conflict":
            name = about.removeprefix("c/").partition(":")[0]
            claim = ledger.claims.get(name)
            trigger = claim.value.trigger if claim else None
            return replace(letter, kind="conflict", trigger=trigger, subject=subject_of(body["event"]), claim=name)
        case _:
            return letter


def _of_claim(ledger: Ledger, letter: Letter, name: str) -> Letter:
    claim = ledger.claims.get(name)
    assert claim is not None  # claims are not deleted
    return replace(
        letter,
        kind="event",
        state="dead" if claim.value.state == "dead" else "replayed",
        trigger=claim.value.trigger,
        subject=subject_of(claim.value.event),
        attempts=max(claim.value.tries, 1),
        claim=name,
    )


def _of_run(ledger: Ledger, letter: Letter, name: str) -> Letter:
    """The letter is written before the run's record says so, and before there is one."""
    run = ledger.runs.get(name)
    if run is None:
        return replace(letter, kind="run", state="dead", subject=name, run=name)
    return replace(
        letter,
        kind="run",
        state=_state_of(ledger, name, run.value, letter.code),
        trigger=run.value.trigger,
        subject=name,
        attempts=max(run.value.tries, run.value.epoch + 1),
        claim=run.value.claim,
        run=name,
        event=_event(ledger, run.value.claim),
    )


def _state_of(ledger: Ledger, name: str, run: Run, code: str) -> Literal["dead", "replayed", "kept"]:
    if is_replayed(ledger, name, run):
        return "replayed"
    if code != "unsure" or run.state == "unsure" or not run.launched_ms:
        return "dead"
    # The platform had it after all. Had it failed on the same day, it would have no letter but this one.
    failed = run.outcome in {"failed", "dead", "lost"} and run.carried is None
    return "dead" if failed else "kept"


def _of_member(ledger: Ledger, letter: Letter, *, trigger: str, member: str) -> Letter:
    kept: Any = letter.body["member"]
    claim = f"{member[:2]}/{member}"
    name = str(letter.body["run"])
    run = ledger.runs.get(name)
    replayed = run is not None and is_replayed(ledger, name, run.value)
    return replace(
        letter,
        kind="member",
        state="replayed" if replayed else "dead",
        trigger=trigger,
        subject=kept["uri"],
        attempts=kept["carries"] + 1,
        claim=claim,
        run=name,
        event=_event(ledger, claim),
    )


def _event(ledger: Ledger, claim: str | None) -> Mapping[str, Json] | None:
    stored = ledger.claims.get(claim) if claim is not None else None
    return stored.value.event if stored else None


def is_replayed(ledger: Ledger, name: str, run: Run) -> bool:
    """Whether another run does once more what this one did, or is about to."""
    if run.claim is not None:
        claim = ledger.claims.get(run.claim)
        return claim is not None and claim.value.run != name
    return ledger.runs.get(keys.successor(name)) is not None
