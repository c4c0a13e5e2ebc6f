"""What each record of the ledger holds, and the states that it goes through. `docs/ledger.md` draws the transitions."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Final, Literal

from retrigger.triggers import keys
from retrigger.triggers.archive import kept
from retrigger.triggers.frozen import dataclass, replace

if TYPE_CHECKING:
    from retrigger.triggers.spec import Archive

FORMAT: Final = 1
"""Of the records below. A higher one says that an older version must not touch them."""
MAX_CARRIES: Final = 3
MAX_DEPTH: Final = 8
"""Runs in a chain after its first: beyond, what would follow is a dead letter."""
MAX_TRIES: Final = 5
ALL_TRIGGERS: Final = "_all"
"""The name of the pause that holds every trigger, also those that are deployed later: no trigger can be called so."""

ClaimState = Literal["gate", "open", "member", "marker", "joined", "run", "skipped", "rejected", "dead"]
Cause = Literal["quiet", "count", "marker", "settle", "idle", "max_wait", "reject", "empty", "expired", "busy"]
RolloutPhase = Literal[
    "prepare",
    "deploy",
    "smoke",
    "mirror",
    "mirrored",
    "approve",
    "shift",
    "bake",
    "settle",
    "retire",
    "restore",
    "hold",
    "remove",
    "ended",
]
NoteKind = Literal["window", "run", "carry", "claim", "schedule", "outcome", "reopen", "replay", "rerun"]
RunState = Literal["ready", "sending", "unsure", "wait", "launched", "cancelling", "carrying", "ended"]
RunOutcome = Literal["succeeded", "failed", "cancelled", "lost", "rejected", "empty", "dead", "observed", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What every record can hold: fields that a newer version of retrigger wrote, kept as they came."""

    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(Body):
    """`c/`: one per (trigger, identity). `event` is canonical JSON; `job` is set for what launches directly.

    `open`: the gate has not decided on an object, or a run has not begun; `gate`: validators are still to judge an
    event that launches directly. `joins` is set for a message that names objects: those that are left to join, and what
    became of the others. `replays`: what it said before each replay, oldest first; their number is its epoch.
    `own_gate`: of what launches directly, the trigger's gate that its run passes; None: an older version claimed it.
    `archive`, `redact`: what is to be left of the event once it is settled; `content`: hashes of what is left out then.
    `parent`: the run whose end the event is; `depth`: how many runs of a chain went before. `shadow`: it does what
    another environment did, and the end of its run is no event here.
    """

    state: ClaimState
    trigger: str
    event: dict[str, Any]
    window: str | None = None
    run: str | None = None
    job: dict[str, Any] | None = None
    joins: dict[str, Any] | None = None
    rows: int | None = None
    tries: int = 0
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    replays: list[dict[str, Any]] = field(default_factory=list)
    own_gate: str | None = None
    archive: Archive = "full"
    redact: list[str] = field(default_factory=list)
    content: dict[str, Any] | None = None
    parent: str | None = None
    depth: int = 0
    shadow: bool = False

    def archived(self) -> Claim:
        """With no more of its event than its trigger wants kept: of a claim that nobody decides on again."""
        if self.archive == "full" and not self.redact:
            return self
        left = kept(self.event, self.archive, self.redact)
        if left == self.event:
            return self
        return replace(self, event=left, content=keys.hashed(keys.content(self.event)))

    def settled(self) -> Claim:
        """As it is written: whoever goes on with it from here needs its event no more, or brings it along."""
        return self if self.state in {"gate", "open"} else self.archived()


