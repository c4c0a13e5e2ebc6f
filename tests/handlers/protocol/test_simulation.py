"""The real ledger under a hostile scheduler, thousands of schedules: nothing lost, nothing doubled, in any of them.

A failing schedule is a number: run `test_one_schedule` with it (`pytest -k one_schedule --schedule mixed:1234`). A long
hunt plays more of them: `pytest -n 2 tests/handlers/protocol/test_simulation.py --seeds 5000`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, get_args

import pytest

from tests.handlers.protocol.scenes import Style, scene
from tests.handlers.protocol.violation import Violation
from tests.handlers.protocol.world import (
    REAL,
    Chances,
    Parts,
    World,
    assert_all_succeeded,
    assert_counted_by_who_joined,
    assert_followed,
    assert_in_order,
    assert_listed_are_complete,
    assert_nothing_lost_or_doubled,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_BATCHES = 8


@pytest.fixture(autouse=True)
def _unlogged() -> Iterator[None]:
    """Thousands of stores that are away on purpose: what is logged of them costs more than the schedules."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def play(style: Style, seed: int, parts: Parts = REAL) -> World:
    made = scene(seed, style)
    gentle = style in {"honest", "tight", "stormy"}
    chances = Chances(
        crash=[0, 0.01, 0.02 if gentle else 0.05][seed % 3],
        lose=[0, 0.01, 0.02 if gentle else 0.05][seed // 3 % 3],
        unavailable=[0, 0.01][seed // 9 % 2] if style not in {"stormy", "archived"} else 0.05,
        fail={"honest": 0.0, "tight": 0.9}.get(style, [0, 0.3, 0.6, 1][seed // 18 % 4]),
    )
    if style in {"queue", "count"} and seed % 2 == 0:
        chances = Chances()
    world = World(made, seed, chances, parts)
    world.run()
    if world.online is not None:
        world.online.tell(world.platform.states)
    if made.follower is not None:
        assert_followed(world)
    assert_nothing_lost_or_doubled(world)
    if style == "honest":
        assert_all_succeeded(world)
    if style == "listed":
        assert_listed_are_complete(world)
    if chances == Chances() and style == "queue":
        assert_in_order(world)
    if chances == Chances() and style == "count":
        assert_counted_by_who_joined(world)
    return world


@pytest.mark.parametrize("batch", range(_BATCHES))
@pytest.mark.parametrize("style", get_args(Style))
def test_nothing_is_lost_or_doubled(style: Style, batch: int, request: pytest.FixtureRequest) -> None:
    for seed in range(batch, request.config.getoption("--seeds"), _BATCHES):
        try:
            play(style, seed)
        except Violation as violation:
            pytest.fail(f"{style}:{seed}: {violation}")


def test_one_schedule(request: pytest.FixtureRequest) -> None:
    chosen = request.config.getoption("--schedule")
    if chosen is None:
        pytest.skip("no --schedule STYLE:SEED given")
    style, _, seed = chosen.partition(":")
    play(style, int(seed))
