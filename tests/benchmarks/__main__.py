"""`python -m tests.benchmarks NAME [--format json] [SIZE …]`; `all` runs every one, `list` names them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from tests.benchmarks.backlog import BACKLOG
from tests.benchmarks.burst import BURST
from tests.benchmarks.checking import CHECKING, LOADING
from tests.benchmarks.cold_start import COLD_START
from tests.benchmarks.decode import DECODE
from tests.benchmarks.emulator import EMULATOR
from tests.benchmarks.exactly_once import EXACTLY_ONCE
from tests.benchmarks.fuzz import FUZZ
from tests.benchmarks.hostile import HOSTILE
from tests.benchmarks.ledger import LEDGER
from tests.benchmarks.matching import MATCHING
from tests.benchmarks.report import as_json, as_table
from tests.benchmarks.tick import TICK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.benchmarks.report import Benchmark

BENCHMARKS: Final[Mapping[str, Benchmark]] = {
    "matching": MATCHING,
    "loading": LOADING,
    "checking": CHECKING,
    "decode": DECODE,
    "fuzz": FUZZ,
    "hostile": HOSTILE,
    "ledger": LEDGER,
    "burst": BURST,
    "exactly_once": EXACTLY_ONCE,
    "tick": TICK,
    "backlog": BACKLOG,
    "cold_start": COLD_START,
    "emulator": EMULATOR,
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("name", choices=["all", "list", *BENCHMARKS], metavar="NAME")
    parser.add_argument("--format", choices=["table", "json"], default="table")
    parser.add_argument("sizes", type=_size, nargs="*", metavar="SIZE")
    wanted = parser.parse_intermixed_args(arguments)
    if wanted.name == "list":
        for name, benchmark in BENCHMARKS.items():
            sizes = " ".join(map(str, benchmark.sizes))
            print(f"{name:<14}{benchmark.line} (SIZE: {benchmark.unit}, {sizes})")
        return
    if wanted.name == "all" and wanted.sizes:
        parser.error("sizes mean something else to each benchmark: give them with one NAME")
    for name in BENCHMARKS if wanted.name == "all" else [wanted.name]:
        benchmark = BENCHMARKS[name]
        report = benchmark.run(wanted.sizes or benchmark.sizes)
        told = as_json(name, report) if wanted.format == "json" else as_table(name, benchmark.line, report)
        print(told, flush=True)


def _size(text: str) -> int:
    size = int(text)
    if size < 1:
        raise ValueError(text)
    return size


if __name__ == "__main__":
    main()