@dataclass(frozen=True, slots=True, kw_only=True)
class Head(Body):
    """`w/`: the open window of a key. `live == n` says that window n has its note; `prev` is the last one sealed.

    `until`: which window is marked, and since when; of markers that list the members also where they lie.
    """

    trigger: str
    key: str
    captures: dict[str, str]
    nonce: str
    n: int = 1
    live: int = 0
    until: dict[str, Any] | None = None
    prev: dict[str, Any] | None = None

    @property
    def marked(self) -> bool:
        return self.until is not None and self.until["n"] == self.n

    @property
    def lists(self) -> list[dict[str, Any]]:
        """The markers of this window that list its members: {claim, at_ms, bucket, name, version}."""
        return self.until.get("lists", []) if self.until is not None and self.marked else []

    @property
    def marks(self) -> list[str]:
        """The claims of those markers."""
        return [listed["claim"] for listed in self.lists]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(Body):
    """`f/`: create-only. `own`: claims that were members here. `entries`: member -> object, what its run gets.

    `in_order`: the runs follow the arrival of their members. `marks`: claims of the markers that listed them.
    """

    state: Literal["frozen", "rejected", "skipped", "empty", "dead"]
    trigger: str
    captures: dict[str, str]
    cause: Cause
    until: bool
    own: list[str]
    refs: list[str]
    entries: dict[str, dict[str, Any]]
    first_ms: int = 0
    last_ms: int = 0
    max_members: int = 1
    in_order: bool = False
    marks: list[str] = field(default_factory=list)

    def chunks(self) -> list[list[str]]:
        """Members of each run, in a fixed order; one empty chunk where nothing may run."""
        return self.parts() if self.state == "frozen" else [[]]

    def parts(self) -> list[list[str]]:
        """The same whatever became of the window: what an operator may launch of it."""
        members = sorted(self.entries, key=self._arrival if self.in_order else None)
        return [members[at : at + self.max_members] for at in range(0, len(members), self.max_members)] or [[]]

    def of(self, run: Run) -> dict[str, dict[str, Any]]:
        """Member -> object of one of its runs."""
        names = (self.chunks() if run.replay_of is None else self.parts())[run.chunk]
        return {
            name: self.entries[name] for name in names if not run.rest or self.entries[name]["carries"] >= MAX_CARRIES
        }

    def arrivals(self, chunk: int) -> list[int]:
        """When the members of a chunk came, in ms, the first of them first."""
        return sorted(self._arrival(member)[0] for member in self.chunks()[chunk])

    def _arrival(self, member: str) -> tuple[int, str]:
        entry = self.entries[member]
        return entry.get("at_ms", 0), entry["name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate(Body):
    """`g/`: who holds a slot, and why: run -> cause. A successor that finds a grant does not judge again.

    `waits`: the line before the gate, where there is one: run -> since when in ms.
    """

    holds: dict[str, str] = field(default_factory=dict)
    waits: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants(Body):
    """`t/`: launches under a throttle, as [run, store time in ms], pruned as they leave the period."""

    grants: list[list[Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Body):
    """`r/`: one run and its state. `job` is the frozen request; `gates` are the slots that it holds.

    `since_ms`: when the newest of what it answers came. `replaced`: it was stopped for something newer.
    `tags`: what its job has tagged itself with; `models`: those that it registered, resource -> version.
    `told`: its end has left through the outbox. `chained`: what the triggers said that listen to its end, as
    {trigger, result, verdicts}; None: they were not told, or there are none.
    `replay_of`: the run that this one does once more; `rest`: without what was carried over from there.
    """

    state: RunState
    trigger: str
    job: dict[str, Any] | None = None
    window: str | None = None
    chunk: int = 0
    claim: str | None = None
    gates: list[str] = field(default_factory=list)
    epoch: int = 0
    retry: int = 0
    then: Literal["carry_over", "dead"] = "dead"
    tries: int = 0
    not_before_ms: int = 0
    carried: int | None = None
    replaced: bool = False
    replay_of: str | None = None
    rest: bool = False
    outcome: RunOutcome | None = None
    error: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    tasks: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    since_ms: int = 0
    created_ms: int = 0
    launched_ms: int = 0
    ended_ms: int = 0
    told: bool = False
    chained: list[dict[str, Any]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout(Body):
    """`o/`: one rollout, under its job's id: how far it is, and what its endpoint is to be. Advanced by ticks.

    `step`: the place in `steps` of what is under way. `before`: the split that was found; `split`: the one that is
    wanted; `past`: those that were wanted before, or that an operator has accepted. `since_ms`: when the phase began.
    `want` is what operators swap. `accept`: an operator has looked at the endpoint: what is there is no surprise.
    `until_ms`: when the time for consent ends; `approved_ms`: when it was given, 0 if it was not. `probes`: of this
    step, as [status, latency in ms]. `tested`: the smoke test was passed. `reason`: why it is paused, or goes back;
    `outcome`: how it ends, or ended.
    """

    phase: RolloutPhase
    trigger: str
    fingerprint: str
    endpoint: str
    deployment: str
    model: str
    version: str
    steps: list[int]
    step: int = 0
    before: dict[str, int] = field(default_factory=dict)
    split: dict[str, int] = field(default_factory=dict)
    past: list[dict[str, int]] = field(default_factory=list)
    since_ms: int = 0
    want: Literal["go", "pause", "rollback"] = "go"
    accept: bool = False
    until_ms: int = 0
    approved_ms: int = 0
    by: str = ""
    probes: list[list[int]] = field(default_factory=list)
    tested: bool = False
    reason: str | None = None
    outcome: Literal["succeeded", "failed", "cancelled"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor(Body):
    """`s/`: up to where a schedule has been looked at (ms), and the times found due but not yet claimed."""

    at_ms: int
    pending_ms: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(Body):
    """`p/`: swapped, never deleted. `at_ms`: when it was paused, or resumed: a window's clocks run from then on."""

    paused: bool
    at_ms: int
    reason: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """`due/`: work that a tick must not forget. `first_ms`: since when it waits."""

    key: str
    at_ms: int
    kind: NoteKind
    id: str
    trigger: str
    first_ms: int
