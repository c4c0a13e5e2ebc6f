"""A rollout through the whole core: an event begins it, ticks bring it on, operators have their say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.adapters.memory import MemoryEndpoints
from retrigger.handlers.control import cancel
from retrigger.handlers.endpoints import Answer, Deployment, Health
from retrigger.handlers.rollout import commands
from retrigger.handlers.rollout.telling import phase
from retrigger.triggers.environment import Endpoint
from retrigger.triggers.errors import Refused, Unavailable, Unknown
from retrigger.triggers.launches import Approval, Mirror, OnlineDeployment, Rollback
from retrigger.triggers.spec import Concurrency, OnFailure, WindowRule
from tests.handlers.protocol.bench import MINUTE, Bench
from tests.handlers.protocol.scenes import environment, trigger

if TYPE_CHECKING:
    from retrigger.handlers.jobs import RolloutJob
    from retrigger.handlers.records import Rollout
    from retrigger.triggers.errors import RetriggerError
    from retrigger.triggers.event import Json

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


def test_the_smoke_test_and_the_probes_ask_the_new_deployment_alone(bench: Bench) -> None:
    bench.publish("a")
    bench.advance(60 * MINUTE)
    asked = set(map(str, bench.endpoints.asked))
    assert asked == {str(("churn-online", rollout(bench).deployment, {"instances": [1]}))}


def test_a_failed_smoke_test_goes_back_and_the_run_is_a_dead_letter(bench: Bench) -> None:
    bench.publish("a")
    bench.advance(2 * MINUTE)
    bench.endpoints.answers[rollout(bench).deployment] = Answer(status=500, latency_ms=1)
    assert splits(bench, 30) == [{"blue": 100}]
    assert list(bench.endpoints.deployments["churn-online"]) == ["blue"]
    assert ends(bench) == [("failed", "the run failed: the smoke test was answered 500")]
    assert (bench.dead(), bench.slots()) == (["the run failed: the smoke test was answered 500"], {})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(status=503, latency_ms=1), "at 10 % 100.0% of its requests failed, and 1.0% may"),
        (Answer(status=200, latency_ms=301), "at 10 % its 95th percentile is 301 ms, and 300 ms it may be"),
    ],
    ids=["errors", "latency"],
)
def test_over_a_bound_it_goes_back_to_the_split_that_was_there(bench: Bench, answer: Answer, reason: str) -> None:
    bench.publish("a")
    bench.advance(6 * MINUTE)
    bench.endpoints.answers[rollout(bench).deployment] = answer
    assert splits(bench, 40) == [{"blue": 90, "green": 10}, {"blue": 100}]
    assert ends(bench) == [("failed", f"the run failed: {reason}")]
    assert list(bench.endpoints.deployments["churn-online"]) == ["blue"]


def test_a_retry_is_another_rollout_with_a_deployment_of_its_own() -> None:
    bench = bench_of(LAUNCH, on_failure=OnFailure(retry=1))
    bench.publish("a")
    bench.advance(2 * MINUTE)
    bench.endpoints.answers[rollout(bench).deployment] = Answer(status=500, latency_ms=1)
    bench.advance(90 * MINUTE)
    first, second = (stored.value for stored in bench.ledger.rollouts.list())
    assert {first.outcome, second.outcome} == {"failed", "succeeded"}
    assert first.deployment != second.deployment
    assert ends(bench) == [("succeeded", None)]


def test_the_first_deployment_of_an_endpoint_gets_all_traffic_after_the_smoke_test(bench: Bench) -> None:
    bench.endpoints.put("churn-online", {}, {})
    bench.publish("a")
    assert splits(bench, 40) == [{}, {"green": 100}]
    assert ends(bench) == [("succeeded", None)]


def test_the_first_deployment_of_an_endpoint_goes_back_to_no_traffic(bench: Bench) -> None:
    bench.endpoints.put("churn-online", {}, {})
    bench.publish("a")
    bench.advance(6 * MINUTE)
    bench.endpoints.answers[rollout(bench).deployment] = Answer(status=500, latency_ms=1)
    assert splits(bench, 40) == [{"green": 100}, {}]
    assert bench.endpoints.deployments["churn-online"] == {}


def test_an_endpoint_that_is_not_there_is_a_dead_letter(bench: Bench) -> None:
    bench.endpoints.deployments.clear()
    bench.publish("a")
    bench.advance(3 * MINUTE)
    assert ends(bench) == [("failed", "the run failed: there is no endpoint churn-online")]


# what it is judged by


def bench_judged_by_the_platform(launch: OnlineDeployment = LAUNCH) -> Bench:
    where = replace(environment(), endpoints={"churn": Endpoint(name="churn-online", health="platform")})
    bench = Bench(replace(trigger(WindowRule(key="match.k")), launch=launch), where)
    bench.endpoints.put("churn-online", {"blue": "churn:6"}, {"blue": 100})
    return bench


WELL = Health(error_rate=0.0, p95_ms=20)
ILL = Health(error_rate=0.25, p95_ms=20)


def test_the_platforms_figures_bring_it_to_all_traffic_without_a_request_of_our_own() -> None:
    bench = bench_judged_by_the_platform(replace(LAUNCH, smoke=None))
    bench.publish("a")
    bench.advance(2 * MINUTE)
    bench.endpoints.measured[rollout(bench).deployment] = WELL
    assert splits(bench, 60)[-1] == {"green": 100}
    assert (ends(bench), bench.endpoints.asked) == ([("succeeded", None)], [])


def test_the_platforms_figures_turn_it_back() -> None:
    bench = bench_judged_by_the_platform()
    bench.publish("a")
    bench.advance(6 * MINUTE)
    bench.endpoints.measured[rollout(bench).deployment] = ILL
    assert splits(bench, 40)[-1] == {"blue": 100}
    assert ends(bench) == [("failed", "the run failed: at 10 % 25.0% of its requests failed, and 1.0% may")]


def test_a_step_of_which_the_platform_measures_nothing_pauses_and_can_be_resumed() -> None:
    bench = bench_judged_by_the_platform()
    bench.publish("a")
    bench.advance(20 * MINUTE)
    assert (rollout(bench).phase, rollout(bench).want) == ("bake", "go")
    bench.advance(10 * MINUTE)
    told = f"the platform has measured no request to deployment {rollout(bench).deployment}"
    assert (rollout(bench).want, rollout(bench).reason) == ("pause", told)
    bench.endpoints.measured[rollout(bench).deployment] = WELL
    commands.resume(bench.ledger, run_of(bench), by="ada")
    assert splits(bench, 60)[-1] == {"green": 100}
    assert ends(bench) == [("succeeded", None)]


class SilentEndpoints(MemoryEndpoints):
    """The platform does not say how its deployments are, and why."""

    def __init__(self, error: RetriggerError) -> None:
        super().__init__()
        self.error = error
        self.put("churn-online", {"blue": "churn:6"}, {"blue": 100})

    def health(self, endpoint: str, deployment: str, since_ms: int, until_ms: int) -> Health | None:
        del endpoint, deployment, since_ms, until_ms
        raise self.error


def silent(error: RetriggerError) -> Bench:
    bench = bench_judged_by_the_platform()
    bench.endpoints = SilentEndpoints(error)
    bench.deploy(replace(trigger(WindowRule(key="match.k")), launch=LAUNCH))
    bench.publish("a")
    bench.advance(6 * MINUTE)
    return bench


def test_figures_that_are_not_to_be_had_are_none_and_an_operator_is_heard() -> None:
    bench = silent(Unavailable("the metrics are away", code="unavailable"))
    assert commands.roll_back(bench.ledger, run_of(bench), by="ada", reason="no") == "done"
    assert splits(bench, 40)[-1] == {"blue": 100}
    bench = silent(Unavailable("the metrics are away", code="unavailable"))
    bench.advance(30 * MINUTE)
    assert rollout(bench).want == "pause"


def test_figures_that_may_not_be_read_turn_it_back() -> None:
    bench = silent(Refused("grant the role Monitoring Reader", code="forbidden"))
    bench.advance(30 * MINUTE)
    assert ends(bench) == [("failed", "the run failed: grant the role Monitoring Reader")]


class MuteEndpoints(MemoryEndpoints):
    """Changes are made, but nobody is let through to a deployment."""

    def __init__(self) -> None:
        super().__init__()
        self.mute = True
        self.put("churn-online", {"blue": "churn:6"}, {"blue": 100})

    def invoke(self, endpoint: str, deployment: str, body: Json) -> Answer | None:
        if self.mute:
            raise Unavailable("the endpoint's keys are not to be had", code="unavailable")
        return super().invoke(endpoint, deployment, body)


def test_a_deployment_that_cannot_be_asked_does_not_wait_for_ever() -> None:
    bench, endpoints = bench_of(LAUNCH), MuteEndpoints()
    bench.endpoints = endpoints
    bench.deploy(replace(trigger(WindowRule(key="match.k")), launch=LAUNCH))
    bench.publish("a")
    assert splits(bench, 14) == [{"blue": 100}]
    assert rollout(bench).want == "go"
    bench.advance(10 * MINUTE)
    it = rollout(bench)
    told = f"deployment {it.deployment} could not be asked in 15 minutes: the endpoint's keys are not to be had"
    assert (it.phase, it.want, it.reason) == ("smoke", "pause", told)
    endpoints.mute = False
    commands.resume(bench.ledger, run_of(bench), by="ada")
    bench.advance(60 * MINUTE)
    assert ends(bench) == [("succeeded", None)]


# a platform that asks no deployment without traffic


@pytest.fixture
def idle(bench: Bench) -> Bench:
    bench.endpoints.idle_answer = False
    bench.publish("a")
    return bench


def test_it_is_tested_at_the_first_step(idle: Bench) -> None:
    phases = list[str]()
    while not phases or phases[-1] != "ended":
        idle.advance()
        phases.append(phase(rollout(idle)))
    names = list(dict.fromkeys(phases))
    assert names[names.index("smoke") :] == [
        "smoke",
        "shift 10 %",
        "smoke 10 %",
        "bake 10 %",
        "shift 100 %",
        "bake 100 %",
        "settle",
        "retire",
        "ended",
    ]
    assert ends(idle) == [("succeeded", None)]


def test_one_that_fails_its_test_at_the_first_step_goes_back(idle: Bench) -> None:
    idle.advance(2 * MINUTE)
    idle.endpoints.answers[rollout(idle).deployment] = Answer(status=500, latency_ms=1)
    assert splits(idle, 40) == [{"blue": 100}, {"blue": 90, "green": 10}, {"blue": 100}]
    assert ends(idle) == [("failed", "the run failed: the smoke test was answered 500")]


def test_the_first_step_still_waits_for_consent() -> None:
    asking = bench_of(replace(LAUNCH, approve=Approval(before=10, within=60 * MINUTE)))
    asking.endpoints.idle_answer = False
    asking.publish("a")
    assert splits(asking, 20) == [{"blue": 100}]
    commands.approve(asking.ledger, run_of(asking), by="ada")
    assert splits(asking, 60)[-1] == {"green": 100}


# a copy of the traffic


def test_it_is_mirrored_before_the_first_step() -> None:
    bench = bench_of(replace(LAUNCH, mirror=Mirror(percent=10, lasts=5 * MINUTE)))
    bench.publish("a")
    seen = list[tuple[str, dict[str, int]]]()
    while not seen or seen[-1][0] != "ended":
        bench.advance()
        seen.append((phase(rollout(bench)), dict(bench.endpoints.mirrors.get("churn-online", {}))))
    copied = [name for name, mirror in seen if mirror == {rollout(bench).deployment: 10}]
    assert {"mirrored", "shift 10 %"} <= set(copied) <= {"mirror", "mirrored", "shift 10 %"}
    assert copied.count("mirrored") >= 5
    assert ends(bench) == [("succeeded", None)]


def test_one_that_fails_while_it_is_mirrored_never_gets_traffic() -> None:
    bench = bench_of(replace(LAUNCH, mirror=Mirror(percent=10, lasts=30 * MINUTE)))
    bench.publish("a")
    bench.advance(8 * MINUTE)
    assert rollout(bench).phase == "mirrored"
    bench.endpoints.answers[rollout(bench).deployment] = Answer(status=500, latency_ms=1)
    assert splits(bench, 40) == [{"blue": 100}]
    [(state, error)] = ends(bench)
    assert (state, "with 10 % mirrored" in str(error)) == ("failed", True)
    assert (bench.endpoints.mirrors["churn-online"], list(bench.endpoints.deployments["churn-online"])) == (
        {},
        ["blue"],
    )


# one at a time


def test_rollouts_to_one_endpoint_take_turns(bench: Bench) -> None:
    bench = bench_of(LAUNCH, concurrency=Concurrency(limit=3))
    bench.publish("a")
    bench.publish("b")
    bench.advance(10 * MINUTE)
    assert [run.state for run in bench.runs()] == ["running"]
    bench.advance(100 * MINUTE)
    assert ends(bench) == [("succeeded", None)] * 2
    assert len(bench.endpoints.deployments["churn-online"]) == 1


# consent


@pytest.fixture
def asking() -> Bench:
    bench = bench_of(replace(LAUNCH, approve=Approval(before=100, within=60 * MINUTE)))
    bench.publish("a")
    bench.advance(20 * MINUTE)
    assert (rollout(bench).phase, rollout(bench).step) == ("approve", 1)
    return bench


def run_of(bench: Bench) -> str:
    [run] = bench.runs()
    return run.job


def test_a_step_waits_for_consent(asking: Bench) -> None:
    assert splits(asking, 30) == [{"blue": 90, "green": 10}]
    assert commands.approve(asking.ledger, run_of(asking), by="ada") == "done"
    assert splits(asking, 40) == [{"blue": 90, "green": 10}, {"green": 100}]
    assert ends(asking) == [("succeeded", None)]


def test_without_consent_in_time_it_goes_back(asking: Bench) -> None:
    assert splits(asking, 100) == [{"blue": 90, "green": 10}, {"blue": 100}]
    assert ends(asking) == [("failed", "the run failed: nobody approved the step to 100 % in time")]


def test_consent_that_comes_too_late_is_none_though_no_tick_has_seen_that(asking: Bench) -> None:
    asking.now += 61 * MINUTE
    assert commands.approve(asking.ledger, run_of(asking), by="ada") == "unchanged"
    assert splits(asking, 40)[-1] == {"blue": 100}


def test_consent_is_given_once_and_where_it_was_asked_for(bench: Bench, asking: Bench) -> None:
    bench.publish("a")
    assert commands.approve(bench.ledger, run_of(bench), by="ada") == "unchanged"
    assert commands.approve(asking.ledger, "no-such-run", by="ada") == "unknown"
    given = [commands.approve(asking.ledger, run_of(asking), by=name) for name in ("ada", "bob")]
    assert (given, rollout(asking).by) == (["done", "unchanged"], "ada")


# operators, and somebody else


def test_a_paused_rollout_leaves_the_endpoint_alone_until_it_is_resumed(bench: Bench) -> None:
    bench.publish("a")
    bench.advance(6 * MINUTE)
    assert commands.pause(bench.ledger, run_of(bench), by="ada", reason="a look") == "done"
    assert splits(bench, 120) == [{"blue": 90, "green": 10}]
    assert commands.resume(bench.ledger, run_of(bench), by="ada") == "done"
    assert splits(bench, 60) == [{"blue": 90, "green": 10}, {"green": 100}]
    assert ends(bench) == [("succeeded", None)]


@pytest.mark.parametrize("minutes", [0, 2, 6, 12, 20])
@pytest.mark.parametrize("how", ["rollback", "cancel"])
def test_an_operator_turns_it_back_and_it_is_not_tried_again(how: str, minutes: int) -> None:
    bench = bench_of(LAUNCH, on_failure=OnFailure(retry=3))
    bench.publish("a")
    bench.advance(minutes * MINUTE)
    if how == "cancel":
        assert cancel(bench.ledger, bench.platform, run_of(bench)) == "cancelling"
    else:
        assert commands.roll_back(bench.ledger, run_of(bench), by="ada", reason="no") == "done"
    bench.advance(40 * MINUTE)
    [run] = bench.runs()
    assert (run.state, bench.dead(), bench.slots()) == ("cancelled", [], {})
    assert bench.endpoints.look("churn-online").split == {"blue": 100}
    assert list(bench.endpoints.deployments["churn-online"]) == ["blue"]


def test_it_is_too_late_to_turn_back_once_the_old_deployment_is_being_removed(bench: Bench) -> None:
    bench.publish("a")
    while not bench.ledger.rollouts.list() or rollout(bench).phase != "retire":
        bench.advance()
    assert commands.roll_back(bench.ledger, run_of(bench), by="ada", reason="no") == "unchanged"
    bench.advance(10 * MINUTE)
    assert ends(bench) == [("succeeded", None)]


def test_a_split_that_somebody_else_changed_pauses_it_with_an_alarm(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.publish("a")
    bench.advance(6 * MINUTE)
    green = rollout(bench).deployment
    bench.endpoints.splits["churn-online"] = {"blue": 50, green: 50}
    bench.advance(10 * MINUTE)
    reason = f"the split is blue 50 %, {green} 50 %, and was made blue 90 %, {green} 10 %"
    assert (rollout(bench).want, rollout(bench).reason) == ("pause", reason)
    alarms = [record.fields for record in caplog.records if record.message == "rollout_paused"]  # type: ignore[attr-defined]
    assert alarms == [{"rollout": run_of(bench), "endpoint": "churn-online", "reason": reason}]
    assert splits(bench, 10) == [{"blue": 50, "green": 50}]
    commands.resume(bench.ledger, run_of(bench), by="ada")
    assert splits(bench, 40) == [{"blue": 50, "green": 50}, {"blue": 90, "green": 10}, {"green": 100}]
    assert ends(bench) == [("succeeded", None)]


def test_a_paused_rollout_can_be_turned_back(bench: Bench) -> None:
    bench.publish("a")
    bench.advance(6 * MINUTE)
    bench.endpoints.splits["churn-online"] = {rollout(bench).deployment: 100}
    bench.advance(5 * MINUTE)
    assert commands.roll_back(bench.ledger, run_of(bench), by="ada", reason="no") == "done"
    assert splits(bench, 40) == [{"green": 100}, {"blue": 100}]
    assert [run.state for run in bench.runs()] == ["cancelled"]


def test_a_deployment_that_somebody_else_removed_pauses_it_and_is_not_missed_after(bench: Bench) -> None:
    bench.endpoints.put("churn-online", {"blue": "churn:6", "red": "churn:5"}, {"blue": 60, "red": 40})
    bench.publish("a")
    bench.advance(2 * MINUTE)
    bench.endpoints.put("churn-online", {"red": "churn:5"}, {"red": 100})
    bench.advance(3 * MINUTE)
    assert rollout(bench).want == "pause"
    bench.endpoints.deploy(bench.journal.job(bench.runs()[0].id), 0)  # type: ignore[arg-type]
    commands.resume(bench.ledger, run_of(bench), by="ada")
    bench.advance(60 * MINUTE)
    assert ends(bench) == [("succeeded", None)]
    assert list(bench.endpoints.deployments["churn-online"]) == [rollout(bench).deployment]


# what a platform does


class SlowEndpoints(MemoryEndpoints):
    """Takes its time for a deployment, and refuses or loses answers as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.ready = Deployment(state="creating", model="churn:7")
        self.after: list[Exception] = []

    def deploy(self, job: RolloutJob, since_ms: int) -> None:
        del since_ms
        self._known(job.endpoint).setdefault(self.deployment_of(job), self.ready)
        if self.after:
            raise self.after.pop(0)

    def become(self, endpoint: str, deployment: Deployment) -> None:
        for name in set(self.deployments[endpoint]) - {"blue"}:
            self.deployments[endpoint][name] = deployment


