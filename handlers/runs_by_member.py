"""Which run has an event that waited in a window: the way back from a member."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrigger.handlers.ledger import Ledger, Stored
    from retrigger.handlers.records import Claim


class RunsByMember:
    """The latest run that has a member: a failed run's members are carried into a later one. Read once, asked often."""

    def __init__(self, ledger: Ledger) -> None:
        self._members: dict[str, str] = {}
        self._windows: dict[str, str] = {}
        for run in sorted(ledger.runs.list(), key=lambda run: run.value.created_ms):
            if run.value.window is None:
                continue
            name = ledger.runs.name(run)
            self._windows[run.value.window] = name
            manifest = ledger.manifests.get(run.value.window)
            if manifest is not None:
                members = manifest.value.of(run.value) or manifest.value.entries
                self._members.update(dict.fromkeys(members, name))

    def of(self, claim: Stored[Claim]) -> str | None:
        if claim.value.state == "marker":
            return self._windows.get(claim.value.window or "")
        if claim.value.state == "joined" and claim.value.joins is not None:
            filled = claim.value.joins["windows"]  # it may be several: the first that has run
            return next((self._windows[it] for it in filled if it in self._windows), None)
        return self._members.get(claim.record.key.rsplit("/", 1)[1])
