"""Windows: open, join, marker, seal, freeze. `judging` says when they are due, `carrying` what failed runs leave.

A window is numbered (`n`) under the head of its key. Joining and closing race; the order of writes decides, never time:
claim, member, head for those who join (R2); grant, seal, freeze for those who close.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from retrigger.handlers.ledger import Ledger, Stored, to_ms
from retrigger.handlers.records import MAX_CARRIES, Cause, Claim, Head, Manifest, Run
from retrigger.triggers import keys
from retrigger.triggers.errors import Unavailable
from retrigger.triggers.frozen import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from retrigger.handlers.ports import Entry
    from retrigger.triggers.spec import Trigger, WindowRule

_SEEN_AT_MOST = 10_000
_LISTS_AT_MOST = 100
"""Markers that list the members of one window; what is over adds nothing."""


@dataclass(frozen=True, slots=True)
class WindowId:
    """`<head>.<nonce>.<n>`: names a window for ever; the nonce tells ledgers apart, n never goes back."""

    head: str
    nonce: str
    n: int

    @classmethod
    def parse(cls, text: str) -> WindowId:
        head, nonce, n = text.split(".")
        return cls(head, nonce, int(n))

    def __str__(self) -> str:
        return f"{self.head}.{self.nonce}.{self.n}"

    def numbered(self, n: int) -> WindowId:
        return replace(self, n=n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Where a member went. `changed`: by this delivery; `opened`: it is the first; `marked`: what completes it came."""

    window: str
    changed: bool
    opened: bool = False
    marked: bool = False


