"""What it costs to find the triggers of one event, as their number grows; beside it the loop over all of them."""

from __future__ import annotations

import hashlib
import json
import random
import re
import statistics
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from retrigger.triggers import glob
from retrigger.triggers.environment import Channel, Store
from retrigger.triggers.event import Event, Message, Object
from retrigger.triggers.frozen import dataclass
from retrigger.triggers.launches import PipelineLaunch
from retrigger.triggers.match import Index
from retrigger.triggers.spec import MessageSource, ObjectSource, Source, Trigger
from tests.benchmarks.measure import progress, rounds_of
from tests.benchmarks.report import Benchmark, Report, Target
from tests.benchmarks.scenes import ENVIRONMENT, NOW, dropped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_EVENTS: Final = 2_000
"""So many that what 10,000 triggers make them fetch from memory is more than a core's own caches hold."""
_ROUNDS: Final = 15
_NAIVE_EVENTS: Final = 2
_MOST: Final = 10_000
"""Beyond, the loop takes minutes; shapes but for `_LARGE` are not built either."""
_LARGE: Final = ("one bucket", "leading **", "suffix only", "captures")
_BEYOND: Final = 100_000
"""Added to a trigger's number, it gives one that no trigger has."""


@dataclass(frozen=True, slots=True)
class _Case:
    """What one trigger listens to, an event that meets it alone, and one that meets none, though not by much."""

    source: Source
    met: Event
    missed: Event


_GLOBS: Final[Mapping[str, str]] = {
    "one bucket": "team/{name}/dt=*/*.csv",
    "leading **": "**/{name}/*.csv",
    "suffix only": "*-{name}.csv",
    "one prefix": "exports/customers-{name}-*",
    "part of a segment": "**/*_{name}_*.csv",
    "random letters within": "**/*{random}*.csv",
    "long common text": f"{'common/' * 20}{'x' * 60}-{{name}}-*.csv",
    "captures": "{{region}}/{{day}}/{{table}}-{name}-{{part}}",
    "capture between literals": "in/{{region}}/{name}/{{day}}/x-{{part}}.csv",
    "number without zeros": "data/team{number}/*.csv",
    "the last letter": "exports/{{day}}/customers{letter}",
    "no literal but a letter": "*{letter}*",
    "two texts, each of many": "{{region}}/x{low}/*/y{high}.csv",
    "a tree of folders": "{path}/*.csv",
    "a tree, and ** below": "{path}/**/{name}.csv",
}
_ALL: Final = "all of these at once"
_LONG: Final = "long names"
"""The shape `leading **` on names of 1,000 characters and 480 segments."""
_HARDER: Final = (_ALL, _LONG)
"""Told, but not held to what one shape of ordinary names may cost: their growth alone is."""


def _of_glob(pattern: str, number: int, deep: str = "a/b/") -> _Case:
    """`deep` stands for `**/`."""
    text, other = (pattern.format(**_texts(one)) for one in (number, number + _BEYOND))
    return _Case(ObjectSource(store="landing", match=text), dropped(_named(text, deep)), dropped(_named(other, deep)))


