"""What it costs to find the triggers of one event, as their number grows; beside it the loop over all of them."""

from __future__ import annotations

import json
import random
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from retrigger.triggers import glob
from retrigger.triggers.event import Object
from retrigger.triggers.launches import PipelineLaunch
from retrigger.triggers.match import Index
from retrigger.triggers.spec import ObjectSource, Trigger
from tests.benchmarks.measure import in_turns, progress
from tests.benchmarks.report import Benchmark, Report, Target
from tests.benchmarks.scenes import ENVIRONMENT, dropped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from retrigger.triggers.event import Event

_SHAPES: Final[Mapping[str, str]] = {
    "one bucket": "team/{name}/dt=*/*.csv",
    "leading **": "**/{name}/*.csv",
    "suffix only": "*-{name}.csv",
}
_EVENTS: Final = 200
_ROUNDS: Final = 7
_NAIVE_EVENTS: Final = 5


def run(sizes: Sequence[int]) -> Report:
    """`sizes`: numbers of triggers, all on one bucket. Half of the events meet a trigger, half miss by a letter."""
    indexed: dict[tuple[str, int], Callable[[], float]] = {}
    naive: dict[tuple[str, int], Callable[[], float]] = {}
    for shape, pattern in _SHAPES.items():
        for size in sizes:
            progress(f"matching: {size:,} triggers, {shape}")
            globs = [pattern.format(name=_name(number)) for number in range(size)]
            events = _events(globs)
            index = _index(globs)
            found = [[match.trigger for match in index.match(event)] for event in events]  # each glob is parsed once
            assert [len(names) for names in found] == [1, 0] * (len(events) // 2)
            indexed[shape, size] = partial(_time_index, index, events)
            naive[shape, size] = partial(_time_naive, [glob.parse(text) for text in globs], events[:_NAIVE_EVENTS])
    progress(f"matching: {_ROUNDS} rounds")
    us, naive_us = in_turns(indexed, _ROUNDS), in_turns(naive, 1)
    return _report(sizes, us, naive_us)


def _name(number: int) -> str:
    """Names of six to ten letters whatever the size: an index by length must not look better for a few."""
    return str(number).zfill(6 + number % 5)


def _index(globs: Sequence[str]) -> Index:
    """As a function has it: written, read, loaded."""
    triggers = [
        Trigger(
            name=f"t{number}", sources=(ObjectSource(store="landing", match=text),), launch=PipelineLaunch(pipeline="p")
        )
        for number, text in enumerate(globs)
    ]
    return Index.from_json(json.loads(json.dumps(Index.build(triggers, ENVIRONMENT).to_json())))


def _events(globs: Sequence[str]) -> list[Event]:
    draw = random.Random(1)
    names = [draw.choice(globs).replace("**", "a/b").replace("*", "part-00001") for _ in range(_EVENTS // 2)]
    return [dropped(name) for met in names for name in (met, met[:-1])]


def _time_index(index: Index, events: Sequence[Event]) -> float:
    began = time.perf_counter()
    for event in events:
        index.match(event)
    return (time.perf_counter() - began) / len(events) * 1e6


def _time_naive(globs: Sequence[glob.Glob], events: Sequence[Event]) -> float:
    began = time.perf_counter()
    for event in events:
        assert isinstance(event.payload, Object)
        for each in globs:
            each.match(event.payload.name)
    return (time.perf_counter() - began) / len(events) * 1e6


def _report(
    sizes: Sequence[int], us: Mapping[tuple[str, int], float], naive_us: Mapping[tuple[str, int], float]
) -> Report:
    slowest = {size: max(us[shape, size] for shape in _SHAPES) for size in sizes}
    low, high = sizes[0], max((size for size in sizes if size <= 10_000), default=sizes[-1])
    growth = max(us[shape, high] / us[shape, low] for shape in _SHAPES)
    return Report(
        columns=("globs", "triggers", "us per event", "naive loop, us"),
        rows=[(shape, size, us[shape, size], naive_us[shape, size]) for shape in _SHAPES for size in sizes],
        data={
            "us_per_event": {str(size): value for size, value in slowest.items()},
            "shapes": {
                shape: {str(size): {"us": us[shape, size], "naive_us": naive_us[shape, size]} for size in sizes}
                for shape in _SHAPES
            },
            "growth": growth,
        },
        targets=[Target(f"growth from {low:,} to {high:,} triggers, the worst glob", growth, 2)],
        notes=[
            f"medians of {_ROUNDS} rounds that take turns, {_EVENTS} events each, half of them meet a trigger;",
            "us_per_event in JSON is the slowest glob's; the naive loop tries every parsed glob",
        ],
    )


MATCHING: Final = Benchmark(
    line="the triggers of one event", unit="triggers", sizes=(10, 1_000, 10_000), smallest=(2, 10), run=run
)