class Windows:
    """The protocol of windows over one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._seen: dict[str, WindowId] = {}  # the window that was open when this process last looked: may be stale

    # joining

    def open(self, trigger: Trigger, key: str, captures: Mapping[str, str]) -> WindowId:
        """The window of this key that is open, as far as this process knows: whoever joins finds out (R2)."""
        name = keys.digest(trigger.name, key)
        if name not in self._seen:
            if len(self._seen) >= _SEEN_AT_MOST:
                self._seen.clear()
            first = Head(trigger=trigger.name, key=key, captures=dict(captures), nonce=self.ledger.nonce())
            head = self.ledger.heads.create(name, first) or self.head(name)
            self._seen[name] = WindowId(name, head.value.nonce, head.value.n)
        return self._seen[name]

    def head(self, name: str) -> Stored[Head]:
        head = self.ledger.heads.get(name)
        if head is None:  # heads are never deleted: this store is not the one that the claim was written to
            raise Unavailable(f"the ledger lost the head of window {name}", code="ledger_inconsistent")
        return head

    def join(
        self, name: str, claim: Stored[Claim], member: Mapping[str, Any], rule: WindowRule, *, written: bool = False
    ) -> Joined:
        """Make the claim's object a member of a window that is still open.

        Ends with the member and its window's note written, or in a manifest already: safe to acknowledge.
        `written`: the claim is new, and the member was written with it.
        """
        changed = written
        while True:
            assert claim.value.window is not None
            window = WindowId.parse(claim.value.window)
            if window.n < self._seen.get(window.head, window).n and flat(name) in self.manifest(window).own:
                return Joined(window=str(window), changed=changed)  # it ran long ago: its members may be swept
            if not written:
                changed = self.ledger.records.create(member_key(window, name), member) is not None or changed
            written = False
            head = self.head(window.head)
            if head.value.n == window.n:
                if head.value.live == window.n:
                    return Joined(window=str(window), changed=changed, marked=self._complete(window, head, rule))
                self._note(window, head.value.trigger, first_look(rule, self.ledger.now_ms()))
                opened = self.ledger.heads.swap(head, replace(head.value, live=window.n))
                if opened is not None:
                    marked = self._complete(window, opened, rule)
                    return Joined(window=str(window), changed=True, opened=True, marked=marked)
                continue
            if flat(name) in self.manifest(window).own:
                return Joined(window=str(window), changed=changed)
            claim = self._move(name, claim, window, head.value)

    def _complete(self, window: WindowId, head: Stored[Head], rule: WindowRule) -> bool:
        """Whether the marker has come, or as many members as are waited for; whoever finds them says so on the head.

        Each joiner counts after its own member is written: of several at once the last one sees them all.
        """
        if head.value.marked or rule.until_count is None:
            return head.value.marked
        if self.count(window, rule.until_count) < rule.until_count:
            return False
        while head.value.n == window.n and not head.value.marked:
            now = self.ledger.now_ms()
            self._note(window, head.value.trigger, now)
            swapped = self.ledger.heads.swap(head, replace(head.value, until={"n": window.n, "at_ms": now}))
            head = swapped or self.head(window.head)
        return head.value.n == window.n

    def count(self, window: WindowId, most: int) -> int:
        """How many members of its own the window has; `most` are enough."""
        listed = self.ledger.records.list(f"m/{window}/", most)  # they come before references
        return sum(1 for entry in listed if is_own(entry))

    def mark(self, name: str, claim: Stored[Claim], place: Mapping[str, str] | None = None) -> tuple[str, bool]:
        """Let a marker take effect: exactly one window gets `until`. -> (window id, did this change anything).

        `place`: of a marker that lists the members. Each of these counts: a window waits for all that they list.
        The claim is one that was read: its time is when the marker came.
        """
        while True:
            assert claim.value.window is not None
            window = WindowId.parse(claim.value.window)
            head = self.head(window.head)
            if head.value.n == window.n:
                at_ms = to_ms(claim.time)
                marks = head.value.marks
                if head.value.marked and (place is None or flat(name) in marks or len(marks) >= _LISTS_AT_MOST):
                    return str(window), False
                self._note(window, head.value.trigger, self.ledger.now_ms())
                until = head.value.until if head.value.until and head.value.marked else {"n": window.n, "at_ms": at_ms}
                if place is not None:
                    listed = {"claim": flat(name), "at_ms": at_ms, **place}
                    until = {**until, "lists": [*head.value.lists, listed]}
                marked = replace(head.value, live=window.n, until=until)
                if self.ledger.heads.swap(head, marked) is not None:
                    return str(window), True
                continue
            manifest = self.manifest(window)
            if manifest.until and (place is None or flat(name) in manifest.marks):
                return str(window), False  # that window had its marker: absorbed
            claim = self._move(name, claim, window, head.value)

    def _move(self, name: str, claim: Stored[Claim], window: WindowId, head: Head) -> Stored[Claim]:
        self._seen[window.head] = window.numbered(head.n)
        self.ledger.claims.swap(claim, replace(claim.value, window=str(window.numbered(head.n))))
        current = self.ledger.claims.get(name)
        assert current is not None  # claims are never deleted while they may be moved
        return current

    # closing

    def seal(
        self,
        window: WindowId,
        head: Stored[Head],
        cause: Cause,
        *,
        max_members: int = 1,
        in_order: bool = False,
        lists: int | None = None,
        cut_ms: int | None = None,
    ) -> Stored[Head] | None:
        """Close window n with one swap of the very head that was judged; None: it changed, judge again.

        `lists`: of a window that was granted, how many markers' lists were judged. Those that came after that mark the
        next window: what they list may still be on its way.
        """
        if window.n > 1:
            self.manifest(window.numbered(window.n - 1))  # `prev` has one place
        prev = {
            "n": window.n,
            "cause": cause,
            "until": head.value.marked,
            "marks": head.value.marks[:lists],
            "cut_ms": cut_ms,
            "max_members": max_members,
            "in_order": in_order,
        }
        after = replace(head.value, n=window.n + 1, live=0, prev=prev)
        left = head.value.lists[lists:] if lists is not None else []
        if left:
            self._note(window.numbered(after.n), after.trigger, self.ledger.now_ms())
            after = replace(after, live=after.n, until={"n": after.n, "at_ms": left[0]["at_ms"], "lists": left})
        return self.ledger.heads.swap(head, after)

    def manifest(self, window: WindowId) -> Manifest:
        """The frozen manifest of a sealed window; helps to freeze it. The cause is the sealer's, never the helper's."""
        stored = self.ledger.manifests.get(str(window))
        if stored is not None:
            return stored.value
        head = self.head(window.head)
        if head.value.prev is not None and head.value.prev["n"] == window.n:
            self.ledger.manifests.create(str(window), self._freeze(window, head.value))
        stored = self.ledger.manifests.get(str(window))
        if stored is None:
            raise Unavailable(f"window {window} is not sealed", code="ledger_inconsistent")
        return stored.value

    def _freeze(self, window: WindowId, head: Head) -> Manifest:
        assert head.prev is not None
        cause: Cause = head.prev["cause"]
        own: list[str] = []
        refs: list[str] = []
        entries: dict[str, dict[str, Any]] = {}
        times: list[int] = []
        spoiled = False
        members = {it.key: it for it in self.ledger.records.list(f"m/{window}/")} if cause != "empty" else {}
        # What is gone was removed after another helper's freeze: ours will not be the one that counts.
        for record in self.ledger.records.get_many(members):
            entry = members[record.key]
            if is_own(entry):
                if cause == "expired":
                    continue  # an ordinary member that raced the expiry moves on
                own.append(claim_of(entry))
                spoiled = spoiled or bool(record.body["bad"])
                entries[own[-1]] = {**record.body, "carries": 0, "at_ms": ms_of(entry)}
                times.append(ms_of(entry))
            elif cause != "expired" or ms_of(entry) <= head.prev["cut_ms"]:
                refs.append(str(record.body["run"]))
                entries |= self._carried(refs[-1])
        return Manifest(
            state=_state(cause, spoiled=spoiled, empty=not entries),
            trigger=head.trigger,
            captures=head.captures,
            cause=cause,
            until=head.prev["until"],
            marks=head.prev.get("marks", []),
            own=own,
            refs=refs,
            entries=newest_versions(entries),
            first_ms=min(times, default=0),
            last_ms=max(times, default=0),
            max_members=head.prev["max_members"],
            in_order=head.prev.get("in_order", False),
        )

    def arrivals(self, window: WindowId) -> list[int]:
        """When the window's own members came, in ms."""
        return [ms_of(entry) for entry in self.ledger.records.list(f"m/{window}/") if is_own(entry)]

    def manifest_of(self, run: Run) -> Manifest:
        """The frozen manifest of the window that the run is of."""
        assert run.window is not None
        return self.manifest(WindowId.parse(run.window))

    def members_of(self, run: Run) -> dict[str, dict[str, Any]]:
        """Member -> object of a window's run."""
        return self.manifest_of(run).of(run)

    def _carried(self, name: str) -> dict[str, dict[str, Any]]:
        run = self.ledger.runs.get(name)
        assert run is not None  # a reference is written by the run's own carry
        members = self.members_of(run.value)
        if run.value.replaced:
            return members  # nothing failed
        return {
            member: {**entry, "carries": entry["carries"] + 1}
            for member, entry in members.items()
            if entry["carries"] < MAX_CARRIES
        }

    def _note(self, window: WindowId, trigger: str, at_ms: int) -> None:
        self.ledger.note("window", str(window), trigger, at_ms)

    def sweep(self, window: WindowId) -> None:
        """Remove the members of a window that was frozen long ago: its manifest is the truth, its keys never return."""
        self.ledger.records.delete([entry.key for entry in self.ledger.records.list(f"m/{window}/")])


