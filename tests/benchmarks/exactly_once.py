"""Deliveries that come three times, to workers that are killed at any moment: nothing lost, nothing doubled."""

from __future__ import annotations

import random
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from retrigger.handlers.journal import Journal
from retrigger.handlers.ledger import Ledger
from tests.benchmarks.measure import progress
from tests.benchmarks.once.audit import audit
from tests.benchmarks.once.fleet import Fleet
from tests.benchmarks.once.platform import Platform
from tests.benchmarks.once.project import compile_for
from tests.benchmarks.once.stores import Fireproof, cloud_storage, sqlite
from tests.benchmarks.once.worker import TICK
from tests.benchmarks.report import Benchmark, Report, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from retrigger.handlers.ports import Records

_LEDGERS: Final = (("SQLite", sqlite), ("Cloud Storage", cloud_storage))
_TIMES: Final = 3
_KILLS: Final = 200
_DEADLY_AT_MOST: Final = 0.1  # more, and hardly a delivery comes through: fewer events see fewer kills
_FOR_CERTAIN: Final = 1.25
_BETWEEN_TICKS: Final = 250
_TICKS_TO_REST: Final = 400
_MINUTE: Final = timedelta(minutes=1)
_LONG: Final = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Figures:
    """What one ledger went through. `runs` and everything that is lost or doubled: as the platform saw it."""

    events: int
    deliveries: int
    kills: int
    lost_answers: int
    runs: int
    lost: int
    doubled: int
    ledger_ops_per_event: float
    elapsed_s: float


def run(sizes: Sequence[int]) -> Report:
    """`sizes`: events, each delivered three times."""
    found = {f"{size:,} events, {name}": _under_fire(size, opened) for size in sizes for name, opened in _LEDGERS}
    told: dict[str, Any] = {name: asdict(figures) for name, figures in found.items()}
    every = list(found.values())
    totals = {key: sum(row[key] for row in told.values()) for key in ("events", "deliveries", "kills", "runs", "lost")}
    totals |= {key: sum(row[key] for row in told.values()) for key in ("doubled", "elapsed_s")}
    totals["ledger_ops_per_event"] = max(it.ledger_ops_per_event for it in every)
    return Report(
        columns=("", *(name.replace("_", " ") for name in next(iter(told.values())))),
        rows=[(name, *row.values()) for name, row in told.items()],
        data={**totals, "ledgers": told},
        targets=[
            Target("events lost", totals["lost"], 0),
            Target("events doubled", totals["doubled"], 0),
            *(
                Target(f"kills among {it.deliveries:,} deliveries", it.kills, _kills(it.events), at_least=True)
                for it in every
            ),
        ],
        notes=[
            "one event in ten is a message that asks for a run of its own, the others are files that gather by day",
            "every fourth day runs as soon as a slot is free, the others when it has been quiet",
            "ledger operations: of what was acknowledged, ticks and redeliveries included, an event",
        ],
    )


def _under_fire(events: int, opened: Callable[[Path], AbstractContextManager[Fireproof]]) -> Figures:
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as ledger:
        return _fire(events, Path(folder), ledger)


def _fire(events: int, folder: Path, ledger: Fireproof) -> Figures:
    chance = random.Random(events)  # which deliveries meet which kill, not a secret
    began = time.monotonic()
    with Platform(chance) as platform:
        services = {"metadata": platform.url, **ledger.services, "vertex": platform.url}
        with Fleet(compile_for(folder, ledger.address, services), chance) as fleet:
            ahead = timedelta()
            deadly = _FOR_CERTAIN * _kills(events) / (events * _TIMES)
            for number, part in enumerate(_parts(events, chance)):
                progress(f"exactly_once: {number * _BETWEEN_TICKS:,} of {events * _TIMES:,} deliveries")
                ahead += _MINUTE
                ledger.wind(ahead)
                fleet.deliver([TICK, *part], deadly=deadly)
            deliveries = fleet.delivered
            for _ in range(_TICKS_TO_REST):
                if not any(ledger.records.list("due/", 1)):
                    break
                ahead += _LONG
                ledger.wind(ahead)
                fleet.deliver([TICK, TICK], deadly=_DEADLY_AT_MOST)
            else:
                raise RuntimeError(
                    f"work is left after {_TICKS_TO_REST} ticks: {next(iter(ledger.records.list('due/', 1)))}"
                )
            found = audit(events, platform.jobs.values(), _dead(ledger.records))
            return Figures(
                events=events,
                deliveries=deliveries,
                kills=fleet.kills,
                lost_answers=platform.lost_answers,
                runs=len(platform.jobs),
                lost=found.lost,
                doubled=found.doubled,
                ledger_ops_per_event=fleet.operations / events,
                elapsed_s=time.monotonic() - began,
            )


def _kills(events: int) -> int:
    return min(_KILLS, int(events * _TIMES * _DEADLY_AT_MOST))


def _parts(events: int, chance: random.Random) -> Iterator[list[int]]:
    deliveries = [number for number in range(events) for _ in range(_TIMES)]
    chance.shuffle(deliveries)
    for start in range(0, len(deliveries), _BETWEEN_TICKS):
        yield deliveries[start : start + _BETWEEN_TICKS]


def _dead(records: Records) -> set[str]:
    letters = Journal(Ledger(records, "fire")).dead_letters()
    members = (letter.get("member") for letter in letters)
    return {str(member["uri"]) for member in members if isinstance(member, dict)}


EXACTLY_ONCE: Final = Benchmark(
    line="delivered three times to workers that are killed", unit="events", sizes=(10_000,), smallest=(60,), run=run
)