def _texts(number: int) -> dict[str, str]:
    """What tells triggers apart. Names have six to ten letters whatever the size: an index by length must not shine."""
    code = 0x4E00 + number
    return {
        "name": str(number).zfill(6 + number % 5),
        "number": str(number),
        "low": str(number % 100),
        "high": str(number // 100),
        "letter": chr(code if code < 0xD800 else code + 0x2000),
        "random": hashlib.sha256(str(number).encode()).hexdigest()[:8],
        "path": "/".join(f"{number + 1:b}"),
    }


def _named(text: str, deep: str) -> str:
    return re.sub(r"\*|{\w+}", "part", text.replace("**/", deep))


def _of_bucket(number: int) -> _Case:
    """Each trigger has its own bucket, and the same glob."""
    met, missed = (_in_bucket(f"bucket-{one}") for one in (number, number + _BEYOND))
    return _Case(ObjectSource(store=f"bucket-{number}", match="in/{day}/*.csv"), met, missed)


def _in_bucket(bucket: str) -> Event:
    event = dropped("in/monday/part.csv")
    assert isinstance(event.payload, Object)
    return replace(event, payload=replace(event.payload, bucket=bucket))


def _of_change(number: int) -> _Case:
    """All triggers have the same glob, and all but one wait for another change."""
    event = dropped("in/part.csv")
    assert isinstance(event.payload, Object)
    source = ObjectSource(store="landing", match="in/*.csv", change=("deleted",) if number else ("created",))
    return _Case(source, event, replace(event, payload=replace(event.payload, change="metadata")))


def _half_messages(number: int) -> _Case:
    if number % 2 == 0:
        return _of_glob(_GLOBS["one bucket"], number)
    met, missed = (_published(f"channel-{one}") for one in (number, number + _BEYOND))
    return _Case(MessageSource(channel=f"channel-{number}"), met, missed)


def _published(channel: str) -> Event:
    return Event(
        id="1", source="//bench", type="bench", time=NOW, subject=None, payload=Message(channel=channel, id="1")
    )


def _all_globs(number: int) -> _Case:
    patterns = list(_GLOBS.values())
    return _of_glob(patterns[number % len(patterns)], number)


_SHAPES: Final[Mapping[str, Callable[[int], _Case]]] = {
    **{shape: partial(_of_glob, pattern) for shape, pattern in _GLOBS.items()},
    _ALL: _all_globs,
    "a bucket each": _of_bucket,
    "one glob, one listens": _of_change,
    "half are messages": _half_messages,
}


def run(sizes: Sequence[int]) -> Report:
    """`sizes`: numbers of triggers. Half of the events meet a trigger, half meet none."""
    us: dict[tuple[str, int], float] = {}
    median_us: dict[tuple[str, int], float] = {}
    naive_us: dict[tuple[str, int], float] = {}
    for shape, case in {**_SHAPES, _LONG: partial(_of_glob, _GLOBS["leading **"], deep="a/" * 480)}.items():
        progress(f"matching: {shape}")
        timed: dict[int, Callable[[], float]] = {}
        for size in sizes if shape in _LARGE else [size for size in sizes if size <= _MOST]:
            cases = [case(number) for number in range(size)]
            index, events = _index([one.source for one in cases]), _events(case, size)
            found = [len(index.match(event)) for event in events]  # what is read when it is first asked for is read
            assert found == [1, 0] * (_EVENTS // 2)
            timed[size] = partial(_time_index, index, events)
            if size <= _MOST:
                naive_us[shape, size] = _time_naive([one.source for one in cases], events[:_NAIVE_EVENTS])
        for size, rounds in rounds_of(timed, _ROUNDS).items():
            us[shape, size], median_us[shape, size] = min(rounds), statistics.median(rounds)
    return _report(sizes, us, median_us, naive_us, {size: _worst(size) for size in sizes})


def _worst(size: int) -> tuple[int, float]:
    """A name made of what globs are filed under: how many are tried for it, and in how many us, when none fits."""
    texts = [_texts(number)["name"] for number in range(size)]
    index = _index([ObjectSource(store="landing", match=f"**/{text}/**/*/*/*.csv") for text in texts])
    name = "/".join(texts)[:1000].rpartition("/")[0]
    event = dropped(f"{name}/x.txt")
    assert index.match(event) == []
    return name.count("/") + 1, _time_index(index, [event] * _NAIVE_EVENTS)


def _index(sources: Sequence[Source]) -> Index:
    """As a function has it: written, read, loaded."""
    launch = PipelineLaunch(pipeline="p")
    triggers = [Trigger(name=f"t{number}", sources=(one,), launch=launch) for number, one in enumerate(sources)]
    environment = replace(
        ENVIRONMENT,
        stores={one.store: Store(kind="gcs", bucket=one.store) for one in sources if isinstance(one, ObjectSource)},
        channels={one.channel: Channel(address=one.channel) for one in sources if isinstance(one, MessageSource)},
    )
    return Index.from_json(json.loads(json.dumps(Index.build(triggers, environment).to_json())))


def _events(case: Callable[[int], _Case], size: int) -> list[Event]:
    """Each is an object of its own, as if it had just come in."""
    draw = random.Random(1)
    drawn = [case(draw.randrange(size)) for _ in range(_EVENTS // 2)]
    return [event for one in drawn for event in (one.met, one.missed)]


def _time_index(index: Index, events: Sequence[Event]) -> float:
    began = time.process_time()
    for event in events:
        index.match(event)
    return (time.process_time() - began) / len(events) * 1e6


def _time_naive(sources: Sequence[Source], events: Sequence[Event]) -> float:
    """The loop over all: is it of this place and change, and does the glob fit."""
    listening = [
        (one.store, one.change, glob.parse(one.match)) if isinstance(one, ObjectSource) else (None, (), None)
        for one in sources
    ]
    channels = [one.channel if isinstance(one, MessageSource) else None for one in sources]
    began = time.process_time()
    for event in events:
        match event.payload:
            case Object(bucket=bucket, name=name, change=change):
                for store, changes, parsed in listening:
                    if store == bucket and change in changes and parsed is not None:
                        parsed.match(name)
            case Message(channel=channel):
                channels.index(channel) if channel in channels else None
    return (time.process_time() - began) / len(events) * 1e6


def _report(
    sizes: Sequence[int],
    us: Mapping[tuple[str, int], float],
    median_us: Mapping[tuple[str, int], float],
    naive_us: Mapping[tuple[str, int], float],
    worst: Mapping[int, tuple[int, float]],
) -> Report:
    shapes = [*_SHAPES, _LONG]
    slowest = {
        size: max(us[shape, size] for shape in _SHAPES if (shape, size) in us and shape not in _HARDER)
        for size in sizes
    }
    low, high = sizes[0], max((size for size in sizes if size <= _MOST), default=sizes[-1])
    growth = max(us[shape, high] / us[shape, low] for shape in shapes if (shape, high) in us)
    return Report(
        columns=("globs", "triggers", "us per event", "median round", "naive loop, us"),
        rows=[
            *((*at, value, median_us[at], naive_us.get(at, "")) for at, value in us.items()),
            *((f"hostile name: {tried} tried", size, taken, "", "") for size, (tried, taken) in worst.items()),
        ],
        data={
            "us_per_event": {str(size): value for size, value in slowest.items()},
            "shapes": {
                shape: {
                    str(size): {
                        "us": us[shape, size],
                        "median_us": median_us[shape, size],
                        "naive_us": naive_us.get((shape, size)),
                    }
                    for size in sizes
                    if (shape, size) in us
                }
                for shape in shapes
            },
            "growth": growth,
            "hostile": {str(size): {"tried": tried, "us": taken} for size, (tried, taken) in worst.items()},
        },
        targets=[
            Target(f"growth from {low:,} to {high:,} triggers, the worst shape", growth, 2),
            Target(f"us per event at {high:,} triggers, the worst of one shape of ordinary names", slowest[high], 5),
        ],
        notes=[
            f"processor time, the best of {_ROUNDS} rounds in which sizes take turns, {_EVENTS:,} events each, and the",
            "median beside it: a core that others slow down by half for seconds is not what matching costs;",
            f"half of them meet a trigger; above {_MOST:,} triggers only {len(_LARGE)} shapes are built;",
            f"us_per_event in JSON is the slowest shape's, without `{_ALL}` and `{_LONG}` (1,000 characters);",
            "the naive loop tries every parsed glob; a hostile name is made of segments that globs are filed under",
        ],
    )


MATCHING: Final = Benchmark(
    line="the triggers of one event", unit="triggers", sizes=(10, 1_000, 10_000, 100_000), smallest=(2, 10), run=run
)
