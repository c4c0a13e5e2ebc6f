from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
import pytest

from retrigger.cli.watch import Watch
from retrigger.handlers.adapters.memory import MemoryRecords
from retrigger.handlers.ledger import Ledger, to_ms
from retrigger.handlers.records import Run
from retrigger.local_emulator.backlog import Attempt

if TYPE_CHECKING:
    from retrigger.triggers.event import Json

NOW = datetime(2026, 11, 20, 10, 0, 1, tzinfo=UTC)


def attempt(number: int, *, status: int = 200, answer: Json = None, subscription: str = "objects") -> Attempt:
    headers = {
        "ce-source": "//storage.googleapis.com/projects/_/buckets/landing",
        "ce-subject": "objects/a%20b\x1b.csv",
    }
    error = None if status else "refused"
    return Attempt(number, subscription, headers, 1, NOW, status, answer, error)


def decided(result: str, *reasons: str) -> Any:
    verdicts = [{"stage": "gate", "says": "stop", "code": "c", "reason": reason} for reason in reasons]
    return {"outcomes": [{"trigger": "churn", "result": result, "verdicts": verdicts}]}


class Told:
    """A watch, and what it watches."""

    def __init__(self, *earlier: Attempt) -> None:
        self.attempts = list(earlier)
        self.ledger = Ledger(MemoryRecords(lambda: NOW), "local")
        self.watch = Watch(lambda limit: self.attempts[-limit:], self.ledger)

    def news(self, *attempts: Attempt) -> list[str]:
        self.attempts += attempts
        return [click.unstyle(line) for line in self.watch.news()]


SUBJECT = "10:00:01  gs://landing/a b\\x1b.csv"


@pytest.mark.parametrize(
    ("seen", "lines"),
    [
        (attempt(2, answer=decided("launched")), [f"{SUBJECT}  churn: launched"]),
        (attempt(2, answer=decided("rejected", "no header")), [f"{SUBJECT}  churn: rejected: no header"]),
        (attempt(2, status=0), [f"{SUBJECT}  retry: refused"]),
        (attempt(2, status=503), [f"{SUBJECT}  retry: the function answered 503"]),
        (
            attempt(2, answer={"outcomes": [{"error": {"code": "bad_time", "message": "no time"}}]}),
            [f"{SUBJECT}  dead: bad_time: no time"],
        ),
        (attempt(2, answer=["somebody else's"]), []),
        (attempt(2, answer=None), [f"{SUBJECT}  delivered"]),
        (attempt(2, subscription="tick"), []),
    ],
)
def test_each_delivery_is_told_once(seen: Attempt, lines: list[str]) -> None:
    told = Told(attempt(1, answer=decided("ignored")))
    assert told.news(seen) == lines
    assert told.news() == []


def test_a_burst_is_told_as_counts() -> None:
    told = Told(attempt(0))
    burst = [attempt(number, answer=decided("deferred")) for number in range(1, 1001)]
    assert told.news(*burst, attempt(1001, answer=decided("launched"))) == [
        "10:00:01  1,001 deliveries  churn: deferred  (1,000 times)",
        "10:00:01  1,001 deliveries  churn: launched  (1 time)",
    ]
    assert told.news() == []


def test_runs_are_told_when_they_change() -> None:
    told = Told()
    ready = Run(state="ready", trigger="churn", created_ms=1)
    told.ledger.runs.create("r1", ready)
    assert told.news() == []
    job = {
        "display_name": "d", "pipeline": "p", "template": "t", "root": "r", "service_account": None, "caching": None,
        "parameters": {}, "labels": {}, "fingerprint": "f",
    }  # fmt: skip
    told.ledger.runs.create("r2", Run(state="launched", trigger="churn", job=job, launched_ms=to_ms(NOW)))
    assert told.news() == ["10:00:01  run r2  running"]
    told.ledger.runs.update(
        "r2",
        lambda _: Run(
            state="ended", outcome="succeeded", trigger="churn", job=job, metrics={"auc": 0.9}, ended_ms=to_ms(NOW)
        ),
    )
    assert told.news() == ["10:00:01  run r2  succeeded  auc=0.9"]
    assert told.news() == []
