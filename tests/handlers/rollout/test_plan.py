"""What is done next is decided without doing it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from retrigger.handlers.ports import Deployment, Endpoint, Health
from retrigger.handlers.rollout.going import begun, prepared
from retrigger.handlers.rollout.plan import (
    LONGEST_LIFE_MS,
    Become,
    Deploy,
    Intent,
    Probe,
    Remove,
    Shift,
    Stay,
    plan,
)
from tests.handlers.adapters.azureml.test_endpoints import a_rollout

if TYPE_CHECKING:
    from retrigger.handlers.records import Rollout

JOB = a_rollout(bake_ms=60_000, error_rate=0.01)
BLUE = Endpoint(deployments={"blue": Deployment(state="ready", model="churn:6")}, split={"blue": 100})
READY = Deployment(state="ready", model="churn:7")


def green(split: dict[str, int]) -> Endpoint:
    return Endpoint(deployments={**BLUE.deployments, "green": READY}, split=split)


def planned(it: Rollout, seen: Endpoint, now_ms: int = 0, health: Health | None = None) -> Intent:
    return plan(it, JOB, "churn:7", seen, health=health, now_ms=now_ms)


FIRST = begun(JOB, "green", 0)
DEPLOYING = prepared(FIRST, BLUE, 0)
AT_10 = replace(DEPLOYING, phase="bake", split={"blue": 90, "green": 10}, past=[{"blue": 100}], probes=[[200, 1]])


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
