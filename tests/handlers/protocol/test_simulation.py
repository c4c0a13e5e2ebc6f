"""The real ledger under a hostile scheduler, thousands of schedules: nothing lost, nothing doubled, in any of them.

A failing schedule is a number: run `test_one_schedule` with it (`pytest -k one_schedule --schedule mixed:1234`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest

from tests.handlers.protocol.scenes import Style, scene
from tests.handlers.protocol.world import Chances, Violation, World, assert_nothing_lost_or_doubled

if TYPE_CHECKING:
    from retrigger.handlers.core import Core

_BATCHES, _SEEDS = 8, 75


def play(style: Style, seed: int, core: type[Core] | None = None) -> World:
    made = scene(seed, style)
    gentle = style in {"honest", "tight"}
    chances = Chances(
        crash=[0, 0.01, 0.02 if gentle else 0.05][seed % 3],
        lose=[0, 0.01, 0.02 if gentle else 0.05][seed // 3 % 3],
        unavailable=[0, 0.01][seed // 9 % 2],
        fail={"honest": 0.0, "tight": 0.8}.get(style, [0, 0.3, 0.6, 1][seed // 18 % 4]),
    )
    world = World(made, seed, chances) if core is None else World(made, seed, chances, core)
    world.run()
    assert_nothing_lost_or_doubled(world)
    return world


@pytest.mark.parametrize("batch", range(_BATCHES))
@pytest.mark.parametrize("style", get_args(Style))
def test_nothing_is_lost_or_doubled(style: Style, batch: int) -> None:
    for seed in range(batch * _SEEDS, (batch + 1) * _SEEDS):
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