@pytest.fixture
def slow() -> tuple[Bench, SlowEndpoints]:
    bench, endpoints = bench_of(LAUNCH), SlowEndpoints()
    endpoints.put("churn-online", {"blue": "churn:6"}, {"blue": 100})
    bench.endpoints = endpoints
    bench.deploy(replace(trigger(WindowRule(key="match.k")), launch=LAUNCH))
    bench.publish("a")
    return bench, endpoints


def test_a_deployment_is_waited_for(slow: tuple[Bench, SlowEndpoints]) -> None:
    bench, endpoints = slow
    bench.advance(60 * MINUTE)
    assert (rollout(bench).phase, endpoints.asked) == ("deploy", [])
    endpoints.become("churn-online", Deployment(state="ready", model="churn:7"))
    bench.advance(60 * MINUTE)
    assert ends(bench) == [("succeeded", None)]


def test_a_deployment_that_never_gets_ready_goes_back(slow: tuple[Bench, SlowEndpoints]) -> None:
    bench, endpoints = slow
    bench.advance(timedelta(hours=3, minutes=20))
    assert rollout(bench).phase == "remove"  # it cannot be removed while it is being made
    endpoints.become("churn-online", Deployment(state="failed", model="churn:7", error="out of quota"))
    bench.advance(5 * MINUTE)
    assert [state for state, _ in ends(bench)] == ["failed"]
    assert list(endpoints.deployments["churn-online"]) == ["blue"]


