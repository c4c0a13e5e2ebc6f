from __future__ import annotations

import json

import pytest

from tests.benchmarks import cold_start
from tests.benchmarks.__main__ import BENCHMARKS, main
from tests.benchmarks.environments import NotCached
from tests.benchmarks.report import as_json

FATE = {"events", "deliveries", "kills", "runs", "lost", "doubled", "ledger_ops_per_event", "elapsed_s"}
KEYS = {
    "matching": {"us_per_event", "shapes", "growth", "hostile"},
    "loading": {"load_ms", "first_event_ms"},
    "checking": {"seconds"},
    "decode": {"us", "json_loads_us"},
    "hostile": {"ms", "worst"},
    "fuzz": {"executions", "findings", "peak_rss_mb"},
    "ledger": {"per_second", "sqlite_events_per_s_2_processes", "operations", "trips"},
    "burst": FATE | {"bursts"},
    "exactly_once": FATE | {"ledgers"},
    "backlog": {"notes"},
    "tick": {"notes", "idle_operations"},
    "emulator": {"ready_ms", "drop_to_launch_ms"},
    "cold_start": {"rounds", "wire_ms", "median_ms", "peak_mb", "ratios"},
}


def test_every_benchmark_is_told_of_here() -> None:
    assert set(KEYS) == set(BENCHMARKS)


@pytest.mark.parametrize("name", sorted(set(KEYS) - {"cold_start"}))
def test_a_benchmark_prints_one_json_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([name, "--format", "json", *map(str, BENCHMARKS[name].smallest)])
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert set(told) == {"benchmark", "targets"} | KEYS[name]
    assert told["benchmark"] == name


@pytest.mark.parametrize(("name", "size"), [("burst", 1_000), ("ledger", 3), ("tick", 100)])
def test_what_is_counted_and_not_timed_meets_its_target(name: str, size: int) -> None:
    report = BENCHMARKS[name].run((size,))
    assert [target for target in report.targets if not target.met] == []


def test_the_table_has_each_target_beside_its_figure(capsys: pytest.CaptureFixture[str]) -> None:
    main(["tick", "1"])
    assert "  met     operations of an idle tick: 10 (at most 10)" in capsys.readouterr().out.splitlines()


def test_the_list_names_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    main(["list"])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(BENCHMARKS)


@pytest.mark.parametrize("arguments", [["nonsense"], ["tick", "0"], ["tick", "many"], ["all", "1"], []])
def test_what_makes_no_sense_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert (refused.value.code, "Traceback" in capsys.readouterr().err) == (2, False)


def test_the_cold_start_is_measured_without_the_sdk() -> None:
    try:
        report = cold_start.run(BENCHMARKS["cold_start"].smallest, sdk=False, offline=True)
    except NotCached as missing:
        pytest.skip(str(missing))
    told = json.loads(as_json("cold_start", report))
    assert set(told) == {"benchmark", "targets"} | KEYS["cold_start"]
    google = {"hello_world", "retrigger_vertex", "retrigger_vertex_cel", "retrigger_vertex_framework"}
    assert set(told["wire_ms"]) == set(told["peak_mb"]) == google | {"hello_azure", "retrigger_azureml"}
    assert all(figure > 0 for figure in [*told["wire_ms"].values(), *told["peak_mb"].values()])
