"""A rollout through the whole core: an event begins it, ticks bring it on, operators have their say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.ports import Deployment
from retrigger.triggers.launches import OnlineDeployment, Rollback
from retrigger.triggers.spec import Endpoint, WindowRule
from tests.handlers.protocol.bench import MINUTE, Bench
from tests.handlers.protocol.scenes import environment, trigger

if TYPE_CHECKING:

    from retrigger.handlers.records import Rollout

LAUNCH = OnlineDeployment(
    endpoint="churn",
    model="churn",
    version="7",
    smoke={"instances": [1]},
    steps=(10, 100),
    bake=5 * MINUTE,
    rollback_if=Rollback(error_rate=0.01, p95=timedelta(milliseconds=300)),
)


def bench_of(launch: OnlineDeployment, **parts: object) -> Bench:
    made = replace(trigger(WindowRule(key="match.k"), **parts), launch=launch)
    bench = Bench(made, replace(environment(), endpoints={"churn": Endpoint(name="churn-online")}))
    bench.endpoints.put("churn-online", {"blue": "churn:6"}, {"blue": 100})
    return bench


@pytest.fixture
def bench() -> Bench:
    return bench_of(LAUNCH)


def rollout(bench: Bench) -> Rollout:
    [stored] = bench.ledger.rollouts.list()
    return stored.value


def splits(bench: Bench, minutes: int) -> list[dict[str, int]]:
    """Each split that the endpoint had in this time, `green` for the new deployment."""
    found: list[dict[str, int]] = []
    for _ in range(minutes):
        bench.advance()
        split = bench.endpoints.look("churn-online").split
        named = {name if name == "blue" else "green": share for name, share in split.items()}
        if named not in found[-1:]:
            found.append(named)
    return found


def ends(bench: Bench) -> list[tuple[str, str | None]]:
    return [(run.state, run.error) for run in bench.runs()]


def test_a_model_goes_to_all_traffic_by_steps_and_the_old_deployment_goes(bench: Bench) -> None:
    assert bench.publish("a") == "launched"
    assert splits(bench, 60) == [{"blue": 100}, {"blue": 90, "green": 10}, {"green": 100}]
    assert ends(bench) == [("succeeded", None)]
    [(name, deployment)] = bench.endpoints.deployments["churn-online"].items()
    assert (name, deployment) == (rollout(bench).deployment, Deployment(state="ready", model="churn:7"))
    assert bench.slots() == {}
