"""A bounded search for requests that break the formats: atheris (libFuzzer, led by coverage) over the golden ones."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.benchmarks.report import Benchmark, Report, Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ROOT: Final = Path(__file__).parents[2]
_GOLDEN: Final = _ROOT / "tests" / "golden" / "events"
_LONGEST: Final = 16 * 1024  # bytes an input
_SLOWEST_S: Final = 5  # an input that takes longer is a finding
_RSS_MB: Final = 512  # and so is one that needs more


def run(sizes: Sequence[int]) -> Report:
    """`sizes`: inputs to try. What was found is kept in a folder that the report names."""
    (inputs,) = sizes
    if find_spec("atheris") is None:
        return _report(None, None, None, ["not run: atheris has no build for this platform"])
    found = Path(tempfile.mkdtemp(prefix="retrigger-fuzz-"))
    with tempfile.TemporaryDirectory() as corpus:
        for name, seed in _seeds():
            (Path(corpus) / name).write_bytes(seed)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.benchmarks.fuzz_target"),
                *(f"-runs={inputs}", "-seed=1", f"-max_len={_LONGEST}", f"-timeout={_SLOWEST_S}"),
                *(f"-rss_limit_mb={_RSS_MB}", "-print_final_stats=1", f"-artifact_prefix={found}{os.sep}", corpus),
            ],
            cwd=_ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    findings = sorted(found.iterdir())
    if not findings:
        found.rmdir()
    tried, rss = _statistic(done.stderr, "number_of_executed_units"), _statistic(done.stderr, "peak_rss_mb")
    if tried is None or (done.returncode and not findings):
        raise RuntimeError(f"the fuzzer did not run:\n{done.stderr[-2000:]}")
    return _report(tried, len(findings), rss, [f"kept: {path}" for path in findings])


def _report(tried: int | None, findings: int | None, rss_mb: int | None, notes: Sequence[str]) -> Report:
    bounds = f"inputs of up to {_LONGEST} bytes; {_SLOWEST_S} s or {_RSS_MB} MB for one is a finding"
    return Report(
        columns=("inputs tried", "findings", "peak RSS, MB"),
        rows=[] if tried is None else [(f"{tried:,}", findings or 0, rss_mb or 0)],
        data={"executions": tried, "findings": findings, "peak_rss_mb": rss_mb},
        targets=[] if findings is None else [Target("findings", findings, 0)],
        notes=[bounds, *notes],
    )


def _seeds() -> Iterator[tuple[str, bytes]]:
    """Every golden request, as `fuzz_target` reads one."""
    for expected in sorted(_GOLDEN.glob("*.expected.json")):
        name = expected.name.removesuffix(".expected.json")
        headers = _GOLDEN / f"{name}.headers.json"
        told = json.loads(headers.read_text()) if headers.exists() else {}
        head = [json.loads(expected.read_text()).get("route", ""), *(f"{key}: {value}" for key, value in told.items())]
        body = _GOLDEN / f"{name}.json"
        yield name, "\n".join(head).encode() + b"\n\n" + (body.read_bytes() if body.exists() else b"")


def _statistic(log: str, name: str) -> int | None:
    said = re.search(rf"^stat::{name}:\s*(\d+)$", log, re.MULTILINE)
    return None if said is None else int(said[1])


FUZZ: Final = Benchmark(
    line="requests that break the formats", unit="inputs to try", sizes=(200_000,), smallest=(200,), run=run
)
