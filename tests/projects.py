"""What projects in tests share: their files on disk, a pipeline without tasks, and a ledger that goes away."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Path below the folder -> text."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def template(name: str, **parameters: str) -> str:
    """A compiled pipeline that does nothing, with optional parameters: name -> type."""
    inputs = {name: {"parameterType": kind, "isOptional": True} for name, kind in parameters.items()}
    return json.dumps(
        {
            "schemaVersion": "2.1.0",
            "pipelineInfo": {"name": name},
            "components": {},
            "deploymentSpec": {"executors": {}},
            "root": {"dag": {"tasks": {}}, **({"inputDefinitions": {"parameters": inputs}} if inputs else {})},
        }
    )


@contextmanager
def without_ledger(file: Path) -> Iterator[None]:
    """An outage of a SQLite ledger: whoever asks it gets an error."""
    with closing(sqlite3.connect(file, isolation_level=None)) as ledger:
        ledger.execute("ALTER TABLE kv RENAME TO away")
        try:
            yield
        finally:
            ledger.execute("ALTER TABLE away RENAME TO kv")