def test_a_deployment_that_fails_goes_back_and_says_why(slow: tuple[Bench, SlowEndpoints]) -> None:
    bench, endpoints = slow
    bench.advance(3 * MINUTE)
    endpoints.become("churn-online", Deployment(state="failed", model="churn:7", error="out of quota"))
    bench.advance(20 * MINUTE)
    [(state, error)] = ends(bench)
    assert (state, error) == (
        "failed",
        f"the run failed: deployment {rollout(bench).deployment} failed: out of quota",
    )


def test_a_lost_answer_changes_nothing(slow: tuple[Bench, SlowEndpoints]) -> None:
    bench, endpoints = slow
    endpoints.after = [Unknown("the answer was lost", code="response_lost")]
    bench.advance(3 * MINUTE)
    endpoints.become("churn-online", Deployment(state="ready", model="churn:7"))
    bench.advance(60 * MINUTE)
    assert ends(bench) == [("succeeded", None)]


def test_a_refused_deployment_ends_it(slow: tuple[Bench, SlowEndpoints]) -> None:
    bench, endpoints = slow
    endpoints.after = [Refused("no such instance type", code="bad_request")]
    endpoints.ready = Deployment(state="failed")
    bench.advance(30 * MINUTE)
    assert ends(bench) == [("failed", "the run failed: no such instance type")]


def test_what_is_refused_on_the_way_back_waits_for_somebody(bench: Bench) -> None:
    bench.publish("a")
    bench.advance(6 * MINUTE)
    bench.endpoints.answers[rollout(bench).deployment] = Answer(status=500, latency_ms=1)
    bench.endpoints.deployments["churn-online"].pop("blue")
    bench.endpoints.splits["churn-online"] = {rollout(bench).deployment: 100}
    commands.roll_back(bench.ledger, run_of(bench), by="ada", reason="no")
    bench.advance(5 * MINUTE)
    assert rollout(bench).want == "pause"
    assert [state for state, _ in ends(bench)] == ["running"]
