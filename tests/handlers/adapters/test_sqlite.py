"""What SQLite alone does: one writer at a time. The port's contract is in tests/contract/test_records.py."""

from __future__ import annotations

import fcntl
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaits
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from retrigger.handlers.adapters.sqlite import SqliteRecords
from retrigger.triggers.errors import Unavailable

if TYPE_CHECKING:
    from pathlib import Path


def test_a_writer_waits_for_the_one_before_and_a_reader_for_nobody(tmp_path: Path) -> None:
    records = SqliteRecords(tmp_path / "ledger")
    records.create("c/1", {"n": 1})
    with (
        closing(sqlite3.connect(tmp_path / "ledger", isolation_level=None, check_same_thread=False)) as other,
        ThreadPoolExecutor() as pool,
    ):
        other.execute("BEGIN IMMEDIATE")
        waits = pool.submit(records.create, "c/2", {"n": 2})
        found = records.get("c/1")
        with pytest.raises(StillWaits):
            waits.result(0.1)
        other.execute("ROLLBACK")
        created = waits.result(10)
    assert (found and found.body, created and created.body) == ({"n": 1}, {"n": 2})


def test_what_is_no_database_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_bytes(b"not a database" * 100)
    with pytest.raises(Unavailable, match="cannot be used"):
        SqliteRecords(tmp_path / "ledger")


_DIES_IN_ITS_TURN = """
import os, signal, sys
from pathlib import Path
from retrigger.handlers.adapters.sqlite import SqliteRecords

records = SqliteRecords(Path(sys.argv[1]))
def dies(cursor):
    os.kill(os.getpid(), signal.SIGKILL)
records._stamp = dies
records.create("c/1", {})
"""


def test_who_dies_in_its_turn_gives_it_up_and_has_written_nothing(tmp_path: Path) -> None:
    records = SqliteRecords(tmp_path / "ledger")
    died = subprocess.run([sys.executable, "-c", _DIES_IN_ITS_TURN, str(tmp_path / "ledger")], check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    assert records.get("c/1") is None
    assert records.create("c/1", {}) is not None


def test_a_turn_that_somebody_keeps_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    records = SqliteRecords(tmp_path / "ledger", patience=0.05)
    with (tmp_path / "ledger-turn").open() as stopped:
        fcntl.flock(stopped, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="is a process stopped") as caught:
            records.create("c/1", {})
    assert caught.value.code == "ledger_busy"
    assert records.create("c/1", {}) is not None