def newest_versions(entries: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Of several versions of one object only the newest runs."""
    versions: dict[str, list[str]] = {}
    for member, entry in entries.items():
        versions.setdefault(entry["uri"], []).append(member)
    return {member: entries[member] for members in versions.values() for member in [_newest(members, entries)]}


def first_look(rule: WindowRule, now_ms: int) -> int:
    """When the tick should first look at a window that opens now, in ms."""
    if rule.until is not None or rule.until_count is not None:
        return now_ms + millis(rule.max_wait)
    return now_ms + min(millis(rule.quiet), millis(rule.max_wait))


def _newest(members: list[str], entries: Mapping[str, Mapping[str, Any]]) -> str:
    """By what all of them have: of an object that a message named no sequencer is known, but its eTag is."""
    by = "sequencer" if all(entries[member]["sequencer"] for member in members) else "version"
    return max(members, key=lambda member: _age(entries[member][by]))


def _age(text: str) -> list[tuple[int, str]]:
    """Orders the versions of one object: numbers, decimal or hexadecimal, of any length and case, joined by dots."""
    return [(len(number), number) for number in (part.lstrip("0") for part in text.lower().split("."))]


def _state(cause: Cause, *, spoiled: bool, empty: bool) -> Literal["frozen", "rejected", "skipped", "empty", "dead"]:
    if cause == "expired":
        return "dead"
    if cause == "reject" or spoiled:
        return "rejected"
    if empty:
        return "empty"
    return "skipped" if cause == "busy" else "frozen"


def is_own(entry: Entry) -> bool:
    """Whether a listed member is an object's own, and not a reference to a failed run."""
    return entry.key.rsplit("/", 1)[1].startswith("e.")


def claim_of(entry: Entry) -> str:
    """The flat name of the claim whose member is listed."""
    return entry.key.rsplit("/", 1)[1].removeprefix("e.")


def member_key(window: WindowId | str, claim_name: str) -> str:
    """Where the record of a member is, of its own window."""
    return f"m/{window}/e.{flat(claim_name)}"


def flat(claim_name: str) -> str:
    """A claim's name without its shard: how manifests and members call it."""
    return claim_name.rsplit("/", 1)[1]


def ms_of(entry: Entry) -> int:
    return to_ms(entry.time)


def millis(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)
