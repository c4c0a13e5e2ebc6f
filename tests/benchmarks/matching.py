"""What it costs to find the triggers of one event, as their number grows; beside it the loop over all of them."""

from __future__ import annotations

import json
import random
import re
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
    "one prefix": "exports/customers-{name}-*",
    "part of a segment": "**/*_{name}_*.csv",
    "long common text": f"{'common/' * 20}{'x' * 60}-{{name}}-*.csv",
    "captures": "{{region}}/{{day}}/{{table}}-{name}-{{part}}",
}
_LONG: Final = "long names"
"""The shape `leading **` on names of 1,000 characters and 480 segments."""
_EVENTS: Final = 200
_ROUNDS: Final = 7
_NAIVE_EVENTS: Final = 5
_NAIVE_MOST: Final = 10_000
"""Beyond, the loop takes minutes."""


def run(sizes: Sequence[int]) -> Report:
    """`sizes`: numbers of triggers, all on one bucket. Half of the events meet a trigger, half miss by a letter."""
    indexed: dict[tuple[str, int], Callable[[], float]] = {}
    naive: dict[tuple[str, int], Callable[[], float]] = {}
    for shape, pattern in {**_SHAPES, _LONG: "**/{name}/*.csv"}.items():
        for size in sizes:
            progress(f"matching: {size:,} triggers, {shape}")
            globs = [pattern.format(name=_name(number)) for number in range(size)]
            events = _events(globs, deep="a/" * 480 if shape == _LONG else "a/b/")
            index = _index(globs)
            found = [[match.trigger for match in index.match(event)] for event in events]  # each glob is parsed once
            assert [len(names) for names in found] == [1, 0] * (len(events) // 2)
            indexed[shape, size] = partial(_time_index, index, events)
            if size <= _NAIVE_MOST:
                naive[shape, size] = partial(_time_naive, [glob.parse(text) for text in globs], events[:_NAIVE_EVENTS])
    progress(f"matching: {_ROUNDS} rounds")
    us, naive_us = in_turns(indexed, _ROUNDS), in_turns(naive, 1)
    return _report(sizes, us, naive_us, {size: _worst(size) for size in sizes})


def _worst(size: int) -> tuple[int, float]:
    """A name made of what globs are filed under: how many are tried for it, and in how many us, when none fits."""
    texts = [_name(number) for number in range(size)]
    index = _index([f"**/{text}/*/*/*.csv" for text in texts])
    name = "/".join(texts)[:1000].rpartition("/")[0]
    event = dropped(f"{name}/x.txt")
    assert index.match(event) == []
    return name.count("/") + 1, _time_index(index, [event] * _NAIVE_EVENTS)


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


def _events(globs: Sequence[str], deep: str) -> list[Event]:
    """`deep` stands for `**/`. What misses has a number that no trigger has."""
    draw = random.Random(1)
    drawn = [draw.choice(globs).replace("**/", deep) for _ in range(_EVENTS // 2)]
    met = [re.sub(r"\*|{\w+}", "part", text) for text in drawn]
    return [dropped(name) for text in met for name in (text, re.sub("[0-9]{6,}", "x\\g<0>", text))]


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
    sizes: Sequence[int],
    us: Mapping[tuple[str, int], float],
    naive_us: Mapping[tuple[str, int], float],
    worst: Mapping[int, tuple[int, float]],
) -> Report:
    shapes = [*_SHAPES, _LONG]
    slowest = {size: max(us[shape, size] for shape in _SHAPES) for size in sizes}
    low, high = sizes[0], max((size for size in sizes if size <= 10_000), default=sizes[-1])
    growth = max(us[shape, high] / us[shape, low] for shape in shapes)
    return Report(
        columns=("globs", "triggers", "us per event", "naive loop, us"),
        rows=[
            *((shape, size, us[shape, size], naive_us.get((shape, size), "")) for shape in shapes for size in sizes),
            *((f"hostile name: {tried} tried", size, taken, "") for size, (tried, taken) in worst.items()),
        ],
        data={
            "us_per_event": {str(size): value for size, value in slowest.items()},
            "shapes": {
                shape: {str(size): {"us": us[shape, size], "naive_us": naive_us.get((shape, size))} for size in sizes}
                for shape in shapes
            },
            "growth": growth,
            "hostile": {str(size): {"tried": tried, "us": taken} for size, (tried, taken) in worst.items()},
        },
        targets=[
            Target(f"growth from {low:,} to {high:,} triggers, the worst shape", growth, 2),
            Target(f"us per event at {high:,} triggers, the worst shape of ordinary names", slowest[high], 5),
        ],
        notes=[
            f"medians of {_ROUNDS} rounds that take turns, {_EVENTS} events each, half of them meet a trigger;",
            "us_per_event in JSON is the slowest shape's but for the long names, of 1,000 characters and 480 segments;",
            "the naive loop tries every parsed glob; a hostile name is made of segments that globs are filed under",
        ],
    )


MATCHING: Final = Benchmark(
    line="the triggers of one event", unit="triggers", sizes=(10, 1_000, 10_000, 100_000), smallest=(2, 10), run=run
)
