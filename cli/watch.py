"""The live log of `up`: what was delivered and decided, and how runs go, since one last looked."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from retrigger.cli.render import count, dim, metrics_line, paint, time_of, visible
from retrigger.handlers.journal import Journal
from retrigger.local_emulator.scheduler import TICKS
from retrigger.triggers.event import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from retrigger.handlers.journal import RunView
    from retrigger.handlers.ledger import Ledger
    from retrigger.local_emulator.backlog import Attempt

_USUAL: Final = 200
_MOST: Final = 20_000
_SINGLY: Final = 20


class Watch:
    """Remembers what it has told. A burst is told as counts.

    `attempts(limit)` gives the latest deliveries, oldest first.
    """

    def __init__(self, attempts: Callable[[int], list[Attempt]], ledger: Ledger) -> None:
        self._attempts = attempts
        self._ledger = ledger
        self._journal = Journal(ledger)
        self._last = next(((it.delivery, it.number) for it in attempts(1)), None)
        self._versions = {entry.key: entry.version for entry in ledger.records.list("r/")}

    def news(self) -> Iterator[str]:
        """Lines for people. Raises Unavailable if the ledger cannot be read."""
        attempts = [it for it in self._new_attempts() if it.subscription != TICKS or not _fine(it)]
        if len(attempts) <= _SINGLY:
            for it in attempts:
                yield from (f"{dim(_clock(it))}  {line}" for line in _lines(it))
        else:
            counts = Counter(line for it in attempts for line in _lines(it, subject=f"{len(attempts):,} deliveries"))
            for line, times in counts.most_common(_SINGLY):
                often = f"({count(times, 'time')})"
                yield f"{dim(_clock(attempts[-1]))}  {line}  {dim(often)}"
        for run in self._changed_runs():
            yield _run_line(run)

    def _new_attempts(self) -> list[Attempt]:
        for limit in (_USUAL, _MOST):
            latest = self._attempts(limit)
            places = [(it.delivery, it.number) for it in latest]
            if self._last in places:
                latest = latest[places.index(self._last) + 1 :]
                break
            if len(latest) < limit:
                break
        if latest:
            self._last = (latest[-1].delivery, latest[-1].number)
        return latest

    def _changed_runs(self) -> Iterator[RunView]:
        for entry in self._ledger.records.list("r/"):
            if self._versions.get(entry.key) != entry.version:
                self._versions[entry.key] = entry.version
                run = self._journal.run(entry.key.removeprefix("r/"))
                if run is not None and (run.launched or run.ended):
                    yield run


def _lines(it: Attempt, subject: str | None = None) -> Iterator[str]:
    subject = subject or _subject(it)
    if not _fine(it):
        yield f"{subject}  {paint('retry')}: {visible(it.error or f'the function answered {it.status}')}"
        return
    if it.answer is None:
        yield f"{subject}  delivered"  # the host of Azure Functions tells no more; `retrigger events` does
        return
    answer = it.answer if isinstance(it.answer, dict) else {}
    outcomes: Sequence[Any] = answer.get("outcomes") or []  # type: ignore[assignment]  # our own function's answer
    for outcome in outcomes:
        yield f"{subject}  {_decided(outcome)}"


def _decided(outcome: dict[str, Any]) -> str:
    if "error" in outcome:
        return f"{paint('dead')}: {outcome['error']['code']}: {visible(outcome['error']['message'])}"
    stops = [verdict["reason"] for verdict in outcome["verdicts"] if verdict["says"] == "stop"]
    reason = f": {visible(stops[-1])}" if stops else ""
    who = f"{outcome['trigger']}: " if outcome["trigger"] else ""
    return f"{who}{paint(outcome['result'])}{reason}"


def _run_line(run: RunView) -> str:
    at = time_of(run.ended or run.launched)[11:19]
    numbers = metrics_line(run.metrics)
    tasks = ", ".join(f"{name} {state}" for name, state in run.tasks.items() if state == "running")
    rest = visible(run.error or numbers or tasks)
    return f"{dim(at)}  run {run.id}  {paint(run.state)}{'  ' + rest if rest else ''}"


def _subject(it: Attempt) -> str:
    """`gs://bucket/name` of an object, the topic of a message, the trigger of a wake-up."""
    headers = {name.lower(): value for name, value in it.headers.items()}
    source, subject = headers.get("ce-source", ""), unquote(headers.get("ce-subject", ""))
    if "/buckets/" in source:
        return visible(f"gs://{source.rpartition('/')[2]}/{subject.removeprefix('objects/')}")
    return visible(subject or source.rpartition("/")[2] or it.subscription)


def _fine(it: Attempt) -> bool:
    return 200 <= it.status < 300


def _clock(it: Attempt) -> str:
    return rfc3339(it.at)[11:19]
