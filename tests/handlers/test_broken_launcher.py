"""A fault of our own on the way to the platform: nothing is lost or done twice, and it does not go on for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.letters import letters
from retrigger.triggers.spec import WindowRule
from tests.handlers.protocol.bench import MINUTE, Bench
from tests.handlers.protocol.scenes import PREDICTION, trigger

if TYPE_CHECKING:
    from retrigger.triggers.spec import Trigger

WHOLE = trigger(WindowRule(key="match.k", quiet=MINUTE))
BROKEN = "retrigger itself broke on the way to the platform (TypeError): its log says where"


def broken(count: int) -> list[Exception]:
    return [TypeError("a fault of ours") for _ in range(count)]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_message_is_taken_and_its_run_is_tried_again_until_the_fault_is_mended(
    moment: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(WHOLE)
    setattr(bench.platform, moment, broken(3))
    assert [bench.publish("a"), bench.publish("a")] == ["deferred", "duplicate"]
    assert (bench.runs()[0].phase, bench.runs()[0].error) == ("wait", BROKEN)
    bench.advance(timedelta(minutes=30))
    assert ([run.phase for run in bench.runs()], len(bench.platform.jobs), bench.dead()) == (["launched"], 1, [])
    assert [it.message for it in caplog.records if it.levelname == "ERROR"] == ["launch_broken"] * 3


def test_a_window_is_taken_and_its_run_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(WHOLE)
    bench.platform.before = broken(2)
    assert bench.drop("a/1.csv") == "deferred"
    bench.advance(timedelta(minutes=30))
    assert ([run.phase for run in bench.runs()], len(bench.platform.jobs)) == (["launched"], 1)
    assert [it.message for it in caplog.records if it.levelname == "ERROR"] == ["launch_broken"] * 2


@pytest.mark.parametrize("launch", [WHOLE, replace(WHOLE, launch=PREDICTION)], ids=["pipeline", "batch"])
def test_a_fault_that_stays_ends_where_an_operator_sees_it(launch: Trigger) -> None:
    bench = Bench(launch)
    bench.platform.before = broken(1_000)
    bench.publish("a")
    bench.advance(timedelta(hours=30))
    assert len(letters(bench.ledger)) == 1
    left = len(bench.platform.before)
    bench.advance(timedelta(hours=2))
    assert (len(bench.platform.before), bench.platform.jobs) == (left, {})
