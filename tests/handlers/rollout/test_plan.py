"""What is done next is decided without doing it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.endpoints import Deployment, Endpoint, Health
from retrigger.handlers.rollout.going import KNOWN_WITHIN_MS, begun, paused, prepared, unasked
from retrigger.handlers.rollout.plan import (
    LONGEST_LIFE_MS,
    Become,
    Deploy,
    Intent,
    Mirror,
    Probe,
    Remove,
    Shift,
    Stay,
    plan,
)
from tests.handlers.adapters.azureml.test_endpoints import a_rollout

if TYPE_CHECKING:
    from retrigger.handlers.jobs import RolloutJob
    from retrigger.handlers.records import Rollout, RolloutPhase

JOB = a_rollout(bake_ms=60_000, error_rate=0.01)
BLUE = Endpoint(deployments={"blue": Deployment(state="ready", model="churn:6")}, split={"blue": 100})
READY = Deployment(state="ready", model="churn:7")


def green(split: dict[str, int]) -> Endpoint:
    return Endpoint(deployments={**BLUE.deployments, "green": READY}, split=split)


def planned(
    it: Rollout, seen: Endpoint, now_ms: int = 0, health: Health | None = None, job: RolloutJob = JOB
) -> Intent:
    return plan(it, job, "churn:7", seen, health=health, now_ms=now_ms)


FIRST = begun(JOB, "green", 0)
DEPLOYING = prepared(FIRST, BLUE, 0)
AT_10 = replace(
    DEPLOYING, phase="bake", split={"blue": 90, "green": 10}, past=[{"blue": 100}], probes=[[200, 1]], tested=True
)


def test_the_split_that_is_found_is_what_a_rollback_goes_back_to() -> None:
    assert planned(FIRST, BLUE) == Become(DEPLOYING)
    assert (DEPLOYING.before, DEPLOYING.split) == ({"blue": 100}, {"blue": 100})


def test_what_is_not_there_is_made_and_what_is_being_made_is_waited_for() -> None:
    assert planned(DEPLOYING, BLUE) == Deploy()
    creating = replace(READY, state="creating")
    assert planned(DEPLOYING, Endpoint(deployments={**BLUE.deployments, "green": creating}, split=BLUE.split)) == Stay()


def test_nothing_is_done_while_a_change_is_under_way() -> None:
    assert planned(replace(DEPLOYING, want="rollback"), replace(BLUE, changing=True)) == Stay()


def test_a_split_is_asked_for_until_it_is_seen() -> None:
    shifting = replace(AT_10, phase="shift")
    assert planned(shifting, green({"blue": 100})) == Shift({"blue": 90, "green": 10})
    done = planned(shifting, green({"blue": 90, "green": 10}), now_ms=7)
    assert done == Become(replace(shifting, phase="bake", since_ms=7))


def test_a_late_write_of_our_own_is_put_right_and_another_pauses() -> None:
    assert planned(AT_10, green({"blue": 100})) == Shift({"blue": 90, "green": 10})
    told = planned(AT_10, green({"blue": 50, "green": 50}))
    assert isinstance(told, Become)
    assert told.rollout.want == "pause"


def test_what_the_platform_measured_goes_before_our_own_probes() -> None:
    seen = green(AT_10.split)
    assert planned(AT_10, seen) == Probe()
    assert planned(AT_10, seen, health=Health(error_rate=0.0, p95_ms=1)) == Stay()
    told = planned(AT_10, seen, health=Health(error_rate=0.5, p95_ms=1))
    assert isinstance(told, Become)
    assert (told.rollout.phase, told.rollout.split) == ("restore", {"blue": 100})


def test_a_step_that_nobody_could_probe_is_not_over() -> None:
    assert planned(replace(AT_10, probes=[]), green(AT_10.split), now_ms=10**9) == Probe()


# what the platform cannot ask without traffic

TESTING = replace(DEPLOYING, phase="smoke", tested=False)
UNTESTED_AT_10 = replace(AT_10, phase="smoke", probes=[], tested=False)


def test_a_smoke_test_is_passed_before_there_is_traffic_where_that_is_possible() -> None:
    seen = green({"blue": 100})
    assert planned(TESTING, seen) == Probe()
    passed = planned(replace(TESTING, probes=[[200, 5]]), seen, now_ms=7)
    shifting = replace(AT_10, phase="shift", probes=[], since_ms=7)
    assert passed == Become(shifting)
    assert planned(shifting, green(AT_10.split), now_ms=8) == Become(replace(shifting, phase="bake", since_ms=8))


def test_what_cannot_be_asked_without_traffic_goes_to_the_first_step_and_is_tested_there() -> None:
    shifting = unasked(TESTING, JOB, 7)
    assert shifting == replace(UNTESTED_AT_10, phase="shift", since_ms=7)
    assert planned(shifting, green(AT_10.split), now_ms=8) == Become(replace(UNTESTED_AT_10, since_ms=8))


def test_the_first_probe_at_that_step_must_be_well_and_only_then_its_time_begins() -> None:
    seen = green(AT_10.split)
    assert planned(UNTESTED_AT_10, seen, now_ms=10**6) == Probe()
    well = planned(replace(UNTESTED_AT_10, probes=[[200, 1]]), seen, now_ms=10**6)
    assert well == Become(replace(AT_10, probes=[], since_ms=10**6))
    ill = planned(replace(UNTESTED_AT_10, probes=[[503, 1]]), seen)
    assert isinstance(ill, Become)
    told = (ill.rollout.phase, ill.rollout.split, ill.rollout.reason)
    assert told == ("restore", {"blue": 100}, "the smoke test was answered 503")


def test_a_late_write_is_put_right_while_it_is_tested_at_the_first_step() -> None:
    assert planned(UNTESTED_AT_10, green({"blue": 100})) == Shift(AT_10.split)


@pytest.mark.parametrize("phase", ["smoke", "bake"])
def test_what_cannot_be_asked_with_traffic_is_waited_for_and_then_somebody_must_look(phase: RolloutPhase) -> None:
    it = replace(AT_10, phase=phase, probes=[])
    last_ms = KNOWN_WITHIN_MS + (JOB.bake_ms if phase == "bake" else 0)
    assert unasked(it, JOB, last_ms - 1) is None
    assert unasked(it, JOB, last_ms) == paused(it, "deployment green could not be asked in 15 minutes")


@pytest.mark.parametrize("phase", ["smoke", "bake"])
def test_whoever_resumes_begins_that_wait_anew(phase: RolloutPhase) -> None:
    seen = green(AT_10.split)
    resumed = planned(replace(AT_10, phase=phase, accept=True), seen, now_ms=10**9)
    assert isinstance(resumed, Become)
    assert (resumed.rollout.phase, resumed.rollout.probes) == ("shift", [])
    shifted = planned(resumed.rollout, seen, now_ms=10**9)
    assert isinstance(shifted, Become)
    assert (shifted.rollout.phase, shifted.rollout.since_ms) == ("bake", 10**9)


# what the platform measures

JUDGED = replace(JOB, health="platform")
WELL = Health(error_rate=0.0, p95_ms=1)


def test_a_step_is_over_when_the_platform_has_measured_that_it_is_well() -> None:
    seen, at_10 = green(AT_10.split), replace(AT_10, probes=[])
    assert planned(at_10, seen, JUDGED.bake_ms - 1, WELL, JUDGED) == Stay()
    over = planned(at_10, seen, JUDGED.bake_ms, WELL, JUDGED)
    assert isinstance(over, Become)
    assert over.rollout.split == {"green": 100}


def test_as_long_as_nothing_is_measured_probes_may_turn_it_back_but_end_no_step() -> None:
    seen = green(AT_10.split)
    assert planned(AT_10, seen, JUDGED.bake_ms + 1, None, JUDGED) == Probe()
    assert planned(AT_10, seen, JUDGED.bake_ms + 1, None, replace(JUDGED, smoke=None)) == Stay()
    ill = planned(replace(AT_10, probes=[[500, 1]]), seen, 0, None, JUDGED)
    assert isinstance(ill, Become)
    assert ill.rollout.phase == "restore"


def test_a_step_of_which_nothing_is_measured_pauses_a_while_after_its_time() -> None:
    seen, last_ms = green(AT_10.split), JUDGED.bake_ms + KNOWN_WITHIN_MS
    assert planned(AT_10, seen, last_ms - 1, None, JUDGED) == Probe()
    told = planned(AT_10, seen, last_ms, None, JUDGED)
    assert told == Become(paused(AT_10, "the platform has measured no request to deployment green"))


def test_without_bounds_nothing_is_waited_for() -> None:
    unbounded = replace(JUDGED, error_rate=None)
    over = planned(replace(AT_10, probes=[]), green(AT_10.split), JUDGED.bake_ms, None, unbounded)
    assert isinstance(over, Become)
    assert over.rollout.phase == "shift"


def test_the_old_deployment_outlives_whoever_may_still_send_traffic_there() -> None:
    settling = replace(AT_10, phase="settle", split={"green": 100}, past=[*AT_10.past, AT_10.split])
    seen = green({"green": 100})
    assert planned(settling, seen, now_ms=LONGEST_LIFE_MS - 1) == Stay()
    retiring = replace(settling, phase="retire", since_ms=LONGEST_LIFE_MS)
    assert planned(settling, seen, now_ms=LONGEST_LIFE_MS) == Become(retiring)
    assert planned(retiring, seen) == Remove("blue")
    alone = Endpoint(deployments={"green": READY}, split={"green": 100})
    ended = replace(retiring, phase="ended", outcome="succeeded", since_ms=9)
    assert planned(retiring, alone, now_ms=9) == Become(ended)


# a copy of the traffic

COPYING = replace(JUDGED, mirror_percent=20, mirror_ms=60_000)
MIRRORED = replace(DEPLOYING, phase="mirrored", tested=True)


def copied(mirror: dict[str, int], split: dict[str, int] | None = None) -> Endpoint:
    return replace(green(split or {"blue": 100}), mirror=mirror)


def test_after_the_smoke_test_the_traffic_is_mirrored_until_that_is_seen() -> None:
    passed = planned(replace(TESTING, probes=[[200, 1]]), copied({}), 5, job=COPYING)
    mirroring = replace(MIRRORED, phase="mirror", since_ms=5)
    assert passed == Become(mirroring)
    assert planned(mirroring, copied({}), 6, job=COPYING) == Mirror({"green": 20})
    assert planned(mirroring, copied({"green": 20}), 7, job=COPYING) == Become(replace(MIRRORED, since_ms=7))


def test_without_a_smoke_test_it_is_mirrored_when_it_is_ready() -> None:
    told = planned(DEPLOYING, copied({}), 5, job=replace(COPYING, smoke=None))
    assert told == Become(replace(DEPLOYING, phase="mirror", since_ms=5))


def test_where_there_is_no_traffic_none_is_mirrored() -> None:
    first = replace(TESTING, before={}, split={}, probes=[[200, 1]])
    told = planned(first, green({}), job=COPYING)
    assert isinstance(told, Become)
    assert (told.rollout.phase, told.rollout.split) == ("shift", {"green": 100})


def test_the_mirror_is_watched_and_cleared_before_the_first_step() -> None:
    seen = copied({"green": 20})
    assert planned(MIRRORED, seen, 59_999, WELL, COPYING) == Stay()
    over = planned(MIRRORED, seen, 60_000, WELL, COPYING)
    assert isinstance(over, Become)
    assert (over.rollout.phase, over.rollout.split) == ("shift", AT_10.split)
    assert planned(over.rollout, seen, 60_001, WELL, COPYING) == Mirror({})
    assert planned(over.rollout, copied({}), 60_001, WELL, COPYING) == Shift(AT_10.split)


def test_over_a_bound_while_mirrored_it_goes_back_and_the_mirror_is_cleared() -> None:
    seen = copied({"green": 20})
    told = planned(MIRRORED, seen, 5, Health(error_rate=0.5, p95_ms=1), COPYING)
    assert isinstance(told, Become)
    assert told.rollout.reason == "with 20 % mirrored, 50.0% of its requests failed, and 1.0% may"
    assert planned(told.rollout, seen, 6, None, COPYING) == Mirror({})
    assert planned(replace(MIRRORED, phase="remove"), seen, 6, None, COPYING) == Mirror({})


def test_a_mirror_that_somebody_late_wrote_is_put_right_and_another_pauses() -> None:
    assert planned(MIRRORED, copied({}), 5, WELL, COPYING) == Mirror({"green": 20})
    assert planned(AT_10, copied({"green": 20}, {"blue": 90, "green": 10}), 5, WELL, COPYING) == Mirror({})
    told = planned(MIRRORED, copied({"red": 5}), 5, WELL, COPYING)
    assert told == Become(paused(MIRRORED, "traffic is mirrored to red"))
    assert planned(TESTING, copied({"red": 5}), 5, job=COPYING) == Probe()


def test_a_mirror_of_which_nothing_is_measured_pauses_and_is_watched_anew() -> None:
    seen, last_ms = copied({"green": 20}), COPYING.mirror_ms + KNOWN_WITHIN_MS
    assert planned(MIRRORED, seen, last_ms - 1, None, replace(COPYING, smoke=None)) == Stay()
    told = planned(MIRRORED, seen, last_ms, None, COPYING)
    assert told == Become(paused(MIRRORED, "the platform has measured no request to deployment green"))
    resumed = planned(replace(MIRRORED, accept=True), seen, last_ms, None, COPYING)
    assert isinstance(resumed, Become)
    assert resumed.rollout.phase == "mirror"
