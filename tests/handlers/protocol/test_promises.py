"""What admission promises, rule by rule, as its users would check it. Nothing here is random: the simulation is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.jobs import JobStatus
from retrigger.triggers.errors import Refused, Unavailable
from retrigger.triggers.event import Event, Schedule
from retrigger.triggers.spec import Concurrency, OnFailure, ScheduleSource, Throttle, WindowRule
from tests.handlers.protocol.bench import BAD, MINUTE, Bench
from tests.handlers.protocol.scenes import environment, trigger
from tests.handlers.protocol.world import START

if TYPE_CHECKING:
    from collections import Counter

AT_ONCE = WindowRule(key="match.k")
SKIP = Concurrency(when_busy="skip")
QUEUE = Concurrency(when_busy="queue")
REPLACE = Concurrency(when_busy="replace")
HOUR = 60 * MINUTE
SECOND = timedelta(seconds=1)


def marked(**rule: object) -> WindowRule:
    return WindowRule(key="match.k", until="{k}/_DONE", **{"max_wait": 2 * HOUR, **rule})  # type: ignore[arg-type]


def cost(bench: Bench) -> Counter[str]:
    """Operations on the ledger since it was last asked."""
    spent = bench.records.counted.copy()
    bench.records.counted.clear()
    return spent  # type: ignore[return-value]


def started(bench: Bench) -> list[str]:
    """What each job was given, in the order in which they were launched."""
    return [str(job.parameters["what"]) for job in bench.platform.jobs.values()]


# gathering


def test_what_comes_while_the_slot_is_taken_becomes_exactly_one_follow_up_with_all_of_it() -> None:
    bench = Bench(trigger(AT_ONCE))
    results = [bench.drop(f"a/{number}.csv") for number in range(5)]
    bench.advance(10 * MINUTE)
    assert bench.members() == [["a/0.csv"]]
    bench.finish()
    assert bench.members() == [["a/0.csv"], [f"a/{number}.csv" for number in range(1, 5)]]
    assert results == ["launched"] + ["deferred"] * 4


def test_a_quiet_period_starts_again_with_each_member_but_ends_at_max_wait() -> None:
    bench = Bench(trigger(WindowRule(key="match.k", quiet=5 * MINUTE, max_wait=12 * MINUTE)))
    for number in range(4):
        bench.drop(f"a/{number}.csv")
        bench.advance(4 * MINUTE)
    assert bench.members() == [["a/0.csv", "a/1.csv", "a/2.csv"]]


def test_a_window_over_nothing_but_its_marker_ends_empty_and_launches_nothing() -> None:
    bench = Bench(trigger(marked()))
    bench.drop("a/_DONE")
    bench.advance(3 * HOUR)
    assert (bench.runs(), [stored.value.state for stored in bench.ledger.manifests.list()]) == ([], ["empty"])


def test_a_marker_waits_for_a_file_that_is_listed_and_not_yet_announced() -> None:
    bench = Bench(trigger(marked()))
    late = bench.landed("a/late.csv")
    assert [bench.drop("a/1.csv"), bench.drop("a/_DONE")] == ["deferred", "deferred"]
    assert (bench.send(late), bench.members()) == ("launched", [["a/1.csv", "a/late.csv"]])


def test_a_marker_before_its_files_waits_for_the_first() -> None:
    bench = Bench(trigger(marked()))
    bench.drop("a/_DONE")
    bench.advance(30 * MINUTE)
    assert (bench.drop("a/1.csv"), bench.members()) == ("launched", [["a/1.csv"]])


def test_a_listed_file_that_is_never_announced_is_waited_for_until_settle() -> None:
    bench = Bench(trigger(marked(settle=5 * MINUTE)))
    bench.landed("a/never-announced.csv")
    bench.drop("a/1.csv")
    bench.drop("a/_DONE")
    bench.advance(4 * MINUTE)
    assert bench.members() == []
    bench.advance(2 * MINUTE)
    assert bench.members() == [["a/1.csv"]]


def test_a_file_after_the_seal_goes_to_the_next_window() -> None:
    bench = Bench(trigger(marked()))
    bench.drop("a/1.csv")
    bench.drop("a/_DONE")
    assert (bench.drop("a/2.csv"), bench.members()) == ("deferred", [["a/1.csv"]])
    bench.finish()
    bench.drop("a/_DONE", b"again")
    assert bench.members() == [["a/1.csv"], ["a/2.csv"]]


def test_without_a_marker_the_window_is_launched_or_rejected_at_max_wait() -> None:
    benches = {rule: Bench(trigger(marked(at_max_wait=rule))) for rule in ("launch", "reject")}
    for bench in benches.values():
        bench.drop("a/1.csv")
        bench.advance(3 * HOUR)
    assert {rule: bench.members() for rule, bench in benches.items()} == {"launch": [["a/1.csv"]], "reject": []}
    [manifest] = [stored.value for stored in benches["reject"].ledger.manifests.list()]
    assert (manifest.state, manifest.cause) == ("rejected", "reject")


def test_a_bad_member_is_dropped_or_spoils_its_window() -> None:
    benches = {rule: Bench(trigger(marked(bad_member=rule), gated=True)) for rule in ("drop", "reject")}
    for bench in benches.values():
        bench.drop("a/1.csv")
        bench.drop("a/2.csv", BAD)
        bench.drop("a/_DONE")
    assert {rule: bench.members() for rule, bench in benches.items()} == {"drop": [["a/1.csv"]], "reject": []}


def test_a_rejected_file_in_a_folder_that_the_run_would_read_stops_the_run() -> None:
    reads_folder = trigger(marked(), gated=True)
    launch = replace(reads_folder.launch, parameters={"what": "${{ window.folder }}"})
    bench = Bench(replace(reads_folder, launch=launch))
    bench.drop("a/1.csv")
    bench.drop("a/2.csv", BAD)
    bench.drop("a/_DONE")
    [run] = [stored.value for stored in bench.ledger.runs.list()]
    assert (run.outcome, run.verdicts[-1]["code"], bench.platform.jobs) == ("rejected", "folder_holds_rejected", {})


def test_a_window_is_complete_with_so_many_members_and_the_next_one_counts_anew() -> None:
    bench = Bench(trigger(replace(AT_ONCE, until_count=3, at_max_wait="reject"), concurrency=Concurrency(limit=2)))
    results = [bench.drop(f"a/{number}.csv") for number in range(7)]
    assert results == (["deferred"] * 2 + ["launched"]) * 2 + ["deferred"]
    bench.advance(2 * HOUR)
    assert [len(names) for names in bench.members()] == [3, 3]
    assert sorted(stored.value.cause for stored in bench.ledger.manifests.list()) == ["count", "count", "reject"]


def test_a_window_that_is_complete_while_the_slot_is_taken_is_launched_with_all_that_came() -> None:
    bench = Bench(trigger(replace(AT_ONCE, until_count=2)))
    bench.publish("m")
    for number in range(3):
        bench.drop(f"a/{number}.csv")
    bench.finish()
    assert bench.members() == [["a/0.csv", "a/1.csv", "a/2.csv"]]


def test_the_last_of_a_counted_window_is_found_again_by_its_redelivery() -> None:
    bench = Bench(trigger(replace(AT_ONCE, until_count=2)))
    bench.drop("a/0.csv")
    event = bench.landed("a/1.csv")

    def away() -> None:
        raise Unavailable("the store is away", code="ledger_unavailable")

    bench.records.meanwhile("list", "m/", away)
    with pytest.raises(Unavailable):
        bench.send(event)
    assert (bench.send(event), bench.members()) == ("launched", [["a/0.csv", "a/1.csv"]])


# markers that list the members


def listing(**rule: object) -> WindowRule:
    return marked(until_lists=True, at_max_wait="reject", **rule)


def uris(*names: str) -> bytes:
    return "".join(f"gs://landing/{name}\n" for name in names).encode()


def test_a_window_waits_for_all_that_its_marker_lists_and_for_nothing_else() -> None:
    bench = Bench(trigger(listing()))
    bench.landed("a/other.csv")  # lies there, is not listed, and is never announced
    assert bench.drop("a/_DONE", uris("a/1.csv", "a/2.csv")) == "deferred"
    assert bench.drop("a/1.csv") == "deferred"
    bench.advance(HOUR)  # it does not settle: what is to come is known
    assert (bench.drop("a/2.csv"), bench.members()) == ("launched", [["a/1.csv", "a/2.csv"]])


def test_a_list_may_be_json_and_its_form_is_that_of_a_runs_manifest() -> None:
    bench = Bench(trigger(listing()))
    bench.drop("a/1.csv")
    assert bench.drop("a/_DONE", b'{"members": [{"uri": "gs://landing/a/1.csv", "rows": 1}]}') == "launched"


def test_what_is_listed_and_never_lands_is_decided_on_at_max_wait() -> None:
    bench = Bench(trigger(listing()))
    bench.drop("a/1.csv")
    bench.drop("a/_DONE", uris("a/1.csv", "a/2.csv"))
    bench.advance(3 * HOUR)
    [manifest] = [stored.value for stored in bench.ledger.manifests.list()]
    assert (manifest.state, manifest.cause, manifest.until) == ("rejected", "reject", True)


def test_what_a_check_turned_away_is_not_waited_for() -> None:
    bench = Bench(trigger(listing(), gated=True))
    bench.drop("a/1.csv")
    bench.drop("a/2.csv", BAD)
    assert (bench.drop("a/_DONE", uris("a/1.csv", "a/2.csv")), bench.members()) == ("launched", [["a/1.csv"]])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (uris("a/1.csv", "b/1.csv"), "line 2 is no object that the trigger's sources take in this window"),
        (b"gs://elsewhere/a/1.csv", "line 1 is no object that the trigger's sources take in this window"),
        (uris("a/" + "x" * 5_000 + ".csv"), "line 1 is no object that the trigger's sources take in this window"),
        (uris("a/_DONE"), "line 1 is no object that the trigger's sources take in this window"),
        (b"", "it lists nothing"),
        (b"\xff\n", "byte 0 is no UTF-8"),
        (b"{", "it begins as JSON, and holds no `members`"),
        (b'{"members":' + b"[" * 100_000, "it begins as JSON, and holds no `members`"),
        (b'{"members": 1}', "its `members` are no list"),
        (b'{"members": [{"uri": "gs://landing/a/1.csv"}, {"uri": 1}]}', "member 2 has no `uri`"),
        (uris("a/1.csv") * 100_001, "it lists more than 100,000 objects"),
        (b"x" * ((16 << 20) + 1), "it is larger than 16 MiB"),
    ],
)
def test_a_list_that_is_wrong_is_rejected_with_the_place_and_a_right_one_counts(content: bytes, reason: str) -> None:
    bench = Bench(trigger(listing()))
    bench.drop("a/1.csv")
    outcome = bench.outcome(bench.landed("a/_DONE", content))
    assert (outcome.result, outcome.verdicts[-1].reason) == ("rejected", f"the list of members: {reason}")
    assert bench.drop("a/_DONE", uris("a/1.csv")) == "launched"


def test_a_list_that_cannot_be_read_just_now_is_read_by_the_tick() -> None:
    bench = Bench(trigger(listing()))
    bench.drop("a/1.csv")

    def away() -> None:
        bench.objects.while_reading = lambda: None
        raise Unavailable("the store is away", code="store_unavailable")

    bench.objects.while_reading = away
    assert bench.drop("a/_DONE", uris("a/1.csv")) == "deferred"
    bench.advance(3 * MINUTE)
    assert bench.members() == [["a/1.csv"]]


def test_of_a_list_that_is_written_again_the_last_version_counts() -> None:
    bench = Bench(trigger(listing()))
    bench.drop("a/_DONE", uris("a/1.csv", "a/wrong.csv"))
    bench.drop("a/1.csv")
    assert (bench.drop("a/_DONE", uris("a/1.csv")), bench.members()) == ("launched", [["a/1.csv"]])


def test_a_window_waits_for_the_lists_of_all_its_markers() -> None:
    rule = replace(listing(), until="{k}/*_DONE")
    bench = Bench(trigger(rule))
    bench.drop("a/x_DONE", uris("a/1.csv"))
    bench.drop("a/y_DONE", uris("a/2.csv"))
    assert [bench.drop("a/1.csv"), bench.drop("a/2.csv")] == ["deferred", "launched"]


# slots and throttles


def test_a_throttled_run_keeps_its_slot_and_is_launched_when_the_period_ends() -> None:
    bench = Bench(trigger(AT_ONCE, throttle=Throttle(limit=1, per=HOUR)))
    assert [bench.drop("a/1.csv"), bench.publish("m")] == ["launched", "deferred"]
    bench.finish()
    bench.advance(40 * MINUTE)
    assert len(bench.platform.jobs) == 1
    bench.advance(15 * MINUTE)
    assert len(bench.platform.jobs) == 2


def test_the_environments_limit_on_running_jobs_holds_across_keys() -> None:
    busy = trigger(AT_ONCE, concurrency=Concurrency(limit=5, key="match.k"))
    bench = Bench(busy, environment(running=2))
    assert [bench.drop(f"{key}/1.csv") for key in "abc"] == ["launched", "launched", "deferred"]
    bench.finish(run=0)
    assert len(bench.platform.jobs) == 3


def test_messages_queue_one_run_each() -> None:
    bench = Bench(trigger(AT_ONCE))
    assert [bench.publish(f"m{number}") for number in range(3)] == ["launched", "deferred", "deferred"]
    bench.finish()
    bench.finish()
    assert sorted(str(run.parameters["what"]) for run in bench.runs()) == ["m0", "m1", "m2"]


def test_a_message_whose_trigger_was_removed_before_its_claim_was_settled_is_settled_by_its_run() -> None:
    bench = Bench(trigger(AT_ONCE))

    def away() -> None:
        raise Unavailable("the store is away", code="ledger_unavailable")

    bench.records.meanwhile("swap", "c/", away)
    bench.publish("m")
    bench.deploy(replace(trigger(AT_ONCE), name="another"))
    bench.finish()
    bench.advance(HOUR)
    [claim] = bench.ledger.claims.list()
    assert (claim.value.state, list(bench.records.list("due/"))) == ("run", [])


def test_over_a_throttle_that_skips_a_launch_is_let_go_and_its_slot_is_free() -> None:
    bench = Bench(trigger(AT_ONCE, throttle=Throttle(limit=1, per=HOUR, when_over="skip")))
    first, second = bench.publish("m"), None
    bench.finish()
    outcome = bench.outcome(bench.message("n"))
    second = (outcome.result, [verdict.code for verdict in outcome.verdicts])
    assert (first, second) == ("launched", ("skipped", ["over"]))
    assert (bench.publish("n"), bench.slots()) == ("duplicate", {})
    assert (bench.drop("a/1.csv"), bench.members(), bench.slots()) == ("skipped", [], {})
    bench.advance(HOUR)
    assert (bench.drop("a/2.csv"), bench.members()) == ("launched", [["a/2.csv"]])


def test_what_comes_while_a_run_is_at_work_is_skipped_and_what_comes_after_it_is_not() -> None:
    bench = Bench(trigger(AT_ONCE, concurrency=SKIP))
    results = [bench.publish("m"), bench.publish("n"), bench.drop("a/1.csv")]
    bench.platform.finish(bench.runs()[0].job, JobStatus(state="succeeded"))  # and no tick has seen it yet
    results += [bench.drop("a/2.csv"), bench.publish("o"), bench.publish("n")]
    assert results == ["launched", "skipped", "skipped", "launched", "skipped", "duplicate"]
    assert bench.members() == [["a/2.csv"]]


def test_a_run_that_was_granted_and_not_launched_yet_counts_as_at_work() -> None:
    bench = Bench(trigger(AT_ONCE, concurrency=SKIP))
    bench.platform.before = [Unavailable("503", code="platform_unavailable")]
    assert [bench.publish("m"), bench.publish("n")] == ["deferred", "skipped"]


def test_what_waits_for_the_environments_limit_is_not_skipped() -> None:
    bench = Bench(trigger(AT_ONCE, concurrency=replace(SKIP, limit=2)), environment(running=1))
    assert [bench.publish("m"), bench.publish("n")] == ["launched", "deferred"]
    bench.finish()
    assert len(bench.platform.jobs) == 2


def test_a_skipped_window_says_why_and_the_next_one_opens() -> None:
    bench = Bench(trigger(replace(AT_ONCE, quiet=5 * MINUTE), concurrency=SKIP))
    bench.publish("m")
    bench.drop("a/1.csv")
    bench.advance(6 * MINUTE)
    [manifest] = [stored.value for stored in bench.ledger.manifests.list()]
    assert (manifest.state, manifest.cause) == ("skipped", "busy")
    bench.finish()
    bench.drop("a/2.csv")
    bench.advance(6 * MINUTE)
    assert bench.members() == [["a/2.csv"]]


def test_members_that_failed_once_and_are_then_skipped_are_dead_letters() -> None:
    rule = replace(AT_ONCE, quiet=MINUTE)
    bench = Bench(trigger(rule, throttle=Throttle(limit=1, per=HOUR, when_over="skip")))
    bench.drop("a/1.csv")
    bench.advance(2 * MINUTE)
    bench.finish("failed")
    bench.drop("a/2.csv")
    bench.advance(5 * MINUTE)
    assert [reason.partition(" and")[0] for reason in bench.dead()] == ["it failed,"]


def test_of_a_queue_each_object_has_a_run_of_its_own_in_the_order_of_arrival() -> None:
    bench = Bench(trigger(AT_ONCE, concurrency=QUEUE))
    names = [f"{key}/{number}.csv" for number in range(3) for key in "zab"]
    for name in names:
        bench.drop(name)
        bench.now += timedelta(seconds=1)
    for _ in names:
        bench.finish()
    assert [run.members for run in bench.runs()] == [1] * 9
    assert started(bench) == [name[0] for name in names]


def test_a_newcomer_does_not_overtake_who_waits_though_the_slot_is_free() -> None:
    bench = Bench(trigger(AT_ONCE, concurrency=QUEUE))
    for name in "mno":
        bench.publish(name)
        bench.now += timedelta(seconds=1)
    [run] = list(bench.ledger.runs.list())
    bench.cores[1].admission.slots.free(run.value.gates, bench.ledger.runs.name(run))  # as its end will
    assert bench.publish("p") == "deferred"
    bench.now += MINUTE
    bench.tick()
    assert started(bench) == ["m", "n"]


def test_who_waits_goes_in_order_though_the_first_of_them_ends_at_once() -> None:
    bench = Bench(trigger(AT_ONCE))
    for name in "mno":
        bench.publish(name)
        bench.now += timedelta(seconds=1)
    bench.platform.finish(bench.runs()[0].job, JobStatus(state="succeeded"))
    bench.platform.before = [Refused("400", code="invalid_argument")]
    bench.now += 2 * MINUTE
    bench.records.meanwhile("create", "d/", lambda: bench.publish("p"))  # while `n` is refused, before `o` has its turn
    bench.tick()
    bench.advance(2 * MINUTE)
    assert started(bench) == ["m", "o"]


def test_a_window_that_is_no_longer_due_gives_up_its_place_in_line() -> None:
    bench = Bench(trigger(replace(AT_ONCE, quiet=5 * MINUTE), concurrency=QUEUE))
    bench.drop("a/1.csv")
    bench.advance(4 * MINUTE)
    bench.publish("m")
    bench.advance(2 * MINUTE)
    assert len(bench.line()) == 1
    bench.drop("a/2.csv")  # its quiet period begins again
    bench.advance(2 * MINUTE)
    assert bench.line() == {}
    bench.finish()
    assert bench.members() == [["a/1.csv", "a/2.csv"]]


def test_the_newest_message_replaces_the_run_at_work_and_starts_when_that_has_ended() -> None:
    bench = Bench(trigger(AT_ONCE, concurrency=REPLACE))
    bench.platform.slow = True
    results = []
    for name in "mno":
        results.append(bench.publish(name))
        bench.now += timedelta(seconds=1)
    bench.advance(5 * MINUTE)
    assert (results, started(bench), bench.runs()[0].phase) == (
        ["launched", "deferred", "deferred"],
        ["m"],
        "cancelling",
    )
    bench.platform.finish(bench.runs()[0].job, JobStatus(state="cancelled"))
    bench.advance(2 * MINUTE)
    assert started(bench) == ["m", "o"]
    assert [(event.result, event.id) for event in bench.journal.events()] == [
        ("launched", "envelope-1"),
        ("skipped", "envelope-2"),
        ("launched", "envelope-3"),
    ]


def test_what_a_replaced_run_was_at_work_on_is_in_the_next_window_and_counts_as_no_failure() -> None:
    bench = Bench(trigger(AT_ONCE, concurrency=REPLACE))
    for number in range(6):
        bench.drop(f"a/{number}.csv")
        bench.advance(3 * MINUTE)
    assert bench.members()[-1] == [f"a/{number}.csv" for number in range(6)]
    assert (bench.dead(), [run.state for run in bench.runs()]) == ([], ["cancelled"] * 5 + ["running"])


def test_a_run_that_was_granted_and_not_launched_is_launched_before_it_is_replaced() -> None:
    bench = Bench(trigger(AT_ONCE, concurrency=REPLACE))
    bench.platform.slow = True
    bench.platform.before = [Unavailable("503", code="platform_unavailable")]
    bench.publish("m")
    bench.now += timedelta(seconds=1)
    bench.publish("n")
    assert [run.phase for run in bench.runs()] == ["wait"]
    bench.advance(5 * MINUTE)
    assert (started(bench), [run.phase for run in bench.runs()]) == (["m"], ["cancelling"])


def test_a_run_that_ended_before_it_was_replaced_ended_as_it_did() -> None:
    bench = Bench(trigger(AT_ONCE, concurrency=REPLACE))
    bench.drop("a/1.csv")
    bench.platform.finish(bench.runs()[0].job, JobStatus(state="succeeded"))
    bench.now += timedelta(seconds=1)
    assert bench.drop("a/2.csv") == "launched"
    assert ([run.state for run in bench.runs()], bench.members()) == (
        ["succeeded", "running"],
        [["a/1.csv"], ["a/2.csv"]],
    )


# failures


def test_a_failed_run_is_tried_again_as_a_job_of_its_own() -> None:
    bench = Bench(trigger(AT_ONCE, on_failure=OnFailure(retry=1, then="dead")))
    bench.drop("a/1.csv")
    bench.finish("failed")
    [run] = bench.runs()
    assert (run.state, list(bench.platform.jobs)) == ("running", [run.id, f"{run.id}-1"])
    bench.finish("failed")
    assert ([it.state for it in bench.runs()], len(bench.dead())) == (["failed"], 1)


def test_a_failed_runs_members_join_the_next_window_three_times_and_then_are_dead_letters() -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.drop("a/poison.csv")
    for number in range(4):
        bench.drop(f"a/{number}.csv")
        bench.finish("failed")
    assert [names.count("a/poison.csv") for names in bench.members()] == [1, 1, 1, 1, 0]
    assert len(bench.dead()) == 1


def test_members_that_nobody_opens_a_window_for_are_dead_letters_after_max_wait() -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.drop("a/1.csv")
    bench.finish("failed")
    assert bench.dead() == []
    bench.advance(90 * MINUTE)
    assert len(bench.dead()) == 1
    assert [entry.key for shard in range(8) for entry in bench.records.list(f"due/{shard}/")] == []


def test_members_carried_into_a_window_that_closes_at_that_moment_go_on_to_the_next() -> None:
    bench = Bench(trigger(AT_ONCE, concurrency=Concurrency(limit=2)))
    bench.drop("a/1.csv")
    bench.platform.finish(bench.runs()[0].job, JobStatus(state="failed"))
    bench.records.meanwhile("create", "m/", lambda: bench.send(bench.landed("a/2.csv"), process=1))
    bench.advance(2 * MINUTE)
    assert bench.members() == [["a/1.csv"], ["a/2.csv"]]
    bench.drop("a/3.csv")
    bench.advance(2 * MINUTE)
    assert bench.members() == [["a/1.csv"], ["a/2.csv"], ["a/1.csv", "a/3.csv"]]


# pauses, ticks, the ledger away


def test_a_pause_holds_what_comes_and_loses_nothing() -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.pause(on=True)
    assert [bench.drop("a/1.csv"), bench.publish("m"), bench.drop("a/2.csv")] == ["deferred"] * 3
    bench.advance(3 * HOUR)
    assert bench.runs() == []
    bench.pause(on=False)
    bench.advance(2 * MINUTE)
    bench.finish()
    bench.finish()
    assert (bench.members(), len(bench.runs())) == ([["a/1.csv", "a/2.csv"]], 2)


def test_the_patience_of_a_window_starts_again_when_its_pause_ends() -> None:
    bench = Bench(trigger(marked(at_max_wait="reject")))
    bench.drop("a/1.csv")
    bench.pause(on=True)
    bench.advance(5 * HOUR)
    bench.pause(on=False)
    bench.advance(MINUTE)
    bench.drop("a/_DONE")
    bench.advance(MINUTE)
    assert bench.members() == [["a/1.csv"]]


def test_a_tick_that_runs_twice_or_within_another_changes_nothing() -> None:
    bench = Bench(trigger(AT_ONCE))
    bench.drop("a/1.csv")
    bench.drop("a/2.csv")
    bench.platform.finish(bench.runs()[0].job, JobStatus(state="succeeded"))
    bench.now += 5 * MINUTE
    bench.records.meanwhile("swap", "r/", lambda: bench.tick(process=1))
    bench.tick()
    bench.tick()
    bench.advance(5 * MINUTE)
    assert bench.members() == [["a/1.csv"], ["a/2.csv"]]
    assert len(bench.platform.jobs) == 2


@pytest.mark.parametrize("operation", ["create", "get"])
def test_hole_19_an_event_is_not_acknowledged_when_nothing_could_be_written(operation: str) -> None:
    bench = Bench(trigger(AT_ONCE))
    event = bench.landed("a/1.csv")

    def away() -> None:
        raise Unavailable("the store is away", code="ledger_unavailable")

    bench.records.meanwhile(operation, "", away)  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        bench.send(event)
    assert (bench.send(event), bench.members()) == ("launched", [["a/1.csv"]])


# schedules


def wake_up(at: timedelta) -> Event:
    payload = Schedule(name="t", scheduled_for=START + at)
    return Event(id=f"wake {at}", source="//s", type="wake", time=START + at, subject="t", payload=payload)


@pytest.mark.parametrize(("missed", "fired"), [("last", 1), ("all", 3), ("none", 0)])
def test_slots_that_were_missed_fire_by_the_schedules_rule(missed: str, fired: int) -> None:
    source = ScheduleSource(cron="0 * * * *", missed=missed, parameters={"what": "x"})  # type: ignore[arg-type]
    bench = Bench(replace(trigger(AT_ONCE, concurrency=Concurrency(limit=9)), sources=(source,)))
    bench.send(wake_up(timedelta()))
    before = len(bench.platform.jobs)
    bench.now += 3 * HOUR + 30 * MINUTE
    bench.send(wake_up(3 * HOUR))
    assert len(bench.platform.jobs) - before == fired


def test_hole_12_a_late_wake_up_fires_no_slot_again() -> None:
    source = ScheduleSource(cron="0 * * * *", parameters={"what": "x"})
    bench = Bench(replace(trigger(AT_ONCE, concurrency=Concurrency(limit=9)), sources=(source,)))
    results = [bench.send(wake_up(timedelta()))]
    bench.now += HOUR
    results += [bench.send(wake_up(HOUR)), bench.send(wake_up(timedelta()), process=1), bench.send(wake_up(HOUR))]
    assert results == ["launched", "launched", "duplicate", "duplicate"]


@pytest.mark.parametrize(("behind", "results"), [(1, ["launched", "duplicate"]), (60, ["duplicate", "launched"])])
def test_a_slot_is_not_lost_to_a_ledgers_clock_that_is_behind(behind: int, results: list[str]) -> None:
    source = ScheduleSource(cron="0 * * * *", parameters={"what": "x"})
    bench = Bench(replace(trigger(AT_ONCE, concurrency=Concurrency(limit=9)), sources=(source,)))
    bench.send(wake_up(timedelta()))
    bench.now += HOUR - behind * SECOND
    found = [bench.send(wake_up(HOUR))]
    bench.tick()
    bench.now += behind * SECOND
    assert [*found, bench.send(wake_up(HOUR))] == results
    assert len(bench.platform.jobs) == 2


# costs


def test_an_idle_tick_costs_eight_lists_a_read_and_a_write_whatever_the_history() -> None:
    bench = Bench(trigger(AT_ONCE))
    for _ in range(3):
        bench.drop("a/1.csv", str(bench.now).encode())
        bench.finish()
    bench.advance(3 * HOUR)
    cost(bench)
    bench.tick()
    assert cost(bench) == {"list": 8, "get": 1, "swap": 1}


def test_a_windowed_event_costs_three_operations_and_its_duplicate_four() -> None:
    bench = Bench(trigger(WindowRule(key="match.k", quiet=10 * MINUTE)))
    bench.drop("a/0.csv")
    event = bench.landed("a/1.csv")
    cost(bench)
    assert (bench.send(event), cost(bench)) == ("deferred", {"create": 2, "get": 1})
    assert (bench.send(event), cost(bench)) == ("duplicate", {"create": 2, "get": 2})


def test_counting_costs_a_list_more() -> None:
    bench = Bench(trigger(replace(AT_ONCE, until_count=10)))
    bench.drop("a/0.csv")
    event = bench.landed("a/1.csv")
    cost(bench)
    assert (bench.send(event), cost(bench)) == ("deferred", {"create": 2, "get": 1, "list": 1})


def test_the_data_gate_costs_one_operation_more() -> None:
    bench = Bench(trigger(WindowRule(key="match.k", quiet=10 * MINUTE), gated=True))
    bench.drop("a/0.csv")
    event = bench.landed("a/1.csv")
    cost(bench)
    assert (bench.send(event), cost(bench)) == ("deferred", {"create": 2, "swap": 1, "get": 1})


def test_a_duplicate_of_what_ran_long_ago_writes_nothing() -> None:
    bench = Bench(trigger(AT_ONCE))
    event = bench.landed("a/1.csv")
    bench.send(event)
    bench.finish()
    bench.advance(2 * HOUR)  # its members are swept
    bench.drop("a/2.csv")
    cost(bench)
    assert (bench.send(event), cost(bench)) == ("duplicate", {"create": 1, "get": 2})
